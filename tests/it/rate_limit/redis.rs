//! Counters in Redis: together with others, and without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::AsyncCommands as _;
use http::{HeaderMap, StatusCode};
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::identity::ClientAddr;
use tower_rampart::rate_limit::{
    Caller, LimitedKind, LoginGuard, OnFailure, Quota, RateLimitHandle, RateLimitLayer,
    RateLimiter, RedisLimits, RedisLimitsError,
};
use tower_rampart::secret::Secret;

use super::from;
use crate::services::{Service, skipped};

/// What several processes have in common.
struct Together {
    redis: Service,
    secret: Secret,
}

impl Together {
    fn new() -> Option<Self> {
        let Some(redis) = Service::redis() else {
            skipped("redis");
            return None;
        };
        let secret = Secret::random(48);
        Some(Self { redis, secret })
    }

    /// The connection of one process, by the clock of the server.
    async fn process(&self) -> RedisLimits {
        let limits = RedisLimits::builder(self.redis.redis_url(), &self.secret).processes(3);
        // A busy machine is no outage.
        let limits = limits.deadline(Duration::from_secs(2));
        limits.connect().await.expect("a URL")
    }

    async fn connection(&self) -> ::redis::aio::MultiplexedConnection {
        let client = ::redis::Client::open(self.redis.redis_url()).expect("a URL");
        client
            .get_multiplexed_async_connection()
            .await
            .expect("a connection")
    }
}

fn layer(limits: &RedisLimits, quota: &str, on_failure: OnFailure) -> RateLimitLayer {
    let quota: Quota = quota.parse().expect("a quota");
    let layer = RateLimitLayer::builder("api", quota).redis(limits, on_failure);
    layer.build().expect("valid")
}

fn limit(
    limits: &RedisLimits,
    quota: &str,
    on_failure: OnFailure,
) -> (RateLimiter, RateLimitHandle) {
    let layer = layer(limits, quota, on_failure);
    (layer.limiter(), layer.handle())
}

async fn admitted(limiter: &RateLimiter, key: &[u8], times: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..times {
        admitted += usize::from(limiter.check(key).await.is_ok());
    }
    admitted
}

/// Waits until something is so, for at most ten seconds.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within ten seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_admit_what_one_would() {
    let Some(together) = Together::new() else {
        return;
    };
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let limits = together.process().await;
        let (limiter, _) = limit(&limits, "100/1h", OnFailure::Refuse);
        for _ in 0..4 {
            let limiter = limiter.clone();
            tasks.push(tokio::spawn(
                async move { admitted(&limiter, b"a", 50).await },
            ));
        }
    }
    let mut all = 0;
    for task in tasks {
        all += task.await.expect("no panic");
    }
    // Leases that nobody spent are lost, a quarter of a third for each process.
    assert!((50..=100).contains(&all), "{all}");
}

#[tokio::test]
async fn what_is_refused_anyway_is_not_asked() {
    let Some(together) = Together::new() else {
        return;
    };
    let limits = together.process().await;
    let (limiter, handle) = limit(&limits, "5/1h", OnFailure::Refuse);
    assert_eq!(admitted(&limiter, b"a", 5).await, 5);
    let before = limits.calls();
    assert_eq!(admitted(&limiter, b"a", 20_000).await, 0);
    let calls = limits.calls() - before;
    // Once a second; this takes less than ten.
    assert!((1..=10).contains(&calls), "{calls}");
    // Another process lifts it, and that is seen within a second.
    let other = together.process().await;
    let (_, operator) = limit(&other, "5/1h", OnFailure::Refuse);
    operator.reset(&Caller::text(b"a")).await;
    until(async || limiter.check(b"a").await.is_ok()).await;
    assert!(handle.stats().limited >= 20_000);
}

#[tokio::test]
async fn who_asks_often_is_granted_ahead() {
    let Some(together) = Together::new() else {
        return;
    };
    let limits = together.process().await;
    let (limiter, handle) = limit(&limits, "3000/1h", OnFailure::Refuse);
    assert_eq!(admitted(&limiter, b"a", 2_500).await, 2_500);
    // The size doubles up to a quarter of a third, 250; on a machine that stalls
    // for longer than leases last, a few begin anew.
    assert!(limits.calls() <= 125, "{} calls", limits.calls());
    let rest = admitted(&limiter, b"a", 2_500).await;
    let spare = usize::try_from(handle.peek(&Caller::text(b"a")).await.expect("an answer")[0].1);
    assert!(
        (499..=503).contains(&(rest + spare.expect("small"))),
        "{rest}"
    );
    // A caller who asks now and then is granted nothing ahead.
    let before = limits.calls();
    for key in 0..50_u32 {
        assert_eq!(admitted(&limiter, &key.to_be_bytes(), 1).await, 1);
    }
    assert_eq!(limits.calls() - before, 50);
}

#[tokio::test]
async fn what_was_granted_ahead_is_not_spent_later() {
    let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
    let Some(limits) = super::decisions::shared(&clock).await else {
        skipped("redis");
        return;
    };
    let quota = "3600/1h".parse().expect("a quota");
    let layer = RateLimitLayer::builder("api", quota)
        .clock(clock.clone())
        .redis(&limits, OnFailure::Refuse);
    let limiter = layer.build().expect("valid").limiter();
    // Some is left of a lease, whatever its size.
    admitted(&limiter, b"a", 400).await;
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(admitted(&limiter, b"a", 5_000).await, 3_600);
    // Many at once, each of which finds nothing granted.
    clock.advance(Duration::from_secs(3_600));
    let tasks: Vec<_> = (0..60)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { admitted(&limiter, b"a", 100).await })
        })
        .collect();
    let mut all = 0;
    for task in tasks {
        all += task.await.expect("no panic");
    }
    assert!(all <= 3_600, "{all}");
    // What is dropped before it is answered asks for nothing ahead.
    clock.advance(Duration::from_secs(3_600));
    for _ in 0..100 {
        let mut asked = Box::pin(limiter.check(b"a"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = asked.as_mut().poll(&mut context);
        // The question is on its way.
        tokio::task::yield_now().await;
        drop(asked);
    }
    let rest = admitted(&limiter, b"a", 5_000).await;
    assert!(rest >= 3_600 - 200, "{rest}");
}

#[tokio::test]
async fn networks_are_counted_by_the_ladder_here_too() {
    let Some(together) = Together::new() else {
        return;
    };
    let limits = together.process().await;
    let layer = layer(&limits, "2/1h", OnFailure::Refuse);
    let mut admitted = 0;
    for network in 0..300 {
        let peer = format!("[2001:db8:3:{network:x}::1]:1");
        admitted += usize::from(from(&layer, &peer, &[]).await.status() == StatusCode::OK);
    }
    // 256 networks are of one /56, all of one /48.
    assert_eq!(admitted, 16);
    let other = from(&layer, "[2001:db8:4:1::1]:1", &[]).await;
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_ban_that_the_server_never_heard_of_holds_here() {
    let Some(mut together) = Together::new() else {
        return;
    };
    let limits = together.process().await;
    let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
    let layer = RateLimitLayer::builder("api", "5/1h".parse().expect("a quota"))
        .clock(clock.clone())
        .redis(&limits, OnFailure::Local);
    let layer = layer.build().expect("valid");
    let (limiter, handle) = (layer.limiter(), layer.handle());
    together.redis.kill();
    let caller = Caller::text(b"a");
    handle.ban(&caller, Duration::MAX).await;
    together.redis.start_again();
    until(async || limits.is_connected()).await;
    // Longer than what others say is believed.
    clock.advance(Duration::from_millis(1_100));
    let banned = limiter.check(b"a").await.expect_err("banned");
    assert_eq!(banned.kind(), LimitedKind::Banned);
}

#[tokio::test]
async fn who_was_banned_by_others_stays_so_while_nobody_can_be_asked() {
    let Some(together) = Together::new() else {
        return;
    };
    let other = together.process().await;
    let (url, silence) = through_a_proxy(together.redis.port).await;
    let one = RedisLimits::builder(url, &together.secret).connect();
    let one = one.await.expect("a URL");
    until(async || one.is_connected()).await;
    let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
    let layer = RateLimitLayer::builder("api", "5/1h".parse().expect("a quota"))
        .clock(clock.clone())
        .redis(&one, OnFailure::Local);
    let layer = layer.build().expect("valid");
    let (limiter, handle) = (layer.limiter(), layer.handle());
    let (_, operator) = limit(&other, "5/1h", OnFailure::Local);
    let (caller, released) = (Caller::text(b"a"), Caller::text(b"b"));
    for caller in [&caller, &released] {
        assert!(operator.ban(caller, Duration::from_secs(600)).await);
    }
    assert!(limiter.check(b"a").await.is_err());
    assert!(limiter.check(b"b").await.is_err());
    // The end of one is heard of, and is not forgotten either.
    assert!(operator.unban(&released).await);
    clock.advance(Duration::from_millis(1_100));
    assert!(limiter.check(b"b").await.is_ok());
    silence.send(true).expect("somebody listens");
    let banned = limiter.check(b"a").await.expect_err("banned");
    assert_eq!(banned.kind(), LimitedKind::Banned);
    assert!(limiter.check(b"b").await.is_ok());
    assert!(!handle.unban(&caller).await, "nobody has heard of it");
}

#[tokio::test]
async fn a_ban_is_of_one_limit_and_ends_for_all() {
    let Some(together) = Together::new() else {
        return;
    };
    let (one, other) = (together.process().await, together.process().await);
    let named = |limits: &RedisLimits, name: &str| {
        let quota = "5/1h".parse().expect("a quota");
        let layer = RateLimitLayer::builder(name, quota).redis(limits, OnFailure::Refuse);
        layer.build().expect("valid")
    };
    let (search, api) = (named(&one, "search"), named(&one, "api"));
    let caller = Caller::text(b"a");
    search.handle().ban(&caller, Duration::from_secs(600)).await;
    assert!(search.limiter().check(b"a").await.is_err());
    assert!(api.limiter().check(b"a").await.is_ok());
    // Another process ends it, and the one that banned hears of it.
    named(&other, "search").handle().unban(&caller).await;
    until(async || search.limiter().check(b"a").await.is_ok()).await;
}

#[tokio::test]
async fn a_ban_holds_in_every_process() {
    let Some(together) = Together::new() else {
        return;
    };
    let (one, other) = (together.process().await, together.process().await);
    let (limiter, _) = limit(&one, "5/1h", OnFailure::Refuse);
    let (_, operator) = limit(&other, "5/1h", OnFailure::Refuse);
    let caller = Caller::text(b"a");
    operator.ban(&caller, Duration::from_secs(600)).await;
    let banned = limiter.check(b"a").await.expect_err("banned");
    assert_eq!(banned.kind(), LimitedKind::Banned);
    assert!(banned.wait() > Duration::from_secs(590), "{banned:?}");
    operator.unban(&caller).await;
    until(async || limiter.check(b"a").await.is_ok()).await;
}

#[tokio::test]
async fn counters_lie_together_hide_their_keys_and_expire() {
    let Some(together) = Together::new() else {
        return;
    };
    let limits = together.process().await;
    let layer = layer(&limits, "2/1h", OnFailure::Refuse);
    for peer in ["192.0.2.1:1", "[2001:db8::1]:1"] {
        assert_eq!(from(&layer, peer, &[]).await.status(), StatusCode::OK);
    }
    let mut connection = together.connection().await;
    let keys: Vec<String> = connection.keys("*").await.expect("keys");
    let (probes, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key == "rampart:probe");
    assert!(probes.len() <= 1);
    assert_eq!(keys.len(), 1 + 3, "{keys:?}");
    let mut slots: Vec<&str> = keys
        .iter()
        .map(|key| &key[..key.find('}').expect("a hash tag")])
        .collect();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), 2, "{keys:?}");
    let form = "rampart:{0123456789abcdef0123456789abcdef}:count:".len() + 32;
    let mut lefts = Vec::new();
    for key in &keys {
        assert!(key.starts_with("rampart:{") && key.len() == form, "{key}");
        lefts.push(connection.pttl::<_, i64>(key).await.expect("an expiry"));
    }
    lefts.sort_unstable();
    // Until nothing is owed: half the hour, or less where more is allowed.
    for (left, owed) in lefts.iter().zip([112_500, 450_000, 1_800_000, 1_800_000]) {
        assert!((owed - 60_000..=owed + 1).contains(left), "{lefts:?}");
    }
    // With another secret, nothing is known.
    let stranger = RedisLimits::builder(together.redis.redis_url(), &Secret::random(48));
    let stranger = stranger.connect().await.expect("a URL");
    assert_eq!(
        admitted(&limit(&stranger, "2/1h", OnFailure::Refuse).0, b"a", 5).await,
        2
    );
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let Some(together) = Together::new() else {
        return;
    };
    let limits = together.process().await;
    let (limiter, handle) = limit(&limits, "100/1h", OnFailure::Refuse);
    let mut connection = together.connection().await;
    for key in 0..20_u32 {
        let _: () = ::redis::cmd("SCRIPT")
            .arg("FLUSH")
            .query_async(&mut connection)
            .await
            .expect("flushed");
        let permit = limiter.reserve(&key.to_be_bytes()).await.expect("allowed");
        permit.refund().await;
    }
    assert_eq!(handle.stats().unavailable, 0);
    assert!(limits.is_connected());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_costs_no_request() {
    let Some(mut together) = Together::new() else {
        return;
    };
    let limits = together.process().await;
    let layer = layer(&limits, "30/1h", OnFailure::Local);
    assert_eq!(
        from(&layer, "192.0.2.1:1", &[]).await.header("ratelimit"),
        Some("\"api\";r=29")
    );
    let (stop, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (layer, stop, answered) = (layer.clone(), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                while stop.load(Ordering::SeqCst) == 0 {
                    let answer = from(&layer, "192.0.2.7:1", &[]).await;
                    let fine =
                        [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS].contains(&answer.status());
                    assert!(fine, "{answer:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    until(async || answered.load(Ordering::SeqCst) > 100).await;
    together.redis.kill();
    until(async || !limits.is_connected()).await;
    // Alone, a process allows a third, to whom it knows nothing of.
    let mut alone = Vec::new();
    for _ in 0..15 {
        alone.push(from(&layer, "192.0.2.2:1", &[]).await);
    }
    let allowed = alone
        .iter()
        .filter(|answer| answer.status() == StatusCode::OK);
    assert_eq!(allowed.count(), 10);
    assert!(alone.iter().all(|answer| answer.status() != StatusCode::OK || answer.header("ratelimit").is_none()));
    let stats = layer.handle().stats();
    assert!(
        stats.degraded >= 10 && stats.connected == Some(false),
        "{stats:?}"
    );
    together.redis.start_again();
    until(async || limits.is_connected()).await;
    // What was counted before the crash is known again.
    assert_eq!(
        from(&layer, "192.0.2.1:1", &[]).await.header("ratelimit"),
        Some("\"api\";r=28")
    );
    stop.store(1, Ordering::SeqCst);
    for task in load {
        task.await.expect("no request failed");
    }
}

#[tokio::test]
async fn what_was_counted_alone_is_given_back_alone() {
    let limits = RedisLimits::builder("redis://127.0.0.1:1/", &Secret::random(48)).processes(3);
    let limits = limits.connect().await.expect("a URL");
    let (limiter, _) = limit(&limits, "30/1h", OnFailure::Local);
    for _ in 0..50 {
        limiter.reserve(b"a").await.expect("allowed").refund().await;
    }
    assert_eq!(admitted(&limiter, b"a", 50).await, 10);
}

#[tokio::test]
async fn without_the_server_each_setting_does_what_it_says() {
    let limits = RedisLimits::builder("redis://127.0.0.1:1/", &Secret::random(48));
    let limits = limits.connect().await.expect("a URL");
    let (limiter, _) = limit(&limits, "2/1h", OnFailure::Refuse);
    let refused = limiter.check(b"a").await.expect_err("nobody counts");
    assert_eq!(refused.kind(), LimitedKind::Unavailable);
    let layer = layer(&limits, "2/1h", OnFailure::Refuse);
    let answer = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        answer.json()["type"],
        "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
    );
    let (limiter, handle) = limit(&limits, "2/1h", OnFailure::DangerousAllow);
    assert_eq!(admitted(&limiter, b"a", 10).await, 10);
    assert_eq!(handle.stats().unchecked, 10);
    let guard = LoginGuard::builder("login")
        .account("5/15m".parse().expect("a quota"))
        .redis(&limits, OnFailure::DangerousAllow)
        .build()
        .expect("valid");
    let address = ClientAddr::new(([192, 0, 2, 1]).into());
    let refused = guard.attempt(address, "ann", &HeaderMap::new()).await;
    assert_eq!(
        refused.expect_err("never uncounted").kind(),
        LimitedKind::Unavailable
    );
    let url = "redis://127.0.0.1:1/";
    let none = RedisLimits::builder(url, &Secret::random(48)).processes(0);
    assert!(matches!(
        none.connect().await,
        Err(RedisLimitsError::Processes)
    ));
    let hasty = RedisLimits::builder(url, &Secret::random(48)).deadline(Duration::ZERO);
    assert!(matches!(
        hasty.connect().await,
        Err(RedisLimitsError::Deadline)
    ));
    for url in ["http://127.0.0.1", "redis://", "localhost:99999"] {
        let wrong = RedisLimits::builder(url, &Secret::random(48))
            .connect()
            .await;
        assert!(wrong.is_err(), "{url}");
    }
}

/// Passes everything on to a server until it is told to be silent.
async fn through_a_proxy(redis: u16) -> (String, tokio::sync::watch::Sender<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (silence, silent) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut silent = silent.clone();
            tokio::spawn(async move {
                let server = tokio::net::TcpStream::connect(("127.0.0.1", redis)).await;
                let mut server = server.expect("a connection");
                let mut heard = silent.clone();
                let until_silent = async move { drop(heard.wait_for(|silent| *silent).await) };
                tokio::select! {
                    biased;
                    () = until_silent => {}
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                }
                // Held open, and never answered.
                drop(silent.wait_for(|silent| !silent).await);
            });
        }
    });
    (format!("redis://127.0.0.1:{port}/"), silence)
}

#[tokio::test]
async fn a_server_that_is_silent_is_soon_left_alone() {
    let Some(together) = Together::new() else {
        return;
    };
    let (url, silence) = through_a_proxy(together.redis.port).await;
    let limits = RedisLimits::builder(url, &together.secret).processes(3);
    let limits = limits.connect().await.expect("a URL");
    let (limiter, _) = limit(&limits, "30/1h", OnFailure::Local);
    until(async || limits.is_connected()).await;
    limiter.check(b"a").await.expect("allowed");
    silence.send(true).expect("somebody listens");
    let before = limits.calls();
    // Each of these waits for the deadline and no longer; then none does.
    assert_eq!(admitted(&limiter, b"b", 100).await, 10);
    assert!(!limits.is_connected());
    let calls = limits.calls() - before;
    assert!((1..=5).contains(&calls), "{calls}");
    silence.send(false).expect("somebody listens");
    until(async || limits.is_connected()).await;
}
