//! The published attacks, and random ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::jwt::testing::{Attacker, TestKeys};
use tower_rampart::jwt::{JwtLayer, Source, Verifier};

use super::NOW;
use crate::support::{Hello, call, request};

fn layer(keys: &TestKeys) -> JwtLayer {
    let verifier = Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience())
        .cache(100)
        .build()
        .expect("valid");
    JwtLayer::builder(verifier)
        .clock(ManualClock::at(keys.now()))
        .build()
        .expect("valid")
}

fn all_keys() -> [TestKeys; 3] {
    [TestKeys::hs256(), TestKeys::ed25519(), TestKeys::es256()]
        .map(|keys| keys.at(UnixSeconds::new(NOW)))
}

#[tokio::test]
async fn every_published_attack_is_refused_and_forgeries_look_alike() {
    for keys in all_keys() {
        let calls = Arc::new(AtomicUsize::new(0));
        let inner = {
            let calls = Arc::clone(&calls);
            service_fn(move |_request: Request<String>| {
                calls.fetch_add(1, Ordering::Relaxed);
                async { Ok::<_, std::convert::Infallible>(Response::new(String::new())) }
            })
        };
        let service = layer(&keys).layer(inner);
        let good = format!("Bearer {}", keys.token().sign());
        let good = Request::get("/").header("authorization", good);
        let good = good.body(String::new()).expect("legal");
        let answer = service.clone().oneshot(good).await.expect("infallible");
        assert_eq!(answer.status(), StatusCode::OK);

        let attacks = Attacker::new(&keys);
        assert!(attacks.len() >= 150, "{} attacks", attacks.len());
        for attack in attacks {
            let answer = service
                .clone()
                .oneshot(attack.request("/", String::new()))
                .await
                .expect("infallible");
            if let Err(survived) = attack.check(answer.status(), answer.headers()) {
                panic!(
                    "{}: {survived}",
                    keys.signing_key().verifying_key().algorithm()
                );
            }
            assert_eq!(answer.headers()["cache-control"], "no-store", "{attack:?}");
        }
        assert_eq!(
            calls.load(Ordering::Relaxed),
            1,
            "only the good one came in"
        );
    }
}

#[tokio::test]
async fn the_answer_to_an_attack_has_its_code_and_nothing_of_the_token() {
    let keys = TestKeys::ed25519().at(UnixSeconds::new(NOW));
    let layer = layer(&keys);
    let mut forgery = None;
    for attack in Attacker::new(&keys) {
        let target = attack.request("/", ());
        let mut head = request("GET", target.uri().to_string().as_str(), &[]);
        *head.headers_mut() = target.headers().clone();
        let answer = call(layer.layer(Hello::default()), head).await;
        assert_eq!(answer.json()["code"], attack.expected_code(), "{attack:?}");
        if attack.expected_code() == "token_invalid" {
            let seen = (
                answer.header("www-authenticate").map(str::to_owned),
                answer.body.clone(),
            );
            assert_eq!(
                forgery.get_or_insert_with(|| seen.clone()),
                &seen,
                "{attack:?}"
            );
        }
    }
}

#[tokio::test]
async fn ten_thousand_mutations_neither_pass_nor_panic() {
    let keys = TestKeys::hs256().at(UnixSeconds::new(NOW));
    let service = layer(&keys).layer(Hello::default());
    let good = keys.token().sign();
    // A fixed sequence (a linear congruential generator), so that a finding repeats.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    for _ in 0..10_000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = 0x21 + u8::try_from(random(94)).expect("below 94"),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"._-=Aa0"[random(7)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let token = String::from_utf8(bytes).expect("ASCII");
        if token == good {
            continue;
        }
        let field = format!("Bearer {token}");
        let answer = call(
            service.clone(),
            request("GET", "/", &[("authorization", &field)]),
        )
        .await;
        assert!(
            matches!(answer.status().as_u16(), 400 | 401),
            "{} for {token}",
            answer.status()
        );
    }
}

#[tokio::test]
async fn a_cookie_is_as_strict_as_a_header() {
    let keys = TestKeys::hs256().at(UnixSeconds::new(NOW));
    let verifier = Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience())
        .build()
        .expect("valid");
    let layer = JwtLayer::builder(verifier)
        .sources([Source::Bearer, Source::Cookie("__Host-access".to_owned())])
        .clock(ManualClock::at(keys.now()))
        .build()
        .expect("valid");
    let service = layer.layer(Hello::default());
    let good = keys.token().sign();
    let check = async |cookie: &str, expected: u16| {
        let answer = call(service.clone(), request("GET", "/", &[("cookie", cookie)])).await;
        assert_eq!(answer.status().as_u16(), expected, "{cookie}");
    };
    check(&format!("__Host-access={good}"), 200).await;
    check(&format!("__Host-access={good}x"), 401).await;
    check(&format!("__host-access={good}"), 401).await;
    check(&format!("__Host-access={good}; __Host-access={good}"), 400).await;
    let bearer = format!("Bearer {good}");
    let cookie = format!("__Host-access={good}");
    let both = [
        ("authorization", bearer.as_str()),
        ("cookie", cookie.as_str()),
    ];
    let answer = call(service.clone(), request("GET", "/", &both)).await;
    assert_eq!(answer.json()["code"], "invalid_request");
}
