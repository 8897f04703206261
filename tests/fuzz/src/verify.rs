//! Any bytes as a token: no panic, and nothing that was not signed is accepted.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz verify`, or without `cargo-fuzz` and
//! without sanitisers:
//!
//! ```text
//! cd tests/fuzz
//! RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
//!   -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
//!   -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
//!   cargo run --release --target x86_64-unknown-linux-gnu --bin verify -- -max_total_time=600 -max_len=9000
//! ```
//!
//! The first byte says what the rest is: a whole token; a signature over a good
//! header and claims; claims, or a header and claims parted by a line feed,
//! that are then signed with a real key, so that everything behind the
//! signature is reached too.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use tower_rampart::clock::UnixSeconds;
use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::jwt::{SigningKey, Verifier};
use tower_rampart::secret::Secret;

const SECRET: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
const HEADER: &[u8] = br#"{"alg":"HS256","kid":"k","typ":"at+jwt"}"#;
const CLAIMS: &[u8] =
    br#"{"iss":"https://issuer.example","aud":"api","sub":"u","iat":1800000000,"exp":1800000600}"#;
const NOW: UnixSeconds = UnixSeconds::new(1_800_000_010);

struct Verifiers {
    /// Whose key the target has.
    ours: Verifier,
    /// Whose keys nobody has.
    others: Vec<Verifier>,
}

static VERIFIERS: LazyLock<Verifiers> = LazyLock::new(|| {
    let verifier = |keys: TestKeys| {
        Verifier::builder(keys.key_set())
            .issuer("https://issuer.example")
            .audience("api")
            .build()
            .expect("valid")
    };
    let secret = Secret::new(SECRET.to_vec());
    Verifiers {
        ours: verifier(TestKeys::new(
            SigningKey::hs256("k", &secret).expect("a key"),
        )),
        others: vec![verifier(TestKeys::es256()), verifier(TestKeys::ed25519())],
    }
});

fn signed(header: &[u8], claims: &[u8]) -> String {
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("any length");
    mac.update(input.as_bytes());
    format!(
        "{input}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

fuzz_target!(|bytes: &[u8]| {
    let Verifiers { ours, others } = &*VERIFIERS;
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    match kind % 4 {
        0 => {
            let Ok(token) = std::str::from_utf8(rest) else {
                return;
            };
            let genuine = ours.verify(token, NOW).is_ok();
            // Who guesses a signature has found more than a bug.
            assert!(
                !genuine || token == resigned(token),
                "a forgery was accepted: {token:?}"
            );
            for other in others {
                assert!(
                    other.verify(token, NOW).is_err(),
                    "a forgery was accepted: {token:?}"
                );
            }
        }
        1 => {
            let good = signed(HEADER, CLAIMS);
            let (input, signature) = good.rsplit_once('.').expect("three parts");
            let token = format!("{input}.{}", String::from_utf8_lossy(rest));
            let accepted = ours.verify(&token, NOW).is_ok();
            assert_eq!(accepted, rest == signature.as_bytes(), "{token:?}");
        }
        2 => read(ours, &signed(HEADER, rest)),
        _ => {
            let parted = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
            let (header, claims) = rest.split_at(parted);
            read(ours, &signed(header, claims.get(1..).unwrap_or_default()));
        }
    }
});

/// The same token with the signature that its first parts should have.
fn resigned(token: &str) -> String {
    let mut parts = token
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
    let (header, claims) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    signed(&header, &claims)
}

/// Verifies, and reads everything that a handler could.
fn read(verifier: &Verifier, token: &str) {
    let Ok(claims) = verifier.verify(token, NOW) else {
        return;
    };
    assert_eq!(claims.issuer(), Some("https://issuer.example"));
    assert!(claims.audiences().any(|audience| audience == "api"));
    assert!(!claims.subject().is_empty());
    let members = claims.members().clone();
    assert_eq!(members["sub"].as_str(), Some(claims.subject()));
    let principal = claims.into_principal();
    let _ = (
        principal.scopes().count(),
        principal.has_role("user"),
        principal.session(),
    );
}
