//! Verification of tokens, beside the raw signature and beside jsonwebtoken.
//!
//! The ratios matter, and they are taken in one run: `HS256/layer` to
//! `HS256/raw MAC` and to `HS256/jsonwebtoken`, `ES256/cached` to
//! `ES256/verifier`.

use std::hint::black_box;

use criterion::Criterion;
use http::Request;
use serde_json::Value;
use tower::Layer;
use tower_rampart::jwt::SigningKey;
use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::jwt::{JwtLayer, Verifier};
use tower_rampart::secret::Secret;

use crate::layers::{Nothing, poll_once};

/// A token with the claims of this crate's own access tokens, and a scope.
fn token(keys: &TestKeys) -> String {
    keys.token()
        .claim("jti", "6f1c1f0e2d3b4a59687786959fa4b3c2")
        .claim("sid", "0123456789abcdef0123456789abcdef")
        .claim("rg", 3)
        .claim("roles", vec!["user"])
        .claim("scope", "images:read images:write")
        .sign()
}

fn verifier(keys: &TestKeys, cache: Option<usize>) -> Verifier {
    let builder = Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience());
    let builder = match cache {
        Some(tokens) => builder.cache(tokens),
        None => builder,
    };
    builder.build().expect("valid")
}

/// Measures.
pub(crate) fn bench(criterion: &mut Criterion) {
    hs256(criterion);
    for (name, keys) in [("ES256", TestKeys::es256()), ("EdDSA", TestKeys::ed25519())] {
        asymmetric(criterion, name, &keys);
    }
}

fn hs256(criterion: &mut Criterion) {
    let secret = Secret::random(32);
    let keys = TestKeys::new(SigningKey::hs256("2024-key", &secret).expect("a key"));
    let token = token(&keys);
    let mut group = criterion.benchmark_group("HS256");
    group.throughput(criterion::Throughput::Bytes(token.len() as u64));

    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.expose());
    let input = token.rsplit_once('.').map_or("", |(input, _)| input);
    let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
    group.bench_function("raw MAC", |bencher| {
        bencher.iter(|| aws_lc_rs::hmac::verify(&key, black_box(input.as_bytes()), tag.as_ref()));
    });

    let verifier = verifier(&keys, None);
    let now = keys.now();
    group.bench_function("verifier", |bencher| {
        bencher.iter(|| verifier.verify(black_box(&token), now).expect("genuine"));
    });

    let mut service = JwtLayer::builder(verifier.clone())
        .build()
        .expect("valid")
        .layer(Nothing);
    group.bench_function("layer", |bencher| {
        bencher.iter_batched(
            || request(&token),
            |request| poll_once(&mut service, request),
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function("no layer", |bencher| {
        bencher.iter_batched(
            || request(&token),
            |request| poll_once(&mut Nothing, request),
            criterion::BatchSize::SmallInput,
        );
    });

    let theirs = jsonwebtoken::DecodingKey::from_secret(secret.expose());
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.set_issuer(&[keys.issuer()]);
    rules.set_audience(&[keys.audience()]);
    group.bench_function("jsonwebtoken", |bencher| {
        bencher.iter(|| {
            jsonwebtoken::decode::<Value>(black_box(&token), &theirs, &rules).expect("genuine")
        });
    });
    group.bench_function("jsonwebtoken, typed", |bencher| {
        bencher.iter(|| {
            jsonwebtoken::decode::<Typed>(black_box(&token), &theirs, &rules).expect("genuine")
        });
    });
    group.finish();
}

/// The claims as an application would name them.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read by serde, which is what is measured")]
struct Typed {
    sub: String,
    sid: String,
    scope: String,
    roles: Vec<String>,
    exp: u64,
}

fn request(token: &str) -> Request<()> {
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    request.body(()).expect("a legal request")
}

fn asymmetric(criterion: &mut Criterion, name: &str, keys: &TestKeys) {
    let token = token(keys);
    let now = keys.now();
    let mut group = criterion.benchmark_group(name);
    let plain = verifier(keys, None);
    group.bench_function("verifier", |bencher| {
        bencher.iter(|| plain.verify(black_box(&token), now).expect("genuine"));
    });
    let cached = verifier(keys, Some(1_000));
    group.bench_function("cached", |bencher| {
        bencher.iter(|| cached.verify(black_box(&token), now).expect("genuine"));
    });
    group.finish();
}
