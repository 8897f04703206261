//! Limits: exact, bounded, and not to be talked out of by headers.

mod decisions;
mod guard;
mod operations;
mod redis;

use std::time::Duration;

use http::StatusCode;
use tower::Layer;
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::identity::{ClientAddrResolver, ForwardingHeader, PeerAddr, Principal};
use tower_rampart::rate_limit::{
    Allowed, Key, Limited, Problem, Quota, RateLimitLayer, RateLimiter,
};

use crate::support::{Answer, Body, Hello, call, now, request};

fn clock() -> ManualClock {
    ManualClock::at(UnixSeconds::new(1_800_000_000))
}

fn limiter(quota: &str, clock: &ManualClock) -> RateLimiter {
    let quota: Quota = quota.parse().expect("a quota");
    RateLimitLayer::builder("test", quota)
        .clock(clock.clone())
        .capacity(1024)
        .build()
        .expect("valid")
        .limiter()
}

/// Counts a request in memory: nothing has to be waited for.
fn check(limiter: &RateLimiter) -> Result<Allowed, Limited> {
    now(limiter.check(b"a"))
}

async fn from(layer: &RateLimitLayer, peer: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = request("GET", "/", headers);
    request
        .extensions_mut()
        .insert(PeerAddr(peer.parse().expect("an address")));
    call(layer.layer(Hello::default()), request).await
}

#[tokio::test]
async fn a_refused_request_says_how_long_to_wait() {
    let clock = clock();
    let layer = RateLimitLayer::builder("api", "2/1m".parse().expect("a quota"))
        .clock(clock.clone())
        .build()
        .expect("valid");
    let first = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.header("ratelimit-policy"), Some("\"api\";q=2;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"api\";r=1"));
    assert_eq!(
        from(&layer, "192.0.2.1:2", &[]).await.header("ratelimit"),
        Some("\"api\";r=0")
    );

    clock.advance(Duration::from_millis(500));
    let refused = from(&layer, "192.0.2.1:3", &[]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert_eq!(refused.header("ratelimit"), Some("\"api\";r=0;t=30"));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    let body = refused.json();
    assert_eq!(
        body["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(body["violated-policies"], serde_json::json!(["api"]));

    clock.advance(Duration::from_secs(30));
    assert_eq!(
        from(&layer, "192.0.2.1:4", &[]).await.status(),
        StatusCode::OK
    );
}

#[test]
fn the_wait_is_exact_to_the_nanosecond() {
    // A burst of one, one every ten seconds: half an interval is not enough.
    let clock = clock();
    let limiter = limiter("1/10s", &clock);
    check(&limiter).expect("the first");
    clock.advance(Duration::from_secs(5));
    assert_eq!(
        check(&limiter).expect_err("too early").wait(),
        Duration::from_secs(5)
    );
    clock.advance(Duration::from_nanos(4_999_999_999));
    assert_eq!(
        check(&limiter).expect_err("too early").wait(),
        Duration::from_nanos(1)
    );
    clock.advance(Duration::from_nanos(1));
    check(&limiter).expect("on time");
}

#[test]
fn never_more_than_the_rate_over_any_time() {
    for (quota, rate) in [("3/10s", 18_u32), ("300/1s", 18_000), ("1500/1s", 90_000)] {
        let clock = clock();
        let limiter = limiter(quota, &clock);
        let burst = limiter.quota().count().get();
        let mut admitted = 0;
        for _ in 0..60_000 {
            while check(&limiter).is_ok() {
                admitted += 1;
            }
            clock.advance(Duration::from_millis(1));
        }
        assert!(
            (rate + burst - 2..=rate + burst).contains(&admitted),
            "{quota}: {admitted}"
        );
    }
}

#[test]
fn many_threads_share_one_quota() {
    let clock = clock();
    let limiter = limiter("100/1h", &clock);
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..200).filter(|_| check(&limiter).is_ok()).count()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    assert_eq!(admitted, 100);
}

#[tokio::test]
async fn every_clone_of_a_layer_and_its_services_shares_the_quota() {
    let layer = RateLimitLayer::builder("api", "100/1h".parse().expect("a quota"))
        .build()
        .expect("valid");
    let mut admitted = 0;
    for _ in 0..64 {
        let service = layer.clone().layer(Hello::default());
        for _ in 0..5 {
            let answer = call(service.clone(), request("GET", "/", &[])).await;
            admitted += usize::from(answer.status() == StatusCode::OK);
        }
    }
    assert_eq!(admitted, 100);
}

fn behind_proxies() -> RateLimitLayer {
    let resolver = ClientAddrResolver::builder()
        .trusted_proxies(["10.0.0.0/8"])
        .build()
        .expect("valid");
    RateLimitLayer::builder("api", "1/1h".parse().expect("a quota"))
        .client_addr(resolver)
        .build()
        .expect("valid")
}

#[tokio::test]
async fn a_client_cannot_get_a_fresh_bucket_by_naming_addresses() {
    let layer = behind_proxies();
    assert_eq!(
        from(&layer, "9.9.9.9:1", &[]).await.status(),
        StatusCode::OK
    );
    for index in 0..50 {
        let forged = format!("203.0.113.{index}");
        for name in [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
        ] {
            let answer = from(&layer, "9.9.9.9:1", &[(name, &forged)]).await;
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{name}");
        }
    }
}

#[track_caller]
fn check_client(peer: &str, lines: &[&str], expected: &str) {
    let resolver = ClientAddrResolver::builder()
        .trusted_proxies(["10.0.0.0/8"])
        .build()
        .expect("valid");
    let headers: Vec<_> = lines
        .iter()
        .map(|line| ("x-forwarded-for", *line))
        .collect();
    let mut request = request("GET", "/", &headers);
    request
        .extensions_mut()
        .insert(PeerAddr(peer.parse().expect("an address")));
    let client = resolver.resolve(&request.into_parts().0).expect("a peer");
    assert_eq!(client.to_string(), expected, "{peer} {lines:?}");
}

#[test]
fn the_client_is_found_from_the_right() {
    check_client("9.9.9.9:1", &["1.2.3.4, 10.0.0.1"], "9.9.9.9");
    check_client("10.0.0.5:1", &["3.3.3.3, 10.0.0.1"], "3.3.3.3");
    check_client("10.0.0.5:1", &["6.6.6.6, 3.3.3.3"], "3.3.3.3");
    check_client("10.0.0.5:1", &["evil", "5.5.5.5, 10.0.0.1"], "5.5.5.5");
    check_client("10.0.0.5:1", &["6.6.6.6, nope, 10.0.0.1"], "10.0.0.5");
    check_client("10.0.0.5:1", &["7.7.7.7:443, 10.0.0.1"], "7.7.7.7");
    check_client("10.0.0.5:1", &["[2001:db8::1%eth0]:9"], "2001:db8::1");
    check_client("10.0.0.5:1", &["10.0.0.1, 10.0.0.2"], "10.0.0.5");
    check_client("[::ffff:10.0.0.5]:1", &["3.3.3.3"], "3.3.3.3");
    check_client("10.0.0.5:1", &[], "10.0.0.5");
}

#[test]
fn a_quote_left_open_does_not_hide_what_the_proxy_added() {
    let resolver = ClientAddrResolver::builder()
        .trusted_proxies(["10.0.0.0/8"])
        .header(ForwardingHeader::Forwarded)
        .build()
        .expect("valid");
    for (forged, expected) in [
        ("for=6.6.6.6;x=\", for=203.0.113.7", "10.0.0.5"),
        ("for=6.6.6.6;x=\"\\\", for=203.0.113.7", "10.0.0.5"),
        ("for=6.6.6.6;for=6.6.6.7", "10.0.0.5"),
        ("for=6.6.6.6;x", "10.0.0.5"),
        ("for=6.6.6.6, for=203.0.113.7;proto=https", "203.0.113.7"),
    ] {
        let mut request = request("GET", "/", &[("forwarded", forged)]);
        request
            .extensions_mut()
            .insert(PeerAddr("10.0.0.5:1".parse().expect("an address")));
        let client = resolver.resolve(&request.into_parts().0).expect("a peer");
        assert_eq!(client.to_string(), expected, "{forged}");
    }
}

#[test]
fn a_limit_keeps_to_its_own_proxies_inside_another_layer() {
    let own = ClientAddrResolver::builder()
        .trusted_proxies(["10.0.0.0/8"])
        .build()
        .expect("valid");
    let mut request = request("GET", "/", &[("x-forwarded-for", "203.0.113.7")]);
    request
        .extensions_mut()
        .insert(PeerAddr("10.0.0.5:1".parse().expect("an address")));
    let outer = ClientAddrResolver::default()
        .resolve(request_parts(&request))
        .expect("a peer");
    request.extensions_mut().insert(outer);
    assert_eq!(
        own.resolve(request_parts(&request))
            .expect("a peer")
            .to_string(),
        "203.0.113.7"
    );
    assert_eq!(
        ClientAddrResolver::default().resolve(request_parts(&request)),
        Some(outer)
    );
}

/// The head of a request, borrowed for the length of a test.
fn request_parts(request: &http::Request<Body>) -> &'static http::request::Parts {
    Box::leak(Box::new(request.clone().into_parts().0))
}

#[test]
fn only_the_configured_header_is_believed() {
    let head = |header| {
        let resolver = ClientAddrResolver::builder()
            .trusted_proxies(["10.0.0.0/8"])
            .header(header)
            .build()
            .expect("valid");
        let mut request = request(
            "GET",
            "/",
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("forwarded", "for=2.2.2.2"),
                ("cf-connecting-ip", "3.3.3.3"),
            ],
        );
        request
            .extensions_mut()
            .insert(PeerAddr("10.0.0.5:1".parse().expect("an address")));
        resolver
            .resolve(&request.into_parts().0)
            .expect("a peer")
            .to_string()
    };
    assert_eq!(head(ForwardingHeader::XForwardedFor), "1.1.1.1");
    assert_eq!(head(ForwardingHeader::Forwarded), "2.2.2.2");
    assert_eq!(
        head(ForwardingHeader::Single(
            "cf-connecting-ip".parse().expect("a name")
        )),
        "3.3.3.3"
    );
}

#[tokio::test]
async fn mapped_addresses_are_themselves_and_a_64_is_one_client() {
    let layer = RateLimitLayer::builder("api", "1/1h".parse().expect("a quota"))
        .build()
        .expect("valid");
    assert_eq!(
        from(&layer, "[::ffff:192.0.2.1]:1", &[]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        from(&layer, "192.0.2.1:1", &[]).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        from(&layer, "[::ffff:192.0.2.2]:1", &[]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        from(&layer, "[2001:db8:0:1::1]:1", &[]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        from(&layer, "[2001:db8:0:1:ffff::2]:1", &[]).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        from(&layer, "[2001:db8:0:2::1]:1", &[]).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_has_many_networks_has_not_many_quotas() {
    let clock = clock();
    let layer = RateLimitLayer::builder("api", "2/1h".parse().expect("a quota"))
        .clock(clock.clone())
        .build()
        .expect("valid");
    let admitted = async |peers: &mut dyn Iterator<Item = String>| {
        let mut admitted = 0;
        for peer in peers {
            let answer = from(&layer, &peer, &[]).await;
            admitted += usize::from(answer.status() == StatusCode::OK);
        }
        admitted
    };
    let one_64 = &mut (0..5_000).map(|host| format!("[2001:db8:1:1::{host:x}]:1"));
    assert_eq!(admitted(one_64).await, 2);
    // A /56 has 256 of them, a /48 has 65,536.
    let one_56 = &mut (0..256).map(|net| format!("[2001:db8:2:{net:x}::1]:1"));
    assert_eq!(admitted(one_56).await, 8);
    let one_48 = &mut (0..5_000).map(|net| format!("[2001:db8:3:{net:x}::1]:1"));
    assert_eq!(admitted(one_48).await, 32);
    let another_48 = &mut std::iter::once("[2001:db8:4:1::1]:1".to_owned());
    assert_eq!(admitted(another_48).await, 1);
    // What the /64 has left is told, unless a wider network has less.
    let answer = from(&layer, "[2001:db8:4:1::2]:1", &[]).await;
    assert_eq!(answer.header("ratelimit"), Some("\"api\";r=0"));
    // The network as a whole gets its quota back sixteen times as fast.
    clock.advance(Duration::from_millis(3_600_000 / 32));
    let one_48 = &mut (5_000..5_100).map(|net| format!("[2001:db8:3:{net:x}::1]:1"));
    assert_eq!(admitted(one_48).await, 1);
}

#[tokio::test]
async fn several_windows_are_counted_together_or_not_at_all() {
    let clock = clock();
    let quota = |text: &str| text.parse::<Quota>().expect("a quota");
    let layer = RateLimitLayer::builder("burst", quota("2/1s"))
        .and("hourly", quota("5/1h"))
        .clock(clock.clone())
        .build()
        .expect("valid");
    let first = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(
        first.header("ratelimit-policy"),
        Some("\"burst\";q=2;w=1, \"hourly\";q=5;w=3600")
    );
    assert_eq!(
        first.header("ratelimit"),
        Some("\"burst\";r=1, \"hourly\";r=4")
    );
    from(&layer, "192.0.2.1:1", &[]).await;
    // The burst refuses, ten times, and the hour is not charged for it.
    for _ in 0..10 {
        let refused = from(&layer, "192.0.2.1:1", &[]).await;
        assert_eq!(refused.header("ratelimit"), Some("\"burst\";r=0;t=1"));
        assert_eq!(
            refused.json()["violated-policies"],
            serde_json::json!(["burst"])
        );
    }
    clock.advance(Duration::from_secs(1));
    let third = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(
        third.header("ratelimit"),
        Some("\"burst\";r=1, \"hourly\";r=2")
    );
    for _ in 0..2 {
        clock.advance(Duration::from_secs(1));
        from(&layer, "192.0.2.1:1", &[]).await;
    }
    clock.advance(Duration::from_secs(1));
    let refused = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(refused.header("ratelimit"), Some("\"hourly\";r=0;t=716"));
    assert_eq!(refused.header("retry-after"), Some("716"));
    // Waiting that long is long enough, and not a second too long.
    clock.advance(Duration::from_secs(715));
    assert_eq!(
        from(&layer, "192.0.2.1:1", &[]).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        from(&layer, "192.0.2.1:1", &[]).await.status(),
        StatusCode::OK
    );
}

#[test]
fn threads_that_race_for_two_windows_lose_no_request() {
    let clock = clock();
    let limiter = RateLimitLayer::builder("short", "50/1s".parse().expect("a quota"))
        .and("long", "120/1h".parse().expect("a quota"))
        .clock(clock.clone())
        .build()
        .expect("valid")
        .limiter();
    let race = || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..64)
                .map(|_| scope.spawn(|| (0..20).filter(|_| check(&limiter).is_ok()).count()))
                .collect();
            let each = threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"));
            each.sum::<usize>()
        })
    };
    for expected in [50, 50, 20, 0] {
        assert_eq!(race(), expected);
        clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn without_an_address_nobody_passes() {
    let inner = Hello::default();
    let layer = RateLimitLayer::builder("api", "5/1h".parse().expect("a quota"))
        .build()
        .expect("valid");
    let request = http::Request::new(Body::default());
    let answer = call(layer.layer(inner.clone()), request).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        (answer.code().as_str(), inner.calls()),
        ("misconfigured", 0)
    );
}

#[tokio::test]
async fn subjects_are_counted_wherever_they_come_from() {
    let layer = RateLimitLayer::builder("user", "1/1h".parse().expect("a quota"))
        .key(Key::Subject)
        .build()
        .expect("valid");
    let as_user = |peer: &str, user: &str| {
        let mut request = request("GET", "/", &[]);
        request
            .extensions_mut()
            .insert(PeerAddr(peer.parse().expect("an address")));
        request
            .extensions_mut()
            .insert(Principal::builder(user).build());
        call(layer.layer(Hello::default()), request)
    };
    assert_eq!(as_user("192.0.2.1:1", "ann").await.status(), StatusCode::OK);
    assert_eq!(
        as_user("192.0.2.2:1", "ann").await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(as_user("192.0.2.1:1", "bob").await.status(), StatusCode::OK);
}

#[test]
fn limits_that_could_not_work_are_refused_with_their_form() {
    for bad in [
        "",
        "5",
        "5/",
        "/5m",
        "x/1m",
        "5/1y",
        "5/m",
        "+5/1m",
        "5/0s",
        "0/1m",
        "5/32d",
        "4294967295/1s",
        "5/-1m",
    ] {
        assert!(bad.parse::<Quota>().is_err(), "{bad}");
    }
    for good in ["5/15m", "300/1m", "1/1d", "10/90s"] {
        assert_eq!(good.parse::<Quota>().expect(good).to_string(), good);
    }
    let quota = "5/15m".parse().expect("a quota");
    let problems = RateLimitLayer::builder("a b\"", quota)
        .capacity(1)
        .build()
        .expect_err("both are wrong")
        .into_problems();
    assert!(matches!(
        problems[..],
        [Problem::Name { .. }, Problem::Capacity { .. }]
    ));
    let problems = RateLimitLayer::builder("a", quota)
        .and("a", quota)
        .and("b", quota)
        .and("c", quota)
        .and("d", quota)
        .build()
        .expect_err("both are wrong")
        .into_problems();
    assert!(matches!(
        problems[..],
        [
            Problem::RepeatedName { .. },
            Problem::Windows { windows: 5 }
        ]
    ));
    let problems = ClientAddrResolver::builder()
        .trusted_proxies(["10.0.0.0/8", "proxy", "0.0.0.0/0"])
        .build();
    assert_eq!(problems.expect_err("two are wrong").iter().count(), 2);
}
