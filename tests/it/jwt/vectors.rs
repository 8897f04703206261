//! Examples of the specifications, and a second opinion on every signature.

use tower_rampart::clock::UnixSeconds;
use tower_rampart::jwt::{JwkSet, KeySet, SigningKey, Verifier, VerifyErrorKind, VerifyingKey};
use tower_rampart::secret::Secret;

use super::base64_url::{decode, encode};

/// Before every example expires.
const THEN: UnixSeconds = UnixSeconds::new(1_300_819_000);

fn verifier(key: VerifyingKey) -> Verifier {
    let keys = KeySet::builder().verifying(key).build().expect("one key");
    Verifier::builder(keys)
        .issuer("joe")
        .audience("test")
        .types(["JWT"])
        .build()
        .expect("valid")
}

/// Every example fails some demand of ours, since none is an access token. How
/// far it gets tells whether the signature held.
#[test]
fn the_signatures_of_the_specifications_hold() {
    let mut count = 0;
    let table = include_str!("fixtures/rfc_vectors.tsv").lines();
    for line in table.filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = line.split('\t').collect();
        let [source, jwk, token, expected] = columns[..] else {
            panic!("{line}");
        };
        count += 1;
        let key = VerifyingKey::legacy_rsa_jwk(jwk);
        if expected == "key" {
            let error = key.expect_err(source);
            assert!(
                error.to_string().contains("not supported"),
                "{source}: {error}"
            );
            continue;
        }
        let verifier = verifier(key.unwrap_or_else(|error| panic!("{source}: {error}")));
        let kind = verifier.verify(token, THEN).expect_err(source).kind();
        assert_eq!(kind.as_str(), expected, "{source}");

        let (input, signature) = token.rsplit_once('.').expect("a compact JWS");
        let mut changed = decode(signature);
        changed[7] ^= 4;
        let forged = format!("{input}.{}", encode(changed));
        let kind = verifier.verify(&forged, THEN).expect_err(source).kind();
        assert_eq!(kind, VerifyErrorKind::BadSignature, "{source}, changed");
    }
    assert_eq!(count, 9);
}

#[test]
fn what_the_specifications_show_to_be_no_signed_token_is_refused() {
    let key = VerifyingKey::hs256("k", &Secret::random(32)).expect("a key");
    let verifier = verifier(key);
    for (source, token) in [
        // RFC 7519 §6.1 and RFC 7515 A.5: unsecured.
        (
            "unsecured",
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
        ),
        // RFC 7515 A.6: the general JSON serialization.
        (
            "JSON",
            r#"{"payload":"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ","signatures":[{"protected":"eyJhbGciOiJSUzI1NiJ9","header":{"kid":"2010-12-29"},"signature":"AA"}]}"#,
        ),
        // RFC 7515 E: an extension that must be understood.
        (
            "critical",
            "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.",
        ),
        // RFC 7797 §4.2: an unencoded, detached payload.
        (
            "unencoded",
            "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY",
        ),
    ] {
        let kind = verifier.verify(token, THEN).expect_err(source).kind();
        let early = [
            VerifyErrorKind::WrongAlgorithm,
            VerifyErrorKind::Malformed,
            VerifyErrorKind::Critical,
        ];
        assert!(early.contains(&kind), "{source}: {kind}");
    }
}

/// RFC 7638 §3.1, and RFC 8037 A.3.
#[test]
fn thumbprints_are_those_of_the_specifications() {
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256"}"#;
    let key = VerifyingKey::legacy_rsa_jwk(rsa).expect("an RSA key");
    assert_eq!(key.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    let ed25519 =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = VerifyingKey::from_jwk(ed25519).expect("an Ed25519 key");
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// jsonwebtoken's verifier, asked about our signatures and about changed ones.
#[test]
fn another_verifier_agrees_about_every_signature() {
    use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    use jsonwebtoken::{Algorithm, DecodingKey};
    let secret = Secret::random(32);
    let keys = [
        (SigningKey::generate_ed25519(), Algorithm::EdDSA),
        (SigningKey::generate_es256(), Algorithm::ES256),
        (
            SigningKey::hs256("k", &secret).expect("a key"),
            Algorithm::HS256,
        ),
    ];
    for (key, algorithm) in keys {
        let jwk = key.verifying_key().to_jwk();
        let theirs = match &jwk {
            Some(jwk) => {
                let jwk = serde_json::from_str(jwk).expect("a JWK");
                DecodingKey::from_jwk(&jwk).expect("a key")
            }
            None => DecodingKey::from_secret(secret.expose()),
        };
        let set = KeySet::builder().signing(key).build().expect("one key");
        let claims = super::claims();
        let token = set.sign("JWT", &claims, THEN).expect("signed");
        let ours = Verifier::builder(set)
            .issuer("other")
            .audience("a")
            .types(["JWT"]);
        let ours = ours.build().expect("valid");
        let (input, signature) = token.rsplit_once('.').expect("a compact JWS");
        let signature = decode(signature);
        for changed in 0..=signature.len() * 8 {
            let mut signature = signature.clone();
            if let Some(bit) = changed.checked_sub(1) {
                signature[bit / 8] ^= 1 << (bit % 8);
            }
            let verifier =
                (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &theirs).expect("a verifier");
            let they = verifier.verify(input.as_bytes(), &signature).is_ok();
            let forged = format!("{input}.{}", encode(&signature));
            let we = ours
                .verify(&forged, THEN)
                .expect_err("another issuer")
                .kind();
            assert_eq!(
                they,
                we != VerifyErrorKind::BadSignature,
                "{algorithm:?}, bit {changed}: {we}"
            );
            assert_eq!(they, changed == 0);
        }
    }
}

/// What Wycheproof's tests of JWKs ask (json_web_key_test.json), with keys of
/// our own: none of these may verify anything.
#[test]
fn keys_that_must_not_verify_are_not_read() {
    let key = SigningKey::generate_es256();
    let good: serde_json::Value =
        serde_json::from_str(&key.verifying_key().to_jwk().expect("public")).expect("JSON");
    let with = |name: &str, value: serde_json::Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk.to_string()
    };
    assert!(VerifyingKey::from_jwk(&good.to_string()).is_ok());
    assert!(VerifyingKey::from_jwk(&with("key_ops", serde_json::json!(["verify"]))).is_ok());
    for (name, value) in [
        ("use", serde_json::json!("enc")),
        ("use", serde_json::json!(1)),
        ("key_ops", serde_json::json!(["sign"])),
        ("key_ops", serde_json::json!([])),
        ("key_ops", serde_json::json!("verify")),
        ("alg", serde_json::json!("ES384")),
        ("alg", serde_json::json!("ECDH-ES")),
        ("alg", serde_json::json!("RS256")),
        ("crv", serde_json::json!("P-384")),
        ("crv", serde_json::json!("secp256k1")),
        ("kty", serde_json::json!("RSA")),
        ("kty", serde_json::json!("oct")),
        ("kid", serde_json::json!("")),
        ("kid", serde_json::json!("k".repeat(129))),
        ("kid", serde_json::json!(1)),
        ("x", serde_json::json!("AAAA")),
        ("x", good["y"].clone()),
        (
            "y",
            serde_json::json!(format!("{}=", good["y"].as_str().expect("text"))),
        ),
        ("d", serde_json::json!("AAAA")),
    ] {
        let jwk = with(name, value.clone());
        assert!(VerifyingKey::from_jwk(&jwk).is_err(), "{name}: {value}");
    }
    let doubled = format!(r#"{{"kty":"EC",{}"#, &good.to_string()[1..]);
    assert!(
        VerifyingKey::from_jwk(&doubled).is_err(),
        "a repeated member"
    );
    for short in [0, 1, 16, 31] {
        let k = encode(vec![7_u8; short]);
        let jwk = format!(r#"{{"kty":"oct","kid":"k","k":"{k}"}}"#);
        assert!(
            VerifyingKey::from_jwk(&jwk).is_err(),
            "{short} bytes for HS256"
        );
    }
    let jwk = format!(
        r#"{{"kty":"oct","kid":"k","alg":"HS512","k":"{}"}}"#,
        encode([7_u8; 63])
    );
    assert!(VerifyingKey::from_jwk(&jwk).is_err(), "63 bytes for HS512");
    // An Ed25519 key of three bytes makes some verifiers panic when it is used.
    assert!(VerifyingKey::from_jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#).is_err());
}

#[test]
fn weak_rsa_keys_are_refused_and_rsa_is_read_only_where_asked_for() {
    let table = include_str!("fixtures/rfc_vectors.tsv");
    let line = table.lines().find(|line| line.starts_with("RFC 7515 A.2"));
    let jwk = line
        .and_then(|line| line.split('\t').nth(1))
        .expect("the key of A.2");
    assert!(VerifyingKey::legacy_rsa_jwk(jwk).is_ok());
    let error = VerifyingKey::from_jwk(jwk).expect_err("not asked for");
    assert!(error.to_string().contains("legacy_rsa_jwk"), "{error}");
    let mut key: serde_json::Value = serde_json::from_str(jwk).expect("JSON");
    let n = decode(key["n"].as_str().expect("text"));
    let weak = [
        ("1024 bits", n[..128].to_vec(), vec![1, 0, 1]),
        ("2040 bits", n[..255].to_vec(), vec![1, 0, 1]),
        ("8192 bits", n.repeat(4), vec![1, 0, 1]),
        ("exponent 1", n.clone(), vec![1]),
        ("an even exponent", n.clone(), vec![1, 0, 0]),
        ("no exponent", n.clone(), vec![]),
        ("a leading zero", [&[0], &n[..]].concat(), vec![1, 0, 1]),
        ("CVE-2017-15361", roca(), vec![1, 0, 1]),
    ];
    for (name, n, e) in weak {
        key["n"] = encode(n).into();
        key["e"] = encode(e).into();
        let error = VerifyingKey::legacy_rsa_jwk(&key.to_string()).expect_err(name);
        assert!(error.to_string().contains("too weak"), "{name}: {error}");
    }
}

/// A modulus of 2048 bits that is a power of 65537 modulo every small prime:
/// one more than a multiple of their product.
fn roca() -> Vec<u8> {
    let mut n = vec![0_u8; 256];
    n[0] = 0x80;
    // The remainder of 2^2047 by the product, found digit by digit.
    let product: u128 = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ]
    .iter()
    .product();
    let remainder = n.iter().fold(0_u128, |rest, byte| {
        (rest * 256 + u128::from(*byte)) % product
    });
    let add = (product - remainder + 1).to_be_bytes();
    n[240..].copy_from_slice(&add);
    n
}

#[test]
fn one_bad_key_in_a_set_does_not_spoil_the_others() {
    let (a, b) = (SigningKey::generate_es256(), SigningKey::generate_ed25519());
    let jwk = |key: &SigningKey| key.verifying_key().to_jwk().expect("public");
    let named = |key: &SigningKey| {
        let key = key.clone().renamed("same").expect("a name");
        key.verifying_key().to_jwk().expect("public")
    };
    let set = format!(
        r#"{{"keys":[{},{},{{"kty":"oct","kid":"s","k":"{}"}},{{"kty":"EC","crv":"P-256"}},7,{},{}]}}"#,
        jwk(&a),
        named(&a),
        encode([1_u8; 32]),
        named(&b),
        jwk(&b),
    );
    let set = JwkSet::parse(&set).expect("a set");
    let kids: Vec<_> = set.keys().iter().map(VerifyingKey::kid).collect();
    assert_eq!(kids, [a.verifying_key().kid(), b.verifying_key().kid()]);
    let skipped: Vec<_> = set.skipped().iter().map(|skipped| skipped.kid()).collect();
    assert_eq!(skipped, [Some("same"), Some("s"), None, None, Some("same")]);
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(JwkSet::parse(bad).is_err(), "{bad}");
    }
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["7"; 101].join(","));
    assert!(JwkSet::parse(&many).is_err());
    assert!(JwkSet::default().into_key_set().is_err(), "no key, no set");
}
