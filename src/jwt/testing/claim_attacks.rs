//! Attacks with what the claims say, well signed: only the issuer could make
//! them, for another service or another purpose.

use serde_json::{Value, json};

use super::TestKeys;
use super::attack::Attack;

/// Makes the attacks.
pub(super) fn attacks(keys: &TestKeys) -> Vec<Attack> {
    let mut attacks = times(keys);
    attacks.extend(issuers(keys));
    attacks.extend(audiences(keys));
    attacks.extend(wrong_types(keys));
    attacks.extend(shapes(keys));
    attacks
}

/// Times that are over, not yet, or no times (RFC 7519 §4.1.4–§4.1.6).
fn times(keys: &TestKeys) -> Vec<Attack> {
    let now = keys.now().as_u64();
    let token = |name: &str, value: Value| keys.token().claim(name, value).sign();
    let mut attacks = vec![
        Attack::token(
            "expired an hour ago",
            keys.token()
                .claim("iat", now - 3_660)
                .claim("exp", now - 3_600)
                .sign(),
        )
        .answered("token_expired"),
        Attack::token("valid in an hour", token("nbf", json!(now + 3_600)))
            .answered("token_not_yet_valid"),
        Attack::token("issued in an hour", token("iat", json!(now + 3_600))),
        Attack::token(
            "signed in tomorrow",
            token("auth_time", json!(now + 86_400)),
        ),
        Attack::token(
            "lives for ten years",
            token("exp", json!(now + 315_360_000)),
        ),
    ];
    for name in ["exp", "iat"] {
        let token = keys.token().without_claim(name).sign();
        attacks.push(Attack::token(format!("no {name}"), token));
    }
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for value in [
            json!((now + 60).to_string()),
            json!(-1),
            json!(0.5),
            json!(now as f64 + 0.5),
            json!(true),
            Value::Null,
            json!([now]),
            json!({}),
        ] {
            let attack = format!("{name} is {value}");
            attacks.push(Attack::token(attack, token(name, value)));
        }
    }
    for number in [
        "1e400",
        "1e20",
        "NaN",
        "Infinity",
        "18446744073709551616",
        "9e999999999",
        "0x7fffffff",
        "01",
    ] {
        let attack = format!("exp is {number}");
        attacks.push(Attack::token(attack, with_text(keys, "exp", number)));
    }
    attacks
}

/// Replaces a claim by a text that need not be JSON.
fn with_text(keys: &TestKeys, name: &str, value: &str) -> String {
    let claims = keys.token().without_claim(name).claims_text();
    let claims = claims.trim_end_matches('}');
    sign(keys, &format!("{claims},\"{name}\":{value}}}"))
}

fn sign(keys: &TestKeys, claims: &str) -> String {
    let header = Value::Object(keys.token().header).to_string();
    keys.sign_text(&header, claims)
}

/// Other issuers, and values that compare equal only by accident.
fn issuers(keys: &TestKeys) -> Vec<Attack> {
    let issuer = keys.issuer();
    let mut attacks = values(
        keys,
        "iss",
        vec![
            json!("https://evil.test"),
            json!(format!("{issuer}/")),
            json!(format!("{issuer}.evil.test")),
            json!(issuer.to_uppercase()),
            json!(format!(" {issuer}")),
            json!(""),
            json!([issuer]),
            json!([issuer, "https://evil.test"]),
            json!({}),
            json!(1),
            Value::Null,
        ],
    );
    let missing = keys.token().without_claim("iss").sign();
    attacks.push(Attack::token("no iss", missing));
    attacks
}

/// Tokens for another service.
fn audiences(keys: &TestKeys) -> Vec<Attack> {
    let audience = keys.audience();
    let mut attacks = values(
        keys,
        "aud",
        vec![
            json!("another"),
            json!(format!("{audience}2")),
            json!(audience[..audience.len() - 1]),
            json!(audience.to_uppercase()),
            json!(format!("{audience} another")),
            json!(""),
            json!([]),
            json!(["another"]),
            json!([audience, 1]),
            json!([[audience]]),
            json!({audience: true}),
            json!(12_345),
            json!(true),
            Value::Null,
        ],
    );
    let missing = keys.token().without_claim("aud").sign();
    attacks.push(Attack::token("no aud", missing));
    attacks
}

/// Claims of a type that they cannot have.
fn wrong_types(keys: &TestKeys) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for name in ["sub", "sid", "jti", "scope", "acr"] {
        let wrong = vec![json!(1), json!(["a"]), json!({}), json!(true), Value::Null];
        attacks.extend(values(keys, name, wrong));
    }
    attacks.extend(values(
        keys,
        "roles",
        vec![json!("admin"), json!([1]), json!({"admin": true})],
    ));
    attacks.extend(values(keys, "sub", vec![json!("")]));
    let missing = keys.token().without_claim("sub").sign();
    attacks.push(Attack::token("no sub", missing));
    // Bound to a key, and sent without proof that the sender has it.
    let bound = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    attacks.extend(values(keys, "cnf", vec![bound]));
    attacks
}

fn values(keys: &TestKeys, name: &str, values: Vec<Value>) -> Vec<Attack> {
    let attack = |value: Value| {
        let attack = format!("{name} is {value}");
        Attack::token(attack, keys.token().claim(name, value).sign())
    };
    values.into_iter().map(attack).collect()
}

/// Claims that two parsers read differently, or that are none.
fn shapes(keys: &TestKeys) -> Vec<Attack> {
    let good = keys.token().claims_text();
    let open = good.trim_end_matches('}');
    let now = keys.now().as_u64();
    let texts = [
        format!("{open},\"sub\":\"admin\"}}"),
        format!("{open},\"\\u0073ub\":\"admin\"}}"),
        format!("{open},\"exp\":{}}}", now + 900),
        format!("{open},\"\\u0065xp\":{}}}", now + 900),
        format!("{open},\"aud\":\"another\"}}"),
        format!("{open},\"iss\":\"https://evil.test\"}}"),
        format!("{open},\"deep\":{{\"a\":1,\"a\":2}}}}"),
        format!("{open},\"deep\":[{{\"a\":1,\"\\u0061\":2}}]}}"),
        format!("{open},}}"),
        format!("{open},\"x\":\"\\ud800\"}}"),
        open.to_owned(),
        format!("{good}{good}"),
        format!("[{good}]"),
        format!("\"{}\"", keys.audience()),
        "null".to_owned(),
        "{}".to_owned(),
        String::new(),
    ];
    texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| Attack::token(format!("claims of shape {index}"), sign(keys, &text)))
        .collect()
}
