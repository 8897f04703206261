//! Limits on attempts to sign in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use tower::Layer;
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::identity::{ClientAddr, PeerAddr};
use tower_rampart::rate_limit::{
    Attempt, FieldLayer, Limited, LimitedKind, LoginGuard, LoginGuardBuilder, OnFailure, Outcome,
    Problem,
};
use tower_rampart::secret::Secret;

use crate::rate_limit::decisions::shared;
use crate::support::{Hello, call, request};

fn clock() -> ManualClock {
    ManualClock::at(UnixSeconds::new(1_800_000_000))
}

fn builder(clock: &ManualClock) -> LoginGuardBuilder {
    let quota = |text: &str| text.parse().expect("a quota");
    LoginGuard::builder("login")
        .address(quota("1000/15m"))
        .account(quota("5/15m"))
        .clock(clock.clone())
}

/// A guard that counts here, and one that counts in Redis.
async fn guards(
    change: impl Fn(LoginGuardBuilder) -> LoginGuardBuilder,
) -> Vec<(LoginGuard, ManualClock)> {
    let mut guards = Vec::new();
    let here = clock();
    guards.push((change(builder(&here)).build().expect("valid"), here));
    let there = clock();
    match shared(&there).await {
        Some(redis) => {
            let builder = builder(&there).redis(&redis, OnFailure::Local);
            guards.push((change(builder).build().expect("valid"), there));
        }
        None => crate::services::skipped("redis"),
    }
    guards
}

fn from(address: &str) -> ClientAddr {
    ClientAddr::new(address.parse().expect("an address"))
}

async fn attempt(guard: &LoginGuard, address: &str, account: &str) -> Result<Attempt, Limited> {
    guard
        .attempt(from(address), account, &HeaderMap::new())
        .await
}

async fn fails(guard: &LoginGuard, address: &str, account: &str, times: usize) -> usize {
    let mut compared = 0;
    for _ in 0..times {
        if let Ok(attempt) = attempt(guard, address, account).await {
            attempt.failed();
            compared += 1;
        }
    }
    compared
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_get_five_comparisons() {
    for (guard, _) in guards(|builder| builder).await {
        let compared = Arc::new(AtomicUsize::new(0));
        let tries = (0..200).map(|index| {
            let (guard, compared) = (guard.clone(), Arc::clone(&compared));
            tokio::spawn(async move {
                let address = format!("192.0.2.{}", index % 100);
                if let Ok(attempt) = attempt(&guard, &address, "ann").await {
                    compared.fetch_add(1, Ordering::SeqCst);
                    // As long as a hash takes, all others ask.
                    for _ in 0..50 {
                        tokio::task::yield_now().await;
                    }
                    attempt.failed();
                }
            })
        });
        for task in tries.collect::<Vec<_>>() {
            task.await.expect("no panic");
        }
        assert_eq!(compared.load(Ordering::SeqCst), 5);
    }
}

#[tokio::test]
async fn who_knows_the_password_is_never_limited() {
    for (guard, _) in guards(|builder| builder).await {
        for index in 0..300 {
            let address = format!("198.51.100.{}", index % 200);
            let attempt = attempt(&guard, &address, "ann").await;
            attempt.expect("allowed").succeeded().await;
        }
    }
}

#[tokio::test]
async fn an_attempt_that_is_dropped_or_given_up_stays_counted() {
    for (guard, _) in guards(|builder| builder).await {
        for _ in 0..5 {
            drop(attempt(&guard, "192.0.2.1", "ann").await.expect("allowed"));
        }
        let limited = attempt(&guard, "192.0.2.1", "ann").await.expect_err("five");
        assert_eq!(limited.kind(), LimitedKind::QuotaExceeded);
        assert_eq!(limited.violated().collect::<Vec<_>>(), ["login-account"]);
        assert_eq!(limited.wait(), Duration::from_secs(180));
    }
}

#[tokio::test]
async fn an_attempt_without_a_comparison_is_given_back() {
    for (guard, _) in guards(|builder| builder).await {
        for index in 0..50 {
            attempt(&guard, "192.0.2.1", "ann")
                .await
                .unwrap_or_else(|limited| panic!("{index} {limited}"))
                .abandoned()
                .await;
        }
        assert_eq!(fails(&guard, "192.0.2.1", "ann", 20).await, 5);
    }
}

#[tokio::test]
async fn a_success_of_ones_own_resets_nothing_of_others() {
    let quota = |text: &str| text.parse().expect("a quota");
    for (guard, _) in guards(|builder| builder.address(quota("20/15m"))).await {
        let mut compared = 0;
        for _ in 0..10 {
            compared += fails(&guard, "192.0.2.1", "ann", 1).await;
            let own = attempt(&guard, "192.0.2.1", "mallory")
                .await
                .expect("allowed");
            own.succeeded().await;
        }
        assert_eq!(compared, 5, "ann's account");
        // 5 + 10 attempts; refused ones are not charged to the address.
        assert_eq!(fails(&guard, "192.0.2.1", "bob", 20).await, 5);
        let limited = attempt(&guard, "192.0.2.1", "carol")
            .await
            .expect_err("20 from there");
        assert_eq!(limited.violated().collect::<Vec<_>>(), ["login-address"]);
    }
}

#[tokio::test]
async fn one_address_cannot_use_up_what_an_account_has() {
    let quota = |text: &str| text.parse().expect("a quota");
    let change = |builder: LoginGuardBuilder| {
        builder
            .address_account(quota("5/15m"))
            .account(quota("20/15m"))
    };
    for (guard, _) in guards(change).await {
        assert_eq!(fails(&guard, "192.0.2.1", "ann", 100).await, 5);
        let own = attempt(&guard, "192.0.2.2", "ann")
            .await
            .expect("another address");
        own.succeeded().await;
        // The account starts anew, the other address does not.
        assert_eq!(fails(&guard, "192.0.2.1", "ann", 100).await, 0);
        // A network of IPv6 is one address.
        let mut compared = 0;
        for host in 0..50 {
            compared += fails(&guard, &format!("2001:db8::{host:x}"), "ann", 1).await;
        }
        assert_eq!(compared, 5);
    }
}

fn device_cookie(cookie: &HeaderValue) -> HeaderMap {
    let pair = cookie
        .to_str()
        .expect("ASCII")
        .split(';')
        .next()
        .expect("a pair");
    let mut headers = HeaderMap::new();
    headers.insert("cookie", pair.parse().expect("legal"));
    headers
}

#[tokio::test]
async fn the_owner_comes_in_at_the_first_try_during_an_attack() {
    let secret = Secret::random(48);
    for (guard, clock) in guards(|builder| builder.devices(&secret)).await {
        let first = attempt(&guard, "198.51.100.7", "ann")
            .await
            .expect("allowed");
        let cookie = first.succeeded().await.expect("a cookie");
        let known = device_cookie(&cookie);
        let mut compared = 0;
        for index in 0..1_000 {
            let address = format!("192.0.{}.{}", 2 + index / 250, index % 250);
            compared += fails(&guard, &address, "ann", 1).await;
        }
        assert_eq!(compared, 5);
        let owner = |headers: HeaderMap| {
            let guard = guard.clone();
            async move { guard.attempt(from("203.0.113.9"), "ann", &headers).await }
        };
        owner(HeaderMap::new())
            .await
            .expect_err("unknown devices wait");
        let renewed = owner(known.clone()).await.expect("a known one does not");
        clock.advance(Duration::from_secs(1));
        let renewed = renewed.succeeded().await.expect("a cookie");
        assert_ne!(renewed, cookie);
        // The same device, for another while.
        let id = |cookie: &HeaderValue| cookie.as_bytes()["__Host-device=".len()..][..20].to_vec();
        assert_eq!(id(&renewed), id(&cookie));
        // The attack goes on being counted.
        assert_eq!(fails(&guard, "192.0.2.200", "ann", 10).await, 0);
        // A stolen cookie is worth as many failures as an account.
        let mut stolen = 0;
        for _ in 0..50 {
            stolen += usize::from(owner(known.clone()).await.is_ok());
        }
        assert_eq!(stolen, 5);
        // It is of use for one account only.
        let bob = guard.attempt(from("203.0.113.9"), "bob", &known);
        bob.await.expect("the first").failed();
        assert_eq!(fails(&guard, "203.0.113.9", "bob", 10).await, 4);
        clock.advance(Duration::from_secs(900));
        assert!(owner(HeaderMap::new()).await.is_ok(), "it passes");
    }
}

#[tokio::test]
async fn cookies_that_are_not_genuine_are_none() {
    let (secret, before) = (Secret::random(48), Secret::random(48));
    let clock = clock();
    let guard = builder(&clock).devices(&secret).build().expect("valid");
    let cookie = attempt(&guard, "192.0.2.1", "ann")
        .await
        .expect("allowed")
        .succeeded()
        .await;
    let cookie = cookie.expect("a cookie");
    fails(&guard, "192.0.2.1", "ann", 5).await;
    let is_known = async |headers: &HeaderMap| {
        guard
            .attempt(from("192.0.2.2"), "ann", headers)
            .await
            .is_ok()
    };
    let genuine = device_cookie(&cookie);
    let text = genuine["cookie"].to_str().expect("ASCII").to_owned();
    for index in "__Host-device=".len()..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        // The last character holds bits that mean nothing; they must be zero.
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_bytes(&bytes).expect("legal"));
        assert!(!is_known(&headers).await, "byte {index}");
    }
    for changed in [
        format!("{text}A"),
        text[..text.len() - 1].to_owned(),
        format!("{text}; {text}"),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", changed.parse().expect("legal"));
        assert!(!is_known(&headers).await, "{changed}");
    }
    assert!(is_known(&genuine).await);

    // A replaced secret is believed for as long as it is named.
    let old = builder(&clock).devices(&before).build().expect("valid");
    let cookie = attempt(&old, "192.0.2.1", "ann")
        .await
        .expect("allowed")
        .succeeded()
        .await;
    let old_cookie = device_cookie(&cookie.expect("a cookie"));
    assert!(!is_known(&old_cookie).await);
    let both = builder(&clock).devices(&secret).previous_devices(&before);
    let both = both.build().expect("valid");
    fails(&both, "192.0.2.1", "ann", 5).await;
    let known = both.attempt(from("192.0.2.2"), "ann", &old_cookie).await;
    drop(known.expect("still known"));
    // And none is, once it is too old.
    fails(&guard, "192.0.2.1", "ann", 5).await;
    clock.advance(Duration::from_secs(180 * 24 * 60 * 60 - 1));
    fails(&guard, "192.0.2.1", "ann", 5).await;
    assert!(is_known(&genuine).await);
    clock.advance(Duration::from_secs(1));
    assert!(!is_known(&genuine).await);
}

#[test]
fn a_guard_that_guards_nothing_is_refused() {
    let weak = LoginGuard::builder("log in")
        .devices(&Secret::new(b"short".to_vec()))
        .build()
        .expect_err("three are wrong")
        .into_problems();
    assert!(
        matches!(
            weak[..],
            [Problem::WeakSecret, Problem::Name { .. }, Problem::NoQuota]
        ),
        "{weak:?}"
    );
}

#[test]
fn settings_of_a_guard_that_do_nothing_are_refused() {
    let quota = |text: &str| text.parse().expect("a quota");
    let secret = Secret::random(48);
    let account = || LoginGuard::builder("login").account(quota("5/15m"));
    for builder in [
        account().device(quota("5/15m")),
        account().previous_devices(&secret),
        account().devices(&secret).device_lifetime(Duration::ZERO),
    ] {
        let problems = builder
            .build()
            .expect_err("no device is known")
            .into_problems();
        assert_eq!(problems, [Problem::Devices]);
    }
    let strict = account().address(quota("5/15m,strict")).build();
    let problems = strict.expect_err("the memory is another").into_problems();
    assert!(matches!(problems[..], [Problem::StrictQuota { .. }]));
}

/// Signs in through the layers; the service says whether the password is right.
async fn sign_in(
    guard: &LoginGuard,
    body: &str,
    headers: &[(&str, &str)],
    status: u16,
) -> crate::support::Answer {
    let inner = tower::service_fn(
        move |request: http::Request<tower_rampart::rate_limit::FieldBody>| async move {
            // The body is all there.
            let body = http_body_util::BodyExt::collect(request.into_body()).await;
            let body = body.expect("a body").to_bytes();
            let answer = http::Response::builder().status(status);
            Ok::<_, std::convert::Infallible>(
                answer.body(http_body_util::Full::new(body)).expect("legal"),
            )
        },
    );
    let service = FieldLayer::json("email").layer(guard.layer(Outcome::of_json_api).layer(inner));
    let (mut head, _) = request("POST", "/login", headers).into_parts();
    head.extensions
        .insert(PeerAddr("192.0.2.1:1".parse().expect("an address")));
    let body = http_body_util::Full::new(bytes::Bytes::copy_from_slice(body.as_bytes()));
    call(service, http::Request::from_parts(head, body)).await
}

#[tokio::test]
async fn the_layer_counts_by_a_field_of_the_body() {
    let secret = Secret::random(48);
    let guard = builder(&clock()).devices(&secret).build().expect("valid");
    let ann = r#"{"email": " Ann@Example.com", "password": "x"}"#;
    // Server errors are nobody's failures.
    for _ in 0..20 {
        assert_eq!(
            sign_in(&guard, ann, &[], 503).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    for spelling in [
        "ann@example.com",
        "ANN@example.com",
        "ann@Example.com ",
        "ann@example.com",
    ] {
        let body = format!(r#"{{"email": "{spelling}"}}"#);
        let answer = sign_in(&guard, &body, &[], 401).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer.body,
            body.as_bytes(),
            "the service read what was sent"
        );
    }
    let right = sign_in(&guard, ann, &[], 200).await;
    assert_eq!(right.status(), StatusCode::OK);
    let cookie = right.header("set-cookie").expect("a device").to_owned();
    for _ in 0..5 {
        assert_eq!(
            sign_in(&guard, ann, &[], 401).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    let refused = sign_in(&guard, ann, &[], 200).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("180"));
    assert_eq!(
        refused.json()["violated-policies"],
        serde_json::json!(["login-account"])
    );
    // Of an account that nobody has, the same.
    let nobody = r#"{"email": "nobody@example.com"}"#;
    for _ in 0..5 {
        sign_in(&guard, nobody, &[], 401).await;
    }
    let other = sign_in(&guard, nobody, &[], 200).await;
    assert_eq!(other.body, refused.body);
    assert_eq!(other.head.headers, refused.head.headers);
    let known = cookie.split(';').next().expect("a pair");
    let owner = sign_in(&guard, ann, &[("cookie", known)], 200).await;
    assert_eq!(owner.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_two_readers_would_read_differently_is_refused() {
    let guard = builder(&clock()).build().expect("valid");
    for (body, status) in [
        (r#"{"email": "ann", "email": "bob"}"#, 400),
        (r#"{"email": "ann"} {}"#, 400),
        ("email=ann", 400),
        ("", 400),
        (r#"{"email": ["ann"]}"#, 422),
        ("{}", 422),
    ] {
        assert_eq!(
            sign_in(&guard, body, &[], 200).await.status().as_u16(),
            status,
            "{body}"
        );
    }
    let long = format!(r#"{{"email": "ann", "x": "{}"}}"#, "x".repeat(8 * 1024));
    assert_eq!(
        sign_in(&guard, &long, &[], 200).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn a_query_is_not_read_in_place_of_a_body() {
    let service = FieldLayer::url_encoded("email").layer(tower::service_fn(
        |request: http::Request<tower_rampart::rate_limit::FieldBody>| async move {
            let found = request
                .extensions()
                .get::<tower_rampart::rate_limit::Field>();
            let found = found.map_or(String::new(), |field| field.as_str().to_owned());
            Ok::<_, std::convert::Infallible>(http::Response::new(found))
        },
    ));
    for (method, body, status, found) in [
        (
            "POST",
            "email=Ann%40Example.com&x=1",
            200,
            "ann@example.com",
        ),
        ("POST", "email=ann&email=bob", 400, ""),
        ("POST", "x=1", 200, ""),
        ("GET", "email=random", 400, ""),
        ("HEAD", "email=random", 400, ""),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri("/login?email=victim");
        let body_of = http_body_util::Full::new(bytes::Bytes::from(body));
        let answer = call(service.clone(), request.body(body_of).expect("legal")).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {body}");
        if status == 200 {
            assert_eq!(answer.body, found.as_bytes(), "{method} {body}");
        }
    }
}

#[tokio::test]
async fn the_application_says_what_a_failure_is() {
    let guard = builder(&clock()).build().expect("valid");
    let layer = guard.layer(|_| Outcome::Failed);
    let answer = async || {
        let (mut head, body) = request("POST", "/login", &[]).into_parts();
        head.extensions
            .insert(PeerAddr("192.0.2.1:1".parse().expect("an address")));
        head.extensions
            .insert(tower_rampart::rate_limit::Field::new("ann"));
        call(
            layer.layer(Hello::default()),
            http::Request::from_parts(head, body),
        )
        .await
    };
    for _ in 0..5 {
        assert_eq!(answer().await.status(), StatusCode::OK);
    }
    assert_eq!(answer().await.status(), StatusCode::TOO_MANY_REQUESTS);
}
