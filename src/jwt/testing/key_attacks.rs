//! Attacks with which key a token is to be checked.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::attack::Attack;
use super::{TestKeys, TokenBuilder, encode};
use crate::jwt::key::SigningKey;
use crate::jwt::public::PublicKey;

/// Makes the attacks.
pub(super) fn attacks(keys: &TestKeys) -> Vec<Attack> {
    let mut attacks = confusion(keys);
    attacks.extend(guessed_secrets(keys));
    attacks.extend(own_keys(keys));
    attacks.extend(key_ids(keys));
    attacks
}

/// The public key, which everybody has, as an HMAC secret (CVE-2016-5431).
fn confusion(keys: &TestKeys) -> Vec<Attack> {
    let key = keys.signing_key().verifying_key();
    let Some(public) = key.public_key() else {
        return Vec::new();
    };
    let raw = match public {
        PublicKey::Ed25519(x) => x.to_vec(),
        _ => public.point().unwrap_or_default(),
    };
    let spki = spki(public, &raw);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        STANDARD.encode(&spki)
    );
    let jwk = key.to_jwk().unwrap_or_default();
    let mut attacks = Vec::new();
    for (name, secret) in [
        ("PEM", pem.clone().into_bytes()),
        ("PEM with a line end", format!("{pem}\n").into_bytes()),
        ("DER", spki.clone()),
        ("base64 of the DER", STANDARD.encode(&spki).into_bytes()),
        ("raw bytes", raw.clone()),
        ("raw bytes in base64url", encode(&raw).into_bytes()),
        ("JWK", jwk.clone().into_bytes()),
        ("JWK with a line end", format!("{jwk}\n").into_bytes()),
        ("kid", key.kid().as_bytes().to_vec()),
    ] {
        for (algorithm, hash) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            let token = mac(&keys.token().header("alg", algorithm), hash, &secret);
            attacks.push(Attack::token(
                format!("the public key as an {algorithm} secret: its {name}"),
                token,
            ));
        }
    }
    attacks
}

/// The prefix of an SPKI structure, then the key (RFC 8410 §4).
fn spki(public: &PublicKey, raw: &[u8]) -> Vec<u8> {
    const ED25519: &[u8] = &[
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    const P256: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let prefix = if matches!(public, PublicKey::Ed25519(_)) {
        ED25519
    } else {
        P256
    };
    [prefix, raw].concat()
}

/// Secrets that are tried first.
fn guessed_secrets(keys: &TestKeys) -> Vec<Attack> {
    let secrets = [
        "",
        "\0",
        "secret",
        "password",
        "changeme",
        "your-256-bit-secret",
        "jwt",
        "key",
        "null",
        "undefined",
        "secretkey",
        "mysecretkey",
        "supersecret",
        "django-insecure",
        "test",
    ];
    secrets
        .into_iter()
        .map(|secret| {
            let token = keys.token().header("alg", "HS256");
            let token = mac(&token, hmac::HMAC_SHA256, secret.as_bytes());
            Attack::token(format!("the secret {secret:?}"), token)
        })
        .collect()
}

fn mac(token: &TokenBuilder<'_>, hash: hmac::Algorithm, secret: &[u8]) -> String {
    let header = Value::Object(token.header.clone()).to_string();
    let input = format!("{}.{}", encode(header), encode(token.claims_text()));
    let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
    format!("{input}.{}", encode(tag))
}

/// Keys that the token brings along (CVE-2018-0114), or tells where to fetch.
fn own_keys(keys: &TestKeys) -> Vec<Attack> {
    let thief = TestKeys {
        key: SigningKey::generate_ed25519(),
        ..keys.clone()
    };
    let own = thief.signing_key().verifying_key();
    let jwk: Value = own
        .to_jwk()
        .and_then(|jwk| serde_json::from_str(&jwk).ok())
        .unwrap_or_default();
    let genuine = keys.signing_key().verifying_key().kid();
    let mut attacks = Vec::new();
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://127.0.0.1:9/jwks.json")),
        ("jku", json!("file:///dev/null")),
        ("jku", json!("https://issuer.test@evil.test/jwks.json")),
        ("x5u", json!("https://127.0.0.1:9/chain.pem")),
        (
            "x5c",
            json!(["MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"]),
        ),
        (
            "x5t#S256",
            json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ),
    ] {
        for (kid_of, kid) in [("the thief", own.kid()), ("the issuer", genuine)] {
            let token = thief.token().header(name, value.clone()).header("kid", kid);
            attacks.push(Attack::token(
                format!("a key of one's own in {name} under the kid of {kid_of}"),
                token.sign(),
            ));
        }
    }
    let stolen_name = thief.token().header("kid", genuine).sign();
    attacks.push(Attack::token(
        "a key of one's own under the issuer's kid",
        stolen_name,
    ));
    attacks.push(Attack::token("a key of one's own", thief.token().sign()));
    attacks
}

/// Key identifiers that mean something to a file system, a database, a shell.
fn key_ids(keys: &TestKeys) -> Vec<Attack> {
    let long = "k".repeat(129);
    let values = [
        json!("../../../../dev/null"),
        json!("/dev/null"),
        json!("file:///dev/null"),
        json!("' OR 1=1--"),
        json!("x' UNION SELECT 'secret'--"),
        json!("| sleep 9"),
        json!("$(sleep 9)"),
        json!("\0"),
        json!("kid\r\nSet-Cookie: a=b"),
        json!("%00"),
        json!("*"),
        json!("00000000-0000-4000-8000-000000000000"),
        json!(""),
        json!(long),
        json!(0),
        json!(true),
        Value::Null,
        json!({}),
        json!(["a"]),
    ];
    let mut attacks: Vec<_> = values
        .into_iter()
        .map(|value| {
            let shown: String = value.to_string().chars().take(40).collect();
            let token = keys.token().header("kid", value).sign();
            Attack::token(format!("kid {shown}"), token)
        })
        .collect();
    // A secret that a file of nothing would hold.
    let nothing = keys
        .token()
        .header("alg", "HS256")
        .header("kid", "../../../../dev/null");
    let token = mac(&nothing, hmac::HMAC_SHA256, b"");
    attacks.push(Attack::token("kid of an empty file, and its secret", token));
    let kid = keys.signing_key().verifying_key().kid().to_owned();
    for (name, kid) in [
        ("another case", swap_case(&kid)),
        ("a space after it", format!("{kid} ")),
        ("a NUL after it", format!("{kid}\0")),
    ] {
        let token = keys.token().header("kid", kid).sign();
        attacks.push(Attack::token(format!("the kid in {name}"), token));
    }
    attacks
}

fn swap_case(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        }
    };
    text.chars().map(swap).collect()
}
