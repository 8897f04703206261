//! Keys of another issuer, from an HTTP server on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use http::StatusCode;
use tokio::sync::Mutex;
use tower::Layer;
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::jwt::{FetchError, JwtLayer, RemoteKeys, Verifier};

use super::NOW;
use crate::support::{Answer, Hello, call, request};

/// An issuer: what it publishes, and how often it was asked.
#[derive(Clone, Debug, Default)]
struct Issuer {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
    /// Held while an answer must wait.
    gate: Arc<Mutex<()>>,
}

impl Issuer {
    async fn start(keys: &[&TestKeys]) -> (Self, String) {
        let issuer = Self::default();
        issuer.publishes(keys).await;
        let router = Router::new()
            .route("/jwks.json", get(publish))
            .route(
                "/moved",
                get(|| async { Redirect::temporary("/jwks.json") }),
            )
            .route(
                "/away",
                get(|| async { Redirect::temporary("http://127.0.0.1:9/jwks.json") }),
            )
            .route("/large", get(|| async { "x".repeat(300 * 1024) }))
            .with_state(issuer.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (issuer, format!("http://{address}"))
    }

    async fn publishes(&self, keys: &[&TestKeys]) {
        let keys: Vec<_> = keys
            .iter()
            .filter_map(|keys| keys.signing_key().verifying_key().to_jwk())
            .collect();
        *self.answer.lock().await = (200, format!(r#"{{"keys":[{}]}}"#, keys.join(",")));
    }

    async fn answers(&self, status: u16, text: &str) {
        *self.answer.lock().await = (status, text.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn publish(State(issuer): State<Issuer>) -> impl IntoResponse {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    drop(issuer.gate.lock().await);
    let (status, text) = issuer.answer.lock().await.clone();
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("cache-control", "public, max-age=300")], text)
}

fn keys() -> TestKeys {
    TestKeys::ed25519().at(UnixSeconds::new(NOW))
}

fn remote(url: &str, clock: &ManualClock) -> RemoteKeys {
    RemoteKeys::builder(url)
        .clock(clock.clone())
        .build()
        .expect("valid")
}

fn layer(remote: &RemoteKeys, keys: &TestKeys, clock: &ManualClock) -> JwtLayer {
    let verifier = Verifier::builder(remote.keys())
        .issuer(keys.issuer())
        .audience(keys.audience())
        .max_lifetime(Duration::from_secs(30 * 24 * 60 * 60))
        .build()
        .expect("valid");
    JwtLayer::builder(verifier)
        .clock(clock.clone())
        .build()
        .expect("valid")
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
async fn without_keys_nobody_is_judged() {
    let (issuer, url) = Issuer::start(&[]).await;
    issuer.answers(500, "").await;
    let (keys, clock) = (keys(), ManualClock::at(UnixSeconds::new(NOW)));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    let layer = layer(&remote, &keys, &clock);
    let answer = present(&layer, &keys.token().sign()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(
        answer.header("www-authenticate"),
        None,
        "the token was never judged"
    );
    assert_eq!(
        present(&layer, "garbage").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(issuer.asked(), 1, "once in five seconds");

    // It comes back: the next request but one pause finds the keys by itself.
    issuer.publishes(&[&keys]).await;
    clock.advance(Duration::from_secs(5));
    assert_eq!(
        present(&layer, &keys.token().sign()).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_key_that_appears_is_found_by_the_request_that_needs_it() {
    let (old, new) = (keys(), keys());
    let (issuer, url) = Issuer::start(&[&old]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    let fresh = remote.refresh().await.expect("a set");
    assert_eq!(fresh, Duration::from_secs(300));
    let layer = layer(&remote, &old, &clock);
    assert_eq!(
        present(&layer, &old.token().sign()).await.status(),
        StatusCode::OK
    );
    issuer.publishes(&[&old, &new]).await;
    assert_eq!(
        present(&layer, &new.token().sign()).await.status(),
        StatusCode::OK
    );
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_thousand_unknown_keys_make_one_fetch_and_delay_nobody_else() {
    let known = keys();
    let (issuer, url) = Issuer::start(&[&known]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    remote.refresh().await.expect("a set");
    let layer = layer(&remote, &known, &clock);

    // The issuer does not answer while they come.
    let held = issuer.gate.clone().lock_owned().await;
    let stranger = keys();
    let strangers: Vec<_> = (0..1_000)
        .map(|index| {
            let token = stranger
                .token()
                .header("kid", format!("kid-{index}"))
                .sign();
            let layer = layer.clone();
            tokio::spawn(async move { present(&layer, &token).await.code() })
        })
        .collect();
    tokio::task::yield_now().await;
    for _ in 0..100 {
        assert_eq!(
            present(&layer, &known.token().sign()).await.status(),
            StatusCode::OK
        );
    }
    drop(held);
    for answer in strangers {
        assert_eq!(answer.await.expect("no panic"), "token_invalid");
    }
    assert_eq!(issuer.asked(), 2, "the first one, and one for all of them");
    clock.advance(Duration::from_secs(29));
    present(&layer, &stranger.token().sign()).await;
    assert_eq!(issuer.asked(), 2);
    clock.advance(Duration::from_secs(1));
    present(&layer, &stranger.token().sign()).await;
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn what_cannot_be_fetched_again_is_believed_for_a_day() {
    let known = keys();
    let (issuer, url) = Issuer::start(&[&known]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    remote.refresh().await.expect("a set");
    let layer = layer(&remote, &known, &clock);
    let token = known.token().claim("exp", NOW + 7 * 24 * 60 * 60).sign();

    for (status, text) in [
        (500, ""),
        (200, "<html>"),
        (200, r#"{"keys":[]}"#),
        (200, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
        (404, "{}"),
    ] {
        issuer.answers(status, text).await;
        assert!(remote.refresh().await.is_err(), "{status} {text}");
        assert_eq!(
            present(&layer, &token).await.status(),
            StatusCode::OK,
            "{status} {text}"
        );
    }
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(present(&layer, &token).await.status(), StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        present(&layer, &token).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_key_that_is_no_longer_published_is_no_longer_believed() {
    let (old, new) = (keys(), keys());
    let (issuer, url) = Issuer::start(&[&old, &new]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    remote.refresh().await.expect("a set");
    let layer = layer(&remote, &old, &clock);
    assert_eq!(
        present(&layer, &old.token().sign()).await.status(),
        StatusCode::OK
    );
    issuer.publishes(&[&new]).await;
    remote.refresh().await.expect("a set");
    clock.advance(Duration::from_secs(31));
    assert_eq!(
        present(&layer, &old.token().sign()).await.code(),
        "token_invalid"
    );
}

#[tokio::test]
async fn redirects_and_sizes_are_bounded() {
    let known = keys();
    let (_issuer, url) = Issuer::start(&[&known]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let fetch = async |path: &str| remote(&format!("{url}{path}"), &clock).refresh().await;
    assert!(fetch("/moved").await.is_ok(), "to the same origin");
    assert!(
        matches!(fetch("/away").await, Err(FetchError::Status(_))),
        "to another one"
    );
    assert!(matches!(fetch("/large").await, Err(FetchError::TooLarge)));
    assert!(matches!(
        fetch("/nowhere").await,
        Err(FetchError::Status(StatusCode::NOT_FOUND))
    ));
}

#[test]
fn only_addresses_that_can_be_trusted_are_asked() {
    for good in [
        "https://issuer.example/jwks.json",
        "http://127.0.0.1:8080/jwks.json",
        "http://localhost/jwks.json",
        "http://[::1]/jwks.json",
    ] {
        assert!(RemoteKeys::builder(good).build().is_ok(), "{good}");
    }
    for bad in [
        "http://issuer.example/jwks.json",
        "http://127.0.0.1.evil.test/jwks.json",
        "http://localhost.evil.test/",
        "file:///etc/jwks.json",
        "issuer.example",
        "/jwks.json",
        "",
    ] {
        assert!(RemoteKeys::builder(bad).build().is_err(), "{bad}");
    }
    let problems = RemoteKeys::builder("ftp://x")
        .max_stale(Duration::ZERO)
        .build();
    assert_eq!(problems.expect_err("two problems").iter().count(), 2);
}

#[tokio::test]
async fn rsa_is_taken_from_an_issuer_only_where_asked_for() {
    let table = include_str!("fixtures/rfc_vectors.tsv");
    let line = table.lines().find(|line| line.starts_with("RFC 7515 A.2"));
    let jwk = line
        .and_then(|line| line.split('\t').nth(1))
        .expect("the key of A.2");
    let (issuer, url) = Issuer::start(&[]).await;
    issuer.answers(200, &format!(r#"{{"keys":[{jwk}]}}"#)).await;
    let plain = RemoteKeys::builder(format!("{url}/jwks.json"))
        .build()
        .expect("valid");
    assert!(plain.refresh().await.is_err(), "no key that can be used");
    let legacy = RemoteKeys::builder(format!("{url}/jwks.json"))
        .legacy_rsa()
        .build();
    assert!(legacy.expect("valid").refresh().await.is_ok());
}

#[tokio::test]
async fn a_set_is_followed_until_nobody_wants_it() {
    let known = keys();
    let (issuer, url) = Issuer::start(&[&known]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    let layer = layer(&remote, &known, &clock);
    let following = remote.follow();
    // The first fetch needs no request that asks for it.
    while issuer.asked() == 0 {
        tokio::task::yield_now().await;
    }
    drop(following);
    clock.advance(Duration::from_secs(60));
    assert_eq!(
        present(&layer, &known.token().sign()).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_key_revoked_here_stays_revoked_however_often_it_is_fetched() {
    let stolen = keys();
    let (_issuer, url) = Issuer::start(&[&stolen]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    remote.refresh().await.expect("a set");
    let layer = layer(&remote, &stolen, &clock);
    remote
        .keys()
        .revoke(stolen.signing_key().verifying_key().kid());
    for _ in 0..2 {
        let answer = present(&layer, &stolen.token().sign()).await;
        assert_eq!(answer.code(), "signing_key_revoked");
        remote.refresh().await.expect("a set");
    }
    let other = keys().key_set();
    assert!(remote.keys().replace(&other).is_err() && other.replace(&remote.keys()).is_err());
}

/// Panics, as somebody's own client might.
#[derive(Debug)]
struct Fragile(Arc<AtomicUsize>);

impl tower_rampart::jwt::FetchJwks for Fragile {
    fn get(&self, _url: &http::Uri) -> tower_rampart::jwt::Fetched {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a client that fails badly");
    }
}

#[tokio::test]
async fn a_client_that_panics_is_tried_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = RemoteKeys::builder("https://issuer.example/jwks.json")
        .fetch(Fragile(Arc::clone(&asked)))
        .clock(clock.clone())
        .build()
        .expect("valid");
    let keys = keys();
    let layer = layer(&remote, &keys, &clock);
    for round in 1..=2 {
        let answer = present(&layer, &keys.token().sign()).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(asked.load(Ordering::SeqCst), round);
        clock.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_token_that_no_key_could_verify_asks_for_none() {
    let known = keys();
    let (issuer, url) = Issuer::start(&[&known]).await;
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = remote(&format!("{url}/jwks.json"), &clock);
    remote.refresh().await.expect("a set");
    let layer = layer(&remote, &known, &clock);
    for token in [
        known
            .token()
            .header("alg", "none")
            .header("kid", "x")
            .sign(),
        known.token().header("kid", "k".repeat(129)).sign(),
        "a.b.c".to_owned(),
    ] {
        assert_eq!(present(&layer, &token).await.code(), "token_invalid");
    }
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn a_runtime_that_is_gone_leaves_nothing_locked() {
    let clock = ManualClock::at(UnixSeconds::new(NOW));
    let remote = RemoteKeys::builder("https://issuer.example/jwks.json")
        .fetch(Fragile(Arc::default()))
        .clock(clock.clone())
        .build()
        .expect("valid");
    let keys = keys();
    let mut service = layer(&remote, &keys, &clock).layer(Hello::default());
    let field = format!("Bearer {}", keys.token().sign());
    for _ in 0..2 {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _inside = handle.enter();
        // The fetch is dropped unpolled, in the middle of the decision.
        let request = request("GET", "/", &[("authorization", &field)]);
        drop(tower::Service::call(&mut service, request));
        clock.advance(Duration::from_secs(5));
    }
}
