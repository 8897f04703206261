//! Keys: reading, rotating, revoking, publishing.

use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tower::Layer;
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::identity::Principal;
use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::jwt::{
    JwtLayer, KeySet, KeyState, Problem, RequireLayer, SigningKey, Verifier, VerifyErrorKind,
    VerifyingKey,
};
use tower_rampart::secret::Secret;

use super::{NOW, claims};
use crate::support::{Answer, Hello, call, request};

/// What `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` and
/// `openssl ec`, `openssl pkey -pubout` wrote; keys of these tests only.
const P256_PKCS8: &str = include_str!("fixtures/p256.pkcs8.pem");
const P256_SEC1: &str = include_str!("fixtures/p256.sec1.pem");
const P256_SPKI: &str = include_str!("fixtures/p256.spki.pem");
const P384_PKCS8: &str = include_str!("fixtures/p384.pkcs8.pem");
const RSA_SPKI: &str = include_str!("fixtures/rsa.spki.pem");
const RSA_PKCS1: &str = include_str!("fixtures/rsa.pkcs1.pem");
const RSA_PRIVATE: &str = include_str!("fixtures/rsa.private.pem");
const CERTIFICATE: &str = include_str!("fixtures/certificate.pem");

fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(seconds)
}

fn verifier(keys: &KeySet) -> Verifier {
    Verifier::builder(keys.clone())
        .issuer("https://api.example")
        .audience("api")
        .build()
        .expect("valid")
}

#[test]
fn every_pem_form_of_a_key_is_the_same_key() {
    let pkcs8 = SigningKey::from_pem(P256_PKCS8).expect("PKCS#8");
    let sec1 = SigningKey::from_pem(P256_SEC1).expect("SEC1");
    let spki = VerifyingKey::from_pem(P256_SPKI).expect("SPKI");
    assert_eq!(pkcs8.verifying_key().kid(), sec1.verifying_key().kid());
    assert_eq!(pkcs8.verifying_key().kid(), spki.kid());
    assert_eq!(spki.algorithm().as_str(), "ES256");
    let p384 = SigningKey::from_pem(P384_PKCS8).expect("P-384");
    assert_eq!(p384.verifying_key().algorithm().as_str(), "ES384");
    let rsa = tower_rampart::jwt::Algorithm::Rs256;
    let spki = VerifyingKey::legacy_rsa_pem(RSA_SPKI, rsa).expect("SPKI");
    let pkcs1 = VerifyingKey::legacy_rsa_pem(RSA_PKCS1, rsa).expect("PKCS#1");
    assert_eq!(spki.kid(), pkcs1.kid());

    for signing in [pkcs8, sec1, p384] {
        let keys = KeySet::builder().signing(signing).build().expect("one key");
        let token = keys.sign("at+jwt", &claims(), at(NOW)).expect("signed");
        assert!(verifier(&keys).verify(&token, at(NOW)).is_ok());
    }
}

#[test]
fn a_key_that_cannot_be_used_is_named_with_the_way_out() {
    let signing = |pem: &str| {
        SigningKey::from_pem(pem)
            .expect_err("no signing key")
            .to_string()
    };
    let verifying = |pem: &str| {
        VerifyingKey::from_pem(pem)
            .expect_err("no public key")
            .to_string()
    };
    for (text, expected) in [
        (signing(P256_SPKI), "found an elliptic-curve public key"),
        (signing(RSA_PRIVATE), "found an RSA private key"),
        (signing(CERTIFICATE), "found a certificate"),
        (signing(""), "found nothing"),
        (signing("ssh-ed25519 AAAA"), "found an OpenSSH public key"),
        (signing("{}"), "found JSON"),
        (signing("c2VjcmV0"), "found no PEM block"),
        (verifying(P256_PKCS8), "found an elliptic-curve private key"),
        (
            verifying(P256_SEC1),
            "found a SEC1 elliptic-curve private key",
        ),
        (verifying(CERTIFICATE), "openssl x509 -pubkey"),
        (verifying(RSA_SPKI), "legacy_rsa_pem"),
    ] {
        assert!(text.contains(expected), "{text}\n{expected}");
    }
    // A curve of the same size is another curve.
    let k256 = include_str!("fixtures/secp256k1.spki.pem");
    assert!(VerifyingKey::from_pem(k256).is_err());
    assert!(VerifyingKey::legacy_rsa_pem(P256_SPKI, tower_rampart::jwt::Algorithm::Rs256).is_err());
    assert!(VerifyingKey::legacy_rsa_pem(RSA_SPKI, tower_rampart::jwt::Algorithm::Hs256).is_err());
}

#[test]
fn a_private_jwk_signs_and_its_public_half_verifies() {
    // RFC 8037 A.1, and a pair whose halves do not belong together.
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = SigningKey::from_jwk(jwk).expect("a private JWK");
    let public = key.verifying_key().to_jwk().expect("public");
    assert!(!public.contains("\"d\""), "{public}");
    let keys = KeySet::builder().signing(key).build().expect("one key");
    let token = keys.sign("at+jwt", &claims(), at(NOW)).expect("signed");
    let others = VerifyingKey::from_jwk(&public).expect("a public JWK");
    let others = KeySet::builder()
        .verifying(others)
        .build()
        .expect("one key");
    assert!(verifier(&others).verify(&token, at(NOW)).is_ok());

    let mismatched = jwk.replace("11qYAYKx", "d75aGAYK");
    assert!(SigningKey::from_jwk(&mismatched).is_err());
    let encryption = jwk.replace("\"kty\"", "\"use\":\"enc\",\"kty\"");
    assert!(SigningKey::from_jwk(&encryption).is_err());
    assert!(SigningKey::from_jwk(&public).is_err(), "only public");
}

#[test]
fn states_are_a_function_of_time_and_one_key_signs() {
    let keys =
        ["a", "b", "c"].map(|name| SigningKey::hs256(name, &Secret::random(32)).expect("a key"));
    let [a, b, c] = keys;
    let set = KeySet::builder()
        .signing(a)
        .signing_from(b, at(1_000))
        .signing_from(c, at(2_000))
        .token_lifetime(Duration::from_secs(600))
        .build()
        .expect("three keys");
    use KeyState::{Active, Next, Retired, Verifying};
    for (now, expected) in [
        (0, [Active, Next, Next]),
        (999, [Active, Next, Next]),
        (1_000, [Verifying, Active, Next]),
        (1_599, [Verifying, Active, Next]),
        (1_600, [Retired, Active, Next]),
        (2_000, [Retired, Verifying, Active]),
        (2_600, [Retired, Retired, Active]),
        (u64::MAX, [Retired, Retired, Active]),
    ] {
        let states: Vec<_> = set
            .list(at(now))
            .into_iter()
            .map(|(.., state)| state)
            .collect();
        assert_eq!(states, expected, "at {now}");
        let token = set.sign("at+jwt", &claims(), at(now)).expect("one signs");
        let header: Value = serde_json::from_slice(&super::base64_url::decode(
            token.split('.').next().expect("a header"),
        ))
        .expect("JSON");
        let active = expected
            .iter()
            .position(|state| *state == Active)
            .expect("one");
        assert_eq!(header["kid"], ["a", "b", "c"][active], "at {now}");
    }
}

#[test]
fn contradictions_among_keys_are_problems() {
    let key = |name: &str| SigningKey::hs256(name, &Secret::random(32)).expect("a key");
    let problems = KeySet::builder()
        .signing(key("a"))
        .signing(key("b"))
        .verifying(key("a").verifying_key().clone())
        .build()
        .expect_err("two problems")
        .into_problems();
    assert!(
        matches!(
            &problems[..],
            [Problem::TwoSigners { .. }, Problem::DuplicateKeyId { .. }]
        ),
        "{problems:?}"
    );
    let set = KeySet::builder()
        .signing(key("a"))
        .build()
        .expect("one key");
    assert!(set.rotate(key("a"), at(1)).is_err(), "the name is taken");
    set.revoke("gone");
    assert!(set.rotate(key("gone"), at(1)).is_err(), "the name is burnt");
}

async fn present(layer: &JwtLayer, token: &str) -> Answer {
    let field = format!("Bearer {token}");
    call(
        layer.layer(Hello::default()),
        request("GET", "/", &[("authorization", &field)]),
    )
    .await
}

#[tokio::test]
async fn a_revoked_key_is_told_to_those_it_signed_for_and_to_nobody_else() {
    for cache in [false, true] {
        let first = TestKeys::ed25519()
            .with_issuer("https://api.example")
            .with_audience("api")
            .at(at(NOW));
        let kid = first.signing_key().verifying_key().kid().to_owned();
        let keys = first.key_set();
        let mut rules = Verifier::builder(keys.clone())
            .issuer("https://api.example")
            .audience("api");
        if cache {
            rules = rules.cache(100);
        }
        let layer = JwtLayer::builder(rules.build().expect("valid"))
            .clock(ManualClock::at(at(NOW)))
            .build()
            .expect("valid");
        let genuine = first.token().sign();
        assert_eq!(present(&layer, &genuine).await.status(), StatusCode::OK);

        keys.rotate(SigningKey::generate_ed25519(), at(NOW))
            .expect("another key");
        keys.revoke(&kid);
        let answer = present(&layer, &genuine).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        let problem = answer.json();
        assert_eq!(
            (&problem["code"], &problem["action"]),
            (&"signing_key_revoked".into(), &"refresh".into())
        );

        let (input, _) = genuine.rsplit_once('.').expect("a compact token");
        let forged = format!("{input}.{}", "A".repeat(86));
        assert_eq!(present(&layer, &forged).await.code(), "token_invalid");

        let token = keys
            .sign("at+jwt", &claims(), at(NOW))
            .expect("the new key signs");
        assert_eq!(present(&layer, &token).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_revoked_name_without_its_key_is_told_too() {
    let old = TestKeys::hs256();
    let keys = KeySet::builder()
        .signing(SigningKey::generate_ed25519())
        .revoked("test")
        .build()
        .expect("valid");
    let layer = JwtLayer::builder(verifier(&keys)).build().expect("valid");
    let answer = present(&layer, &old.token().sign()).await;
    assert_eq!(answer.code(), "signing_key_revoked");
}

#[tokio::test]
async fn a_retired_key_and_an_early_one_answer_as_their_tokens_would() {
    let old = SigningKey::hs256("old", &Secret::random(32)).expect("a key");
    let next = SigningKey::hs256("next", &Secret::random(32)).expect("a key");
    let keys = KeySet::builder()
        .signing(SigningKey::hs256("now", &Secret::random(32)).expect("a key"))
        .verifying_until(old.verifying_key().clone(), at(NOW))
        .signing_from(next.clone(), at(NOW + 60))
        .build()
        .expect("valid");
    let rules = verifier(&keys);
    let token_of = |key: SigningKey| {
        let alone = KeySet::builder().signing(key).build().expect("one key");
        alone.sign("at+jwt", &claims(), at(NOW)).expect("signed")
    };
    let old = token_of(old);
    assert!(rules.verify(&old, at(NOW - 1)).is_ok());
    let error = rules.verify(&old, at(NOW)).expect_err("retired");
    assert_eq!(error.kind(), VerifyErrorKind::Expired);
    assert!(
        rules.verify(&token_of(next), at(NOW)).is_ok(),
        "other processes may be ahead"
    );
}

#[test]
fn keys_are_replaced_under_the_hands_of_a_verifier() {
    let (a, b) = (
        KeySet::from_secret(&Secret::random(48)),
        KeySet::from_secret(&Secret::random(48)),
    );
    let (a, b) = (a.expect("a secret"), b.expect("a secret"));
    let rules = verifier(&a);
    let token = b.sign("at+jwt", &claims(), at(NOW)).expect("signed");
    assert!(rules.verify(&token, at(NOW)).is_err());
    a.replace(&b).expect("two sets of our own");
    assert!(rules.verify(&token, at(NOW)).is_ok());
}

#[test]
fn the_published_set_has_public_members_only_and_a_tag() {
    let [active, next] = [SigningKey::generate_ed25519(), SigningKey::generate_es256()];
    let compromised = SigningKey::generate_es256();
    let keys = KeySet::builder()
        .signing(active.clone())
        .signing_from(next, at(NOW + 300))
        .verifying(VerifyingKey::hs256("secret", &Secret::random(32)).expect("a key"))
        .compromised(compromised.verifying_key().clone())
        .build()
        .expect("valid");
    let set: Value = serde_json::from_str(&keys.jwks(at(NOW))).expect("JSON");
    let list = set["keys"].as_array().expect("a list");
    assert_eq!(list.len(), 2, "{set}");
    for key in list {
        let mut names: Vec<_> = key
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        names.retain(|name| !["alg", "crv", "kid", "kty", "use", "x", "y"].contains(name));
        assert!(names.is_empty(), "{names:?}");
    }
    let read = tower_rampart::jwt::JwkSet::parse(&set.to_string()).expect("our own set");
    assert!(read.skipped().is_empty());

    let answer = keys.jwks_response(&HeaderMap::new(), at(NOW));
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/jwk-set+json");
    assert_eq!(answer.headers()[CACHE_CONTROL], "public, max-age=300");
    let tag = answer.headers()[ETAG].clone();
    let mut headers = HeaderMap::new();
    headers.insert(IF_NONE_MATCH, tag);
    let again = keys.jwks_response(&headers, at(NOW));
    assert_eq!(
        (again.status(), again.body().len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    keys.revoke(active.verifying_key().kid());
    assert_eq!(
        keys.jwks_response(&headers, at(NOW)).status(),
        StatusCode::OK,
        "changed"
    );
}

#[tokio::test]
async fn requirements_are_checked_where_the_caller_is_known() {
    let layer = RequireLayer::scope("pay")
        .require_role("clerk")
        .require_fresh(Duration::from_secs(300))
        .require_context_class(["mfa", "hw"])
        .resource_metadata("https://api.example/.well-known/oauth-protected-resource")
        .clock(ManualClock::at(at(NOW)))
        .build()
        .expect("valid");
    let ask = async |principal: Option<Principal>| {
        let mut head = request("POST", "/pay", &[]);
        if let Some(principal) = principal {
            head.extensions_mut().insert(principal);
        }
        call(layer.layer(Hello::default()), head).await
    };
    let answer = ask(None).await;
    assert_eq!(
        (answer.status().as_u16(), answer.code().as_str()),
        (500, "misconfigured")
    );

    let caller = |scopes: &str, roles: &[&str], at: u64| {
        Principal::builder("u")
            .scopes(scopes.split(' '))
            .roles(roles.iter().copied())
            .authenticated_at(UnixSeconds::new(at))
    };
    let answer = ask(Some(caller("pay", &["clerk"], NOW - 301).build())).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some(
            "Bearer realm=\"api\", error=\"insufficient_user_authentication\", error_description=\"sign in again to continue\", max_age=\"300\", acr_values=\"mfa hw\", resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\""
        )
    );
    let keys = TestKeys::hs256()
        .with_issuer("https://api.example")
        .with_audience("api")
        .at(at(NOW));
    let rules = verifier(&keys.key_set());
    let strong = |scope: &str, role: &str| {
        let token = keys
            .token()
            .claim("acr", "hw")
            .claim("scope", scope)
            .claim("roles", vec![role]);
        rules
            .verify(&token.sign(), at(NOW))
            .expect("genuine")
            .into_principal()
    };
    let answer = ask(Some(strong("read", "clerk"))).await;
    assert_eq!(
        (answer.status().as_u16(), answer.code().as_str()),
        (403, "insufficient_scope")
    );
    assert!(
        answer
            .header("www-authenticate")
            .expect("a challenge")
            .contains("scope=\"pay\"")
    );
    let answer = ask(Some(strong("pay read", "guest"))).await;
    assert_eq!(
        (answer.status().as_u16(), answer.code().as_str()),
        (403, "insufficient_role")
    );
    assert_eq!(
        ask(Some(strong("pay read", "clerk"))).await.status(),
        StatusCode::OK
    );

    let problems = RequireLayer::scope("")
        .require_context_class(["a b"])
        .resource_metadata("http://x")
        .realm("\\")
        .build();
    assert_eq!(problems.expect_err("four problems").iter().count(), 4);
}

#[test]
fn a_predecessor_signs_on_without_an_end_when_its_successor_is_revoked() {
    let key = |name: &str| SigningKey::hs256(name, &Secret::random(32)).expect("a key");
    let set = KeySet::builder()
        .signing(key("a"))
        .token_lifetime(Duration::from_secs(600));
    let set = set.build().expect("one key");
    set.rotate(key("b"), at(1_000)).expect("later");
    assert_eq!(set.state("a", at(1_600)), Some(KeyState::Retired));
    set.revoke("b");
    assert_eq!(set.state("a", at(1_600)), Some(KeyState::Active));
    assert!(set.sign("at+jwt", &claims(), at(1_600)).is_ok());
    set.rotate(key("c"), at(5_000)).expect("later");
    // Two rotations ahead of time do not cost the key that signs now.
    set.rotate(key("d"), at(9_000)).expect("later still");
    assert_eq!(set.state("a", at(1_600)), Some(KeyState::Active));
    for early in [0, 5_000, 9_000] {
        let error = set.rotate(key("e"), at(early)).expect_err("not the last");
        assert!(matches!(
            error.into_problems()[..],
            [Problem::TwoSigners { .. }]
        ));
    }
}

#[test]
fn what_was_revoked_stays_revoked_when_keys_are_replaced() {
    let key = SigningKey::hs256("a", &Secret::random(32)).expect("a key");
    let set = || {
        KeySet::builder()
            .signing(key.clone())
            .build()
            .expect("one key")
    };
    let keys = set();
    keys.revoke("a");
    keys.revoke("never seen");
    keys.replace(&set()).expect("two sets of our own");
    for kid in ["a", "never seen"] {
        assert_eq!(
            keys.state(kid, at(NOW)),
            Some(KeyState::Compromised),
            "{kid}"
        );
    }
}
