//! What is decided, by one body on the memory of a process and on Redis.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::rate_limit::{
    Caller, LimitedKind, OnFailure, Permit, Quota, RateLimitHandle, RateLimitLayer,
    RateLimitLayerBuilder, RateLimiter, RedisLimits,
};
use tower_rampart::secret::Secret;

use crate::services;

/// Where requests are counted, and by which clock.
pub(super) struct Place {
    pub(super) clock: ManualClock,
    shared: Option<RedisLimits>,
}

impl Place {
    pub(super) fn builder(&self, quota: &str) -> RateLimitLayerBuilder {
        let quota: Quota = quota.parse().expect("a quota");
        let builder = RateLimitLayer::builder("test", quota).clock(self.clock.clone());
        match &self.shared {
            Some(shared) => builder.redis(shared, OnFailure::Refuse),
            None => builder.capacity(1024),
        }
    }

    fn limit(&self, quota: &str) -> (RateLimiter, RateLimitHandle) {
        let layer = self.builder(quota).build().expect("valid");
        (layer.limiter(), layer.handle())
    }
}

fn clock() -> ManualClock {
    ManualClock::at(UnixSeconds::new(1_800_000_000))
}

/// Connects to the Redis of the tests, under a prefix of one's own.
pub(super) async fn shared(clock: &ManualClock) -> Option<RedisLimits> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let redis = services::redis()?;
    let prefix = format!("limits-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let shared = RedisLimits::builder(redis.redis_url(), &Secret::random(32))
        .prefix(prefix)
        .clock(clock.clone())
        .deadline(Duration::from_secs(2))
        .connect()
        .await
        .expect("a URL");
    assert!(shared.is_connected());
    Some(shared)
}

/// Runs a body on memory, then on Redis.
macro_rules! on_both {
    ($place:ident => $body:block) => {
        let mut places = vec![Place { clock: clock(), shared: None }];
        let clock = clock();
        match shared(&clock).await {
            Some(shared) => places.push(Place { clock, shared: Some(shared) }),
            None => crate::services::skipped("redis"),
        }
        for $place in places $body
    };
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn cost(cost: u32) -> NonZeroU32 {
    NonZeroU32::new(cost).expect("positive")
}

async fn left(handle: &RateLimitHandle) -> u32 {
    let each = handle.peek(&Caller::text(b"a")).await.expect("an answer");
    each[0].1
}

/// The figures of Boulder's `gcra_test`: a burst of 10, one a second.
#[tokio::test]
async fn the_table_of_boulder() {
    on_both!(place => {
        let (limiter, handle) = place.limit("10/10s");
        let spend = async |count: u32| match limiter.check_cost(b"a", cost(count)).await {
            Ok(allowed) => (true, allowed.remaining(), 0.0),
            Err(limited) => (false, left(&handle).await, limited.wait().as_secs_f64()),
        };
        assert_eq!(spend(1).await, (true, 9, 0.0));
        assert_eq!(spend(9).await, (true, 0, 0.0));
        assert_eq!(spend(1).await, (false, 0, 1.0));
        place.clock.advance(secs(1.0));
        assert_eq!(spend(1).await, (true, 0, 0.0));
        place.clock.advance(secs(10.0));
        assert_eq!(spend(1).await, (true, 9, 0.0));
        place.clock.advance(secs(0.999));
        assert_eq!(left(&handle).await, 9);
        place.clock.advance(secs(0.001) + Duration::from_secs(20 * 3_600));
        assert_eq!(left(&handle).await, 10);
        assert_eq!(spend(10).await, (true, 0, 0.0));
        assert_eq!(left(&handle).await, 0);
        assert_eq!(spend(1).await, (false, 0, 1.0));
        place.clock.advance(secs(1.0));
        assert_eq!(spend(1).await, (true, 0, 0.0));
        place.clock.advance(secs(5.0));
        assert_eq!(spend(7).await, (false, 5, 2.0));
    });
}

#[tokio::test]
async fn what_is_given_back_was_not_used() {
    on_both!(place => {
        let (limiter, handle) = place.limit("10/10s");
        let reserve = async || limiter.reserve(b"a").await.expect("allowed");
        let mut permits: Vec<Permit> = Vec::new();
        for _ in 0..5 {
            permits.push(reserve().await);
        }
        assert_eq!(left(&handle).await, 5);
        permits.pop().expect("one of five").refund().await;
        place.clock.advance(secs(2.5));
        // 8.5
        assert_eq!(left(&handle).await, 8);
        // Two more, but nothing above the whole quota.
        for _ in 0..2 {
            permits.pop().expect("one of four").refund().await;
        }
        assert_eq!(left(&handle).await, 10);
        // What has drained already is not given back a second time.
        let early = reserve().await;
        place.clock.advance(secs(60.0));
        for _ in 0..10 {
            permits.push(reserve().await);
        }
        early.refund().await;
        assert_eq!(left(&handle).await, 0);
        assert!(limiter.check(b"a").await.is_err());
    });
}

#[tokio::test]
async fn half_an_interval_is_too_early() {
    on_both!(place => {
        let (limiter, _) = place.limit("1/10s");
        limiter.check(b"a").await.expect("the first");
        place.clock.advance(secs(5.0));
        let limited = limiter.check(b"a").await.expect_err("too early");
        assert_eq!(limited.wait(), secs(5.0));
        place.clock.advance(secs(4.999_999));
        limiter.check(b"a").await.expect_err("too early");
        place.clock.advance(secs(0.000_001));
        limiter.check(b"a").await.expect("on time");
    });
}

#[tokio::test]
async fn what_costs_more_than_the_limit_is_told_so_and_charged_nothing() {
    on_both!(place => {
        let (limiter, handle) = place.limit("10/10s");
        let limited = limiter.check_cost(b"a", cost(11)).await.expect_err("too much");
        assert_eq!(limited.kind(), LimitedKind::TooCostly);
        assert_eq!(limited.wait(), Duration::ZERO);
        let rejection = format!("{:?}", limited.into_rejection());
        assert!(rejection.contains("too-costly"), "{rejection}");
        // Nor do costs whose price is beyond all numbers.
        for absurd in [u32::MAX, 3_074_457_347, 614_891_471, 1 << 31] {
            let (monthly, _) = place.limit("10/1m");
            let limited = monthly.check_cost(b"b", cost(absurd)).await;
            assert_eq!(limited.expect_err("too much").kind(), LimitedKind::TooCostly);
        }
        assert_eq!(left(&handle).await, 10);
        limiter.check_cost(b"a", cost(10)).await.expect("all of it");
    });
}

#[tokio::test]
async fn a_strict_limit_holds_in_every_window() {
    on_both!(place => {
        let (limiter, handle) = place.limit("4/10s,strict");
        place.clock.advance(secs(8.0));
        for _ in 0..4 {
            limiter.check(b"a").await.expect("a burst");
        }
        // A window of its own begins at 10 s, but nothing is forgotten there.
        place.clock.advance(secs(9.9));
        let limited = limiter.check(b"a").await.expect_err("the burst is not a period old");
        assert!(limited.wait() <= secs(0.102), "{limited:?}");
        place.clock.advance(secs(0.102));
        assert_eq!(left(&handle).await, 4);
        let permit = limiter.reserve(b"a").await.expect("a period later");
        assert_eq!(left(&handle).await, 3);
        permit.refund().await;
        assert_eq!(left(&handle).await, 4);
        limiter.check_cost(b"a", cost(5)).await.expect_err("never");
    });
}

#[tokio::test]
async fn over_a_minute_no_more_than_the_rate() {
    on_both!(place => {
        for quota in ["300/1s", "1500/1s", "3/10s"] {
            let (limiter, _) = place.limit(quota);
            let each: Quota = quota.parse().expect("a quota");
            let burst = u64::from(each.count().get());
            let rate = burst * 60 / each.period().as_secs();
            let mut admitted = 0;
            // A tenth of the burst at once is enough to use everything.
            let batch = cost(u32::try_from(burst / 10).expect("small").max(1));
            for _ in 0..=6_000 {
                while limiter.check_cost(quota.as_bytes(), batch).await.is_ok() {
                    admitted += u64::from(batch.get());
                }
                place.clock.advance(Duration::from_millis(10));
            }
            let lost = u64::from(batch.get()) + 1;
            assert!(
                (rate + burst - lost..=rate + burst).contains(&admitted),
                "{quota}: {admitted} of {}",
                rate + burst
            );
        }
    });
}

#[tokio::test]
async fn several_windows_or_none() {
    on_both!(place => {
        let layer = place.builder("1/1s").and("long", "2/1m".parse().expect("a quota"));
        let layer = layer.build().expect("valid");
        let (limiter, handle) = (layer.limiter(), layer.handle());
        limiter.check(b"a").await.expect("the first");
        for _ in 0..5 {
            let limited = limiter.check(b"a").await.expect_err("the short one");
            assert_eq!(limited.violated().collect::<Vec<_>>(), ["test"]);
        }
        let each = handle.peek(&Caller::text(b"a")).await.expect("an answer");
        assert_eq!(each, [("test".to_owned(), 0), ("long".to_owned(), 1)]);
        place.clock.advance(secs(1.0));
        limiter.check(b"a").await.expect("the second");
        place.clock.advance(secs(1.0));
        let limited = limiter.check(b"a").await.expect_err("the long one");
        assert_eq!(limited.violated().collect::<Vec<_>>(), ["long"]);
    });
}

#[tokio::test]
async fn a_limit_is_changed_while_it_works() {
    on_both!(place => {
        let (limiter, handle) = place.limit("100/1m");
        let reload = |quota: &str| {
            let quota: Quota = quota.parse().expect("a quota");
            handle.reload([("test", quota)]).expect("valid");
        };
        for _ in 0..5 {
            limiter.check(b"a").await.expect("allowed");
        }
        // 5 of 100 are 3 s, and so are half a token of 10.
        reload("10/1m");
        assert_eq!(left(&handle).await, 9);
        for _ in 0..9 {
            limiter.check(b"a").await.expect("allowed");
        }
        let limited = limiter.check(b"a").await.expect_err("used up");
        assert!(limited.wait() <= secs(6.0), "{limited:?}");
        reload("100/1m");
        place.clock.advance(secs(6.0));
        limiter.check(b"a").await.expect("allowed");
        // A debt of the old quota keeps nobody out for longer than the new one.
        reload("1000/100m");
        limiter.check_cost(b"b", cost(1_000)).await.expect("all of it");
        reload("10/1m");
        let limited = limiter.check(b"b").await.expect_err("used up");
        assert_eq!(limited.wait(), secs(6.0));
        place.clock.advance(secs(6.0));
        limiter.check(b"b").await.expect("what was told is true");
        // A limit that becomes strict, and back, begins anew and confuses nobody.
        for quota in ["10/1m,strict", "10/2m,strict", "10/1m"] {
            reload(quota);
            for _ in 0..2 {
                let permit = limiter.reserve(b"c").await;
                let permit = permit.unwrap_or_else(|limited| panic!("{quota}: {limited}"));
                permit.refund().await;
            }
        }
        // Nothing changes if something is wrong.
        let quota: Quota = "1/1s".parse().expect("a quota");
        let problems = handle.reload([("x y", quota), ("x y", quota), ("", quota)]);
        assert_eq!(problems.expect_err("three names").iter().count(), 3);
        handle.reload::<&str>([]).expect_err("no window");
        assert_eq!(limiter.quota().to_string(), "10/1m");
    });
}

#[tokio::test]
async fn callers_are_reset_and_banned_by_hand() {
    on_both!(place => {
        let (limiter, handle) = place.limit("2/1h");
        let caller = Caller::text(b"a");
        for _ in 0..2 {
            limiter.check(b"a").await.expect("allowed");
        }
        limiter.check(b"a").await.expect_err("used up");
        handle.reset(&caller).await;
        limiter.check(b"a").await.expect("a whole quota again");

        handle.ban(&caller, Duration::from_secs(600)).await;
        let limited = limiter.check(b"a").await.expect_err("banned");
        assert_eq!(limited.kind(), LimitedKind::Banned);
        assert!(limited.wait() > Duration::from_secs(590));
        limiter.check(b"b").await.expect("somebody else");
        handle.unban(&caller).await;
        limiter.check(b"a").await.expect("let in again");
        let stats = handle.stats();
        assert_eq!((stats.allowed, stats.limited, stats.banned), (5, 1, 1));
    });
}

#[tokio::test]
async fn waiting_is_exactly_enough() {
    on_both!(place => {
        let mut seed = 7_u32;
        let mut random = move |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for round in 0..200 {
            let quota = format!("{}/{}s", 1 + random(20), 1 + random(300));
            let (limiter, _) = place.limit(&quota);
            let key = format!("{round}");
            let most = limiter.quota().count().get();
            for _ in 0..random(30) {
                let _ = limiter.check_cost(key.as_bytes(), cost(1 + random(most))).await;
                place.clock.advance(Duration::from_micros(random(5_000_000).into()));
            }
            let price = cost(1 + random(most));
            let Err(limited) = limiter.check_cost(key.as_bytes(), price).await else {
                continue;
            };
            let micro = Duration::from_micros(1);
            // In whole microseconds, which is what Redis has.
            let wait = limited.wait();
            let micros = u64::try_from(wait.as_nanos().div_ceil(1_000)).expect("short");
            place.clock.advance(Duration::from_micros(micros) - micro);
            let early = limiter.check_cost(key.as_bytes(), price).await;
            assert!(early.is_err(), "{quota}: {wait:?} less 1 us is enough");
            place.clock.advance(micro);
            let on_time = limiter.check_cost(key.as_bytes(), price).await;
            on_time.unwrap_or_else(|limited| panic!("{quota}: {wait:?} is not enough: {limited}"));
        }
    });
}
