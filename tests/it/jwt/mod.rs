//! Tokens through the layer: what passes, and every forgery that must not.

use std::time::Duration;

use base64_url::{decode, encode};
use http::StatusCode;
use serde_json::{Map, Value, json};
use tower::Layer;
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::identity::Principal;
use tower_rampart::jwt::{
    EndReason, JwtLayer, KeySet, Problem, Revocations, SigningKey, Source, Verifier,
    VerifyErrorKind, VerifyingKey,
};
use tower_rampart::secret::Secret;

use crate::support::{Answer, Hello, call, request};

mod allocations;
mod attacks;
mod interop;
mod keys;
mod limits;
mod remote;
mod vectors;

/// base64url without padding (RFC 4648 §5), written out so that the tests do
/// not lean on what they test.
mod base64_url {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
        let mut text = String::new();
        for chunk in bytes.as_ref().chunks(3) {
            let word = chunk
                .iter()
                .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for index in 0..=chunk.len() {
                text.push(char::from(
                    LETTERS[(word >> (18 - 6 * index) & 63) as usize],
                ));
            }
        }
        text
    }

    pub(super) fn decode(text: &str) -> Vec<u8> {
        let value = |byte| {
            LETTERS
                .iter()
                .position(|letter| *letter == byte)
                .expect("a letter") as u32
        };
        let mut bytes = Vec::new();
        for chunk in text.as_bytes().chunks(4) {
            let word = chunk
                .iter()
                .fold(0_u32, |word, byte| word << 6 | value(*byte))
                << (6 * (4 - chunk.len()));
            bytes.extend((0..chunk.len() - 1).map(|index| (word >> (16 - 8 * index)) as u8));
        }
        bytes
    }
}

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi";

/// The private key of RFC 8037 appendix A.1, as PKCS#8.
const ED25519: &str = concat!(
    "-----BEGIN PRIVATE ",
    "KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE ",
    "KEY-----\n"
);

fn keys() -> KeySet {
    KeySet::from_secret(&Secret::new(SECRET.to_owned())).expect("a strong secret")
}

fn layer_of(keys: KeySet) -> tower_rampart::jwt::JwtLayerBuilder {
    let verifier = Verifier::builder(keys)
        .issuer("https://api.example")
        .audience("api")
        .build()
        .expect("valid");
    JwtLayer::builder(verifier).clock(ManualClock::at(UnixSeconds::new(NOW)))
}

fn layer() -> JwtLayer {
    layer_of(keys()).build().expect("valid")
}

fn claims() -> Map<String, Value> {
    let claims = json!({"iss": "https://api.example", "aud": "api", "sub": "user-1", "iat": NOW, "exp": NOW + 600, "sid": "s1", "scope": "read write", "auth_time": NOW - 100});
    claims.as_object().expect("an object").clone()
}

fn token_with(change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let mut claims = claims();
    change(&mut claims);
    keys()
        .sign("at+jwt", &claims, UnixSeconds::new(NOW))
        .expect("signed")
}

async fn present(layer: &JwtLayer, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    call(
        layer.layer(Hello::default()),
        request("GET", "/", &[("authorization", &bearer)]),
    )
    .await
}

#[track_caller]
fn check_refused(answer: &Answer, code: &str) {
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.code(), code);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.starts_with("Bearer realm=\"api\", error=\"invalid_token\""),
        "{challenge}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_genuine_token_passes_and_its_subject_is_known() {
    let service = layer().layer(tower::service_fn(
        |request: http::Request<crate::support::Body>| async move {
            let principal = request
                .extensions()
                .get::<Principal>()
                .expect("a principal")
                .clone();
            assert_eq!(
                (principal.subject(), principal.session()),
                ("user-1", Some("s1"))
            );
            assert!(principal.has_scope("read") && !principal.has_scope("read write"));
            Ok::<_, std::convert::Infallible>(http::Response::new(crate::support::Body::default()))
        },
    ));
    let bearer = format!("bearer {}", token_with(|_| ()));
    assert_eq!(
        call(service, request("GET", "/", &[("authorization", &bearer)]))
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn no_credentials_are_asked_for_without_an_error() {
    for headers in [&[][..], &[("authorization", "Basic YTpi")]] {
        let answer = call(
            layer().layer(Hello::default()),
            request("GET", "/?access_token=x", headers),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.code(), "token_missing");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"api\"")
        );
    }
}

#[tokio::test]
async fn unreadable_or_doubled_credentials_are_a_bad_request() {
    let good = format!("Bearer {}", token_with(|_| ()));
    let both = layer_of(keys())
        .sources([Source::Bearer, Source::Cookie("__Host-access".into())])
        .build()
        .expect("valid");
    let cookie = format!("__Host-access={}", token_with(|_| ()));
    for headers in [
        &[("authorization", "Bearer")][..],
        &[("authorization", "Bearer  x")],
        &[("authorization", "Bearer a,")],
        &[
            ("authorization", good.as_str()),
            ("authorization", good.as_str()),
        ],
        &[
            ("authorization", good.as_str()),
            ("cookie", cookie.as_str()),
        ],
        &[("cookie", cookie.as_str()), ("cookie", cookie.as_str())],
    ] {
        let answer = call(both.layer(Hello::default()), request("GET", "/", headers)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{headers:?}");
        assert_eq!(answer.code(), "invalid_request");
        assert!(
            answer
                .header("www-authenticate")
                .expect("a challenge")
                .contains("error=\"invalid_request\"")
        );
    }
    let answer = call(
        both.layer(Hello::default()),
        request("GET", "/", &[("cookie", &cookie)]),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Puts another header in front of a genuine token's claims and signature.
fn with_header(header: &str) -> String {
    let good = token_with(|_| ());
    let (_, rest) = good.split_once('.').expect("a compact token");
    format!("{}.{rest}", encode(header))
}

/// Signs any header and claims text with the genuine key, as only the issuer
/// could: what is refused here is refused for what it says.
fn signed(header: &str, claims: &str) -> String {
    use aws_lc::{HMAC_SHA256, Key, sign};
    let okm = hkdf_hs256();
    let input = format!("{}.{}", encode(header), encode(claims));
    let tag = sign(&Key::new(HMAC_SHA256, &okm), input.as_bytes());
    format!("{input}.{}", encode(tag.as_ref()))
}

use aws_lc_rs::hmac as aws_lc;

fn hkdf_hs256() -> Vec<u8> {
    use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
    struct Len;
    impl aws_lc_rs::hkdf::KeyType for Len {
        fn len(&self) -> usize {
            32
        }
    }
    let mut okm = vec![0; 32];
    let prk = Salt::new(HKDF_SHA256, &[]).extract(SECRET.as_bytes());
    let info: [&[u8]; 1] = [b"tower-rampart/v1/access/hs256"];
    prk.expand(&info, Len)
        .and_then(|okm_of| okm_of.fill(&mut okm))
        .expect("32 bytes");
    okm
}

fn kid() -> String {
    let token = token_with(|_| ());
    let header = decode(token.split('.').next().expect("a header"));
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

#[tokio::test]
async fn forged_headers_are_refused_alike() {
    let kid = kid();
    let mut bodies = Vec::new();
    for header in [
        r#"{"alg":"none","typ":"at+jwt"}"#.to_owned(),
        r#"{"alg":"None","typ":"at+jwt"}"#.to_owned(),
        r#"{"alg":"","typ":"at+jwt"}"#.to_owned(),
        r#"{"alg":null,"typ":"at+jwt"}"#.to_owned(),
        r#"{"alg":["HS256"],"typ":"at+jwt"}"#.to_owned(),
        r#"{"typ":"at+jwt"}"#.to_owned(),
        format!(r#"{{"alg":"HS512","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"hs256","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"HS256","alg":"none","kid":"{kid}","typ":"at+jwt"}}"#),
        r#"{"alg":"HS256","kid":"../../dev/null","typ":"at+jwt"}"#.to_owned(),
        r#"{"alg":"HS256","kid":7,"typ":"at+jwt"}"#.to_owned(),
        format!(
            r#"{{"alg":"HS256","kid":"{}","typ":"at+jwt"}}"#,
            "k".repeat(129)
        ),
        "[]".to_owned(),
        "\u{feff}{}".to_owned(),
        "{}{}".to_owned(),
    ] {
        let answer = present(&layer(), &with_header(&header)).await;
        check_refused(&answer, "token_invalid");
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "a forger learns nothing from the answers");
}

#[tokio::test]
async fn a_signed_header_that_asks_for_more_is_refused() {
    let good = serde_json::to_string(&claims()).expect("JSON");
    let header = format!(r#"{{"alg":"HS256","kid":"{}","typ":"at+jwt"}}"#, kid());
    assert_eq!(
        present(&layer(), &signed(&header, &good)).await.status(),
        StatusCode::OK,
        "the control"
    );
    for extra in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""b64":true"#,
    ] {
        let header = header.replace('}', &format!(",{extra}}}"));
        check_refused(
            &present(&layer(), &signed(&header, &good)).await,
            "token_invalid",
        );
    }
    for typ in ["JWT", "dpop+jwt", "logout+jwt", ""] {
        let header = header.replace("at+jwt", typ);
        check_refused(
            &present(&layer(), &signed(&header, &good)).await,
            "token_invalid",
        );
    }
    for typ in ["AT+JWT", "application/at+jwt"] {
        let header = header.replace("at+jwt", typ);
        assert_eq!(
            present(&layer(), &signed(&header, &good)).await.status(),
            StatusCode::OK,
            "{typ}"
        );
    }
    // A token does not bring its own key, and is not refused for trying.
    let header = header.replace(
        '}',
        r#","jwk":{"kty":"oct","k":"AAAA"},"jku":"http://127.0.0.1:9/"}"#,
    );
    assert_eq!(
        present(&layer(), &signed(&header, &good)).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn claims_with_a_wrong_type_or_value_are_refused() {
    let refuse: [(&str, Value); 16] = [
        ("exp", Value::Null),
        ("exp", json!("4000000000")),
        ("exp", json!(-1)),
        ("exp", json!(4e9 + 0.5)),
        ("exp", json!(true)),
        ("iat", json!(NOW + 60)),
        ("exp", json!(NOW + 100_000)),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("aud", json!(["api", 1])),
        ("aud", json!("API")),
        ("aud", json!(12_345)),
        ("iss", json!(["https://api.example"])),
        ("iss", json!("https://api.example/")),
    ];
    for (name, value) in refuse {
        let token = token_with(|claims| {
            claims.insert(name.to_owned(), value.clone());
        });
        check_refused(&present(&layer(), &token).await, "token_invalid");
    }
    for name in ["exp", "iat", "iss", "aud", "sub"] {
        let token = token_with(|claims| {
            claims.remove(name);
        });
        check_refused(&present(&layer(), &token).await, "token_invalid");
    }
    let header = format!(r#"{{"alg":"HS256","kid":"{}","typ":"at+jwt"}}"#, kid());
    let good = serde_json::to_string(&claims()).expect("JSON");
    for repeated in [
        r#","exp":4000000000}"#,
        r#","\u0065xp":4000000000}"#,
        r#","sub":"admin"}"#,
    ] {
        let claims = format!("{}{repeated}", &good[..good.len() - 1]);
        check_refused(
            &present(&layer(), &signed(&header, &claims)).await,
            "token_invalid",
        );
    }
    let listed = token_with(|claims| {
        claims.insert("aud".into(), json!(["other", "api"]));
    });
    assert_eq!(present(&layer(), &listed).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn altered_signatures_and_encodings_are_refused() {
    let good = token_with(|_| ());
    let (input, signature) = good.rsplit_once('.').expect("a compact token");
    for index in 0..signature.len() {
        let mut altered = signature.as_bytes().to_vec();
        altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).expect("ASCII");
        check_refused(
            &present(&layer(), &format!("{input}.{altered}")).await,
            "token_invalid",
        );
    }
    let bytes = decode(signature);
    for altered in [&bytes[..0], &bytes[..31], &[&bytes[..], &[0]].concat()] {
        check_refused(
            &present(&layer(), &format!("{input}.{}", encode(altered))).await,
            "token_invalid",
        );
    }
    for altered in [
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        input.to_owned(),
        format!("{input}."),
        format!("{good}.{signature}"),
        "...".repeat(3),
        "a".repeat(9_000),
        ".".repeat(1_000),
    ] {
        check_refused(&present(&layer(), &altered).await, "token_invalid");
    }
}

#[tokio::test]
async fn a_token_is_refused_from_the_second_named_by_exp_plus_the_leeway() {
    for (ago, code) in [
        (0, None),
        (4, None),
        (5, Some("token_expired")),
        (600, Some("token_expired")),
    ] {
        let token = token_with(|claims| {
            claims.insert("exp".into(), json!(NOW - ago));
            claims.insert("iat".into(), json!(NOW - 1_000));
        });
        let answer = present(&layer(), &token).await;
        match code {
            Some(code) => check_refused(&answer, code),
            None => assert_eq!(answer.status(), StatusCode::OK, "{ago} s ago"),
        }
    }
    let early = token_with(|claims| {
        claims.insert("nbf".into(), json!(NOW + 6));
    });
    check_refused(&present(&layer(), &early).await, "token_not_yet_valid");
}

#[tokio::test]
async fn a_missing_scope_is_forbidden_and_a_stale_sign_in_must_be_renewed() {
    let scoped = layer_of(keys())
        .require_scope("admin")
        .build()
        .expect("valid");
    let answer = present(&scoped, &token_with(|_| ())).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.contains("error=\"insufficient_scope\", scope=\"admin\""),
        "{challenge}"
    );

    let fresh = layer_of(keys())
        .require_fresh(Duration::from_secs(99))
        .build()
        .expect("valid");
    let answer = present(&fresh, &token_with(|_| ())).await;
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (StatusCode::UNAUTHORIZED, "insufficient_user_authentication")
    );
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("max_age=\"99\""), "{challenge}");
    let just = layer_of(keys())
        .require_fresh(Duration::from_secs(100))
        .build()
        .expect("valid");
    assert_eq!(
        present(&just, &token_with(|_| ())).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_revoked_session_is_refused_and_says_so() {
    let revocations = Revocations::new(Duration::from_secs(24 * 60 * 60 + 5));
    let layer = layer_of(keys())
        .revocations(revocations.clone())
        .build()
        .expect("valid");
    assert_eq!(
        present(&layer, &token_with(|_| ())).await.status(),
        StatusCode::OK
    );
    revocations.revoke("s1", EndReason::Logout, UnixSeconds::new(NOW));
    check_refused(
        &present(&layer, &token_with(|_| ())).await,
        "session_revoked",
    );
    // A forgery that names the session learns nothing of it.
    check_refused(
        &present(&layer, &with_header(r#"{"alg":"none"}"#)).await,
        "token_invalid",
    );
}

#[tokio::test]
async fn optional_lets_strangers_pass_and_forgers_not() {
    let layer = layer_of(keys()).optional().build().expect("valid");
    let answer = call(layer.layer(Hello::default()), request("GET", "/", &[])).await;
    assert_eq!(answer.status(), StatusCode::OK);
    check_refused(&present(&layer, "a.b.c").await, "token_invalid");
}

#[tokio::test]
async fn ed25519_tokens_pass_and_their_public_key_is_no_hmac_secret() {
    let signing = SigningKey::from_pem(ED25519).expect("a private key");
    let set = KeySet::builder()
        .signing(signing.clone())
        .build()
        .expect("valid");
    let layer = layer_of(set.clone()).build().expect("valid");
    let token = set
        .sign("at+jwt", &claims(), UnixSeconds::new(NOW))
        .expect("signed");
    assert_eq!(present(&layer, &token).await.status(), StatusCode::OK);
    // The same token is nothing to an HMAC key, nor the other way round.
    check_refused(&present(&self::layer(), &token).await, "token_invalid");
    check_refused(&present(&layer, &token_with(|_| ())).await, "token_invalid");

    // jsonwebtoken, with the same key, agrees in both directions.
    let encoding =
        jsonwebtoken::EncodingKey::from_ed_pem(ED25519.as_bytes()).expect("a private key");
    let signer = (jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.signer_factory)(
        &jsonwebtoken::Algorithm::EdDSA,
        &encoding,
    );
    let (input, signature) = token.rsplit_once('.').expect("a compact token");
    let theirs = signer
        .expect("a signer")
        .try_sign(input.as_bytes())
        .expect("signed");
    assert_eq!(encode(theirs), signature, "Ed25519 is deterministic");
}

#[test]
fn weak_keys_and_contradictions_are_configuration_problems() {
    for weak in [
        "short",
        "changeme-changeme-changeme-changeme-42!",
        &"abcd".repeat(16),
        &"a".repeat(64),
        "password-0123456789-abcdefghijklmnop",
        "a-string-secret-at-least-256-bits-long",
        "my-super-secret-key-change-me-please-1234",
        "fgr4fe34w2rf7wB9xQz1Kp5Lm8Nv3Ty6",
        "xxxxxxxxxxxxxxxxxxxxxxxxxx-0123456789",
        "0123456789abcdefghijklmnopqrstuvwxyz",
        "test-dev-demo-admin-postgres-root-user",
        "qwertyuiopasdfghjklzxcvbnm1234567890",
    ] {
        let problems = KeySet::from_secret(&Secret::new(weak.to_owned()))
            .expect_err(weak)
            .into_problems();
        assert!(
            matches!(problems[..], [Problem::WeakSecret { .. }]),
            "{weak}"
        );
    }
    let secret = Secret::new(SECRET.to_owned());
    let key = VerifyingKey::hs256("k", &secret).expect("long enough");
    assert!(
        KeySet::builder()
            .verifying(key.clone())
            .verifying(key)
            .build()
            .is_err(),
        "one kid, two keys"
    );
    assert!(KeySet::builder().build().is_err());
    let error = SigningKey::from_pem(
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
    )
    .expect_err("RSA");
    assert!(
        error.to_string().contains("found a PKCS#1 RSA private key"),
        "{error}"
    );
    let one_line = ED25519.replace('\n', "\\n");
    for error in [
        SigningKey::from_pem(&one_line).err(),
        VerifyingKey::from_pem(&one_line).err(),
    ] {
        let text = format!("{0} {0:?}", error.expect("no line ends"));
        assert!(
            text.contains("PEM block without line ends") && !text.contains("MC4CAQ"),
            "{text}"
        );
    }
    let problems = Verifier::builder(keys())
        .leeway(Duration::from_secs(301))
        .build()
        .expect_err("three problems");
    assert_eq!(problems.iter().count(), 3, "{problems}");
    let problems = layer_of(keys())
        .sources([])
        .realm("a\"b")
        .require_scope("a b")
        .build()
        .expect_err("three problems");
    assert_eq!(problems.iter().count(), 3, "{problems}");

    // What would let strangers by, or demand nothing, or forget too early.
    for (name, builder) in [
        (
            "optional",
            layer_of(keys()).optional().require_scope("admin"),
        ),
        (
            "no class",
            layer_of(keys()).require_context_class(Vec::<String>::new()),
        ),
        (
            "short",
            layer_of(keys()).revocations(Revocations::new(Duration::from_secs(600))),
        ),
    ] {
        assert_eq!(builder.build().expect_err(name).iter().count(), 1, "{name}");
    }
}

#[test]
fn the_kid_of_an_ed25519_key_is_its_thumbprint() {
    // RFC 8037 appendix A.3 gives the thumbprint of the key of A.2.
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let key = VerifyingKey::from_pem(public).expect("a public key");
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn the_signature_of_rfc_8037_holds() {
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let keys = KeySet::builder()
        .verifying(VerifyingKey::from_pem(public).expect("a public key"))
        .build()
        .expect("valid");
    let verifier = Verifier::builder(keys)
        .issuer("i")
        .audience("a")
        .build()
        .expect("valid");
    // Appendix A.4. Its payload is a sentence, so it fails after the signature.
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let error = verifier
        .verify(token, UnixSeconds::new(NOW))
        .expect_err("no claims");
    assert_eq!(error.kind(), VerifyErrorKind::Type);
    let altered = token.replace("hgyY", "hgyZ");
    assert_eq!(
        verifier
            .verify(&altered, UnixSeconds::new(NOW))
            .expect_err("forged")
            .kind(),
        VerifyErrorKind::BadSignature
    );
}

proptest::proptest! {
    #[test]
    fn no_mutation_of_a_token_passes_or_panics(index in 0_usize..400, byte: u8, cut in 0_usize..400) {
        let verifier = Verifier::builder(keys()).issuer("https://api.example").audience("api").build().expect("valid");
        let good = token_with(|_| ());
        let mut bytes = good.clone().into_bytes();
        let index = index % bytes.len();
        bytes[index] = byte;
        bytes.truncate(bytes.len().max(1) - cut % 3);
        if let Ok(text) = String::from_utf8(bytes) {
            let accepted = verifier.verify(&text, UnixSeconds::new(NOW)).is_ok();
            proptest::prop_assert_eq!(accepted, text == good);
        }
    }
}
