//! Attacks with what the header says.

use serde_json::{Value, json};

use super::attack::Attack;
use super::{TestKeys, encode};
use crate::jwt::algorithm::Algorithm;

/// Makes the attacks.
pub(super) fn attacks(keys: &TestKeys) -> Vec<Attack> {
    let mut attacks = none(keys);
    attacks.extend(algorithms(keys));
    attacks.extend(extensions(keys));
    attacks.extend(types(keys));
    attacks.extend(shapes(keys));
    attacks
}

/// Tokens that claim to need no signature (CVE-2015-9235).
fn none(keys: &TestKeys) -> Vec<Attack> {
    let claims = encode(keys.token().claims_text());
    let kid = keys.signing_key().verifying_key().kid();
    let mut attacks = Vec::new();
    let values = [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!("NONE"),
        json!(" none"),
        json!("none\0"),
        json!(""),
        Value::Null,
        json!([]),
        json!(["none"]),
        json!({}),
        json!(0),
        json!(false),
    ];
    for value in values {
        let header = encode(json!({"alg": value, "kid": kid, "typ": "at+jwt"}).to_string());
        for (name, signature) in [("no signature", ""), ("a signature", "AAAA")] {
            let name = format!("alg {value} with {name}");
            let token = format!("{header}.{claims}.{signature}");
            attacks.push(Attack::token(name, token));
        }
        let name = format!("alg {value} without the last dot");
        attacks.push(Attack::token(name, format!("{header}.{claims}")));
    }
    let missing = keys.token().without_header("alg").sign();
    attacks.push(Attack::token("no alg at all", missing));
    attacks
}

/// A genuine signature under another algorithm's name.
fn algorithms(keys: &TestKeys) -> Vec<Attack> {
    let own = keys.algorithm().as_str();
    let names = [
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "ML-DSA-44",
        "A128KW",
        "dir",
        "hs256",
        "eddsa",
        "es256",
    ];
    names
        .into_iter()
        .filter(|name| *name != own)
        .map(|name| {
            let token = keys.token().header("alg", name).sign();
            Attack::token(format!("a signature under the name of {name}"), token)
        })
        .collect()
}

/// Extensions that must be understood (RFC 7515 §4.1.11), and what encrypted
/// tokens ask for.
fn extensions(keys: &TestKeys) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["http://example.test/unknown"])),
        ("crit", json!([])),
        ("crit", json!(["alg"])),
        ("crit", json!("b64")),
        ("crit", json!({})),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let token = keys.token().header(name, value.clone()).sign();
        attacks.push(Attack::token(format!("{name} is {value}"), token));
    }
    let unencoded = keys
        .token()
        .header("b64", false)
        .header("crit", json!(["b64"]))
        .sign();
    attacks.push(Attack::token("an unencoded payload (RFC 7797)", unencoded));
    // CVE-2024-28122, CVE-2024-33664, CVE-2023-48223: work before any check.
    let bomb = json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000_u64, "p2s": "AAAA"});
    let zip = json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"});
    for (name, header) in [
        ("PBES2 with a billion rounds", bomb),
        ("a compressed one", zip),
    ] {
        let token = format!("{}.AAAA.AAAA.AAAA.AAAA", encode(header.to_string()));
        attacks.push(Attack::token(format!("an encrypted token: {name}"), token));
        let token = format!("{}.AAAA.AAAA", encode(header.to_string()));
        attacks.push(Attack::token(
            format!("its header on three parts: {name}"),
            token,
        ));
    }
    attacks
}

/// Tokens made for something else (RFC 8725 §3.11).
fn types(keys: &TestKeys) -> Vec<Attack> {
    let values = [
        json!("JWT"),
        json!("jwt"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("secevent+jwt"),
        json!("at+jwt "),
        json!("text/at+jwt"),
        json!("application/application/at+jwt"),
        json!(""),
        json!(1),
        json!(["at+jwt"]),
    ];
    let mut attacks: Vec<_> = values
        .into_iter()
        .map(|value| {
            let token = keys.token().header("typ", value.clone()).sign();
            Attack::token(format!("typ is {value}"), token)
        })
        .collect();
    let missing = keys.token().without_header("typ").sign();
    attacks.push(Attack::token("no typ", missing));
    attacks
}

/// Headers that two parsers read differently, or that are none.
fn shapes(keys: &TestKeys) -> Vec<Attack> {
    let key = keys.signing_key().verifying_key();
    let (alg, kid) = (key.algorithm().as_str(), key.kid());
    let other = Algorithm::Hs512.as_str();
    let texts = [
        format!(r#"{{"alg":"{alg}","alg":"{alg}","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"{other}","kid":"{kid}","typ":"at+jwt","alg":"{alg}"}}"#),
        format!(r#"{{"alg":"{alg}","\u0061lg":"none","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"{alg}","kid":"{kid}","kid":"x","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","typ":"JWT"}}"#),
        format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","x":{{"a":1,"a":2}}}}"#),
        format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt",}}"#),
        format!(r#"{{'alg':'{alg}','kid':'{kid}','typ':'at+jwt'}}"#),
        format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt"/**/}}"#),
        format!(r#"[{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt"}}]"#),
        format!(r#"{{"ALG":"{alg}","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#""{alg}""#),
        "null".to_owned(),
        "1".to_owned(),
        "{}".to_owned(),
        String::new(),
        "{".to_owned(),
    ];
    let claims = keys.token().claims_text();
    texts
        .into_iter()
        .map(|text| {
            let name = format!("the header {text}");
            Attack::token(name, keys.sign_text(&text, &claims))
        })
        .collect()
}
