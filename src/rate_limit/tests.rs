//! The table behind the limiter, and one decision.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::quota::Quota;
use super::rate::{Rate, Ruling, State};
use super::store::{BoundedStore, Memory, Slot};

fn owe(store: &BoundedStore, key: Slot, arrival: u64) -> Option<u64> {
    let outcome: Result<Option<u64>, ()> =
        store.decide(|| 0, &[key], |_, states| Ok(states[0][0].replace(arrival)));
    outcome.expect("the closure does not fail")
}

/// Spreads numbers over all bits, as hashing does.
fn key(number: u64) -> Slot {
    let mut state = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^= state >> 31;
        state
    };
    let key = u128::from(next()) << 64 | u128::from(next());
    let halves = false;
    Slot { key, halves }
}

#[test]
fn what_a_key_owes_is_kept_until_it_is_forgotten() {
    let store = BoundedStore::new(1024, Memory::Forgetful);
    assert_eq!(owe(&store, key(1), 7), None);
    assert_eq!(owe(&store, key(1), 9), Some(7));
    store.write(0, key(1), State::default());
    assert_eq!(owe(&store, key(1), 1), None);
}

#[test]
fn a_flood_of_new_keys_does_not_free_the_one_that_owes_most() {
    let store = BoundedStore::new(1024, Memory::Forgetful);
    owe(&store, key(0), 1_000_000);
    for number in 1..100_000 {
        owe(&store, key(number), 1_000);
    }
    assert_eq!(owe(&store, key(0), 1_000_001), Some(1_000_000));
    assert!(store.evictions() > 90_000);
}

#[test]
fn a_flood_of_those_who_owe_more_frees_nobody_from_a_strict_memory() {
    let store = BoundedStore::new(1024, Memory::Strict);
    owe(&store, key(0), 1_000);
    for number in 1..100_000 {
        owe(&store, key(number), 1_000_000);
    }
    assert!(owe(&store, key(0), 0).is_some_and(|owed| owed >= 1_000));
    // Without it, the debt is gone.
    let store = BoundedStore::new(1024, Memory::Forgetful);
    owe(&store, key(0), 1_000);
    for number in 1..100_000 {
        owe(&store, key(number), 1_000_000);
    }
    assert_eq!(owe(&store, key(0), 0), None);
}

#[test]
fn a_refusal_writes_nothing() {
    let store = BoundedStore::new(1024, Memory::Forgetful);
    owe(&store, key(1), 7);
    for keys in [&[key(1)][..], &[key(1), key(2)]] {
        let refused: Result<(), &str> = store.decide(
            || 0,
            keys,
            |_, states| {
                states[0][0] = Some(9);
                Err("limited")
            },
        );
        assert!(refused.is_err());
    }
    assert_eq!(owe(&store, key(1), 8), Some(7));
    assert_eq!(owe(&store, key(2), 8), None);
}

#[derive(Clone, Debug)]
enum Step {
    /// Time passes, in eighths of an interval and some nanoseconds.
    Pass(u64, u64),
    Spend(u32),
    Refund(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..40_u64, 0..3_u64).prop_map(|(eighths, nanos)| Step::Pass(eighths, nanos)),
        3 => (1..12_u32).prop_map(Step::Spend),
        1 => (0..8_usize).prop_map(Step::Refund),
    ];
    prop::collection::vec(step, 1..25)
}

/// The same limit as a bucket of tokens, in the exact unit of one nanosecond of
/// refill: nothing is rounded.
struct Bucket {
    capacity: u128,
    each: u128,
    level: u128,
}

impl Bucket {
    fn pass(&mut self, nanos: u64) {
        self.level = (self.level + u128::from(nanos)).min(self.capacity);
    }

    fn spend(&mut self, cost: u32) -> Ruling {
        let price = self.each * u128::from(cost);
        if price > self.capacity {
            return Ruling::Never;
        }
        if price > self.level {
            let missing = u64::try_from(price - self.level).expect("small");
            return Ruling::Wait(Duration::from_nanos(missing));
        }
        self.level -= price;
        let left = u32::try_from(self.level / self.each).expect("small");
        Ruling::Left { left, mark: 0 }
    }
}

proptest! {
    // 100,000 histories.
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_goes_as_with_a_bucket_of_tokens(
        count in 1..50_u32,
        millis in 1..100_000_u64,
        steps in steps(),
    ) {
        let quota = Quota::per(count, Duration::from_millis(millis)).expect("a quota");
        let rate = Rate::new(quota, 1);
        let Rate::Gcra { interval, burst } = rate else {
            unreachable!("the quota is not strict");
        };
        // Rounded up to a nanosecond, and by less than one.
        let exact = quota.period().as_nanos();
        let rounded = u128::from(interval) * u128::from(count);
        prop_assert!(rounded >= exact && rounded < exact + u128::from(count));
        let capacity = u128::from(interval) * u128::from(burst.get());
        let mut bucket = Bucket { capacity, each: interval.into(), level: capacity };
        let (mut now, mut state) = (1_000_u64, State::default());
        for step in steps {
            match step {
                Step::Pass(eighths, nanos) => {
                    let time = interval / 8 * eighths + nanos;
                    now += time;
                    bucket.pass(time);
                }
                Step::Spend(cost) => {
                    let cost = NonZeroU32::new(cost).expect("positive");
                    let ruled = rate.spend(now, cost, &mut state);
                    let expected = bucket.spend(cost.get());
                    match (ruled, expected) {
                        (Ruling::Left { left, .. }, Ruling::Left { left: expected, .. }) => {
                            prop_assert_eq!(left, expected);
                        }
                        (ruled, expected) => prop_assert_eq!(ruled, expected),
                    }
                    prop_assert_eq!(
                        u128::from(rate.peek(now, &state)),
                        bucket.level / bucket.each
                    );
                }
                Step::Refund(_) => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Giving back whatever was counted, whenever, allows no more than if it had
    /// never been counted, and never more than the burst; but for requests that come back
    /// after others did that were counted before them, and late: what one of those has
    /// taken had drained by then, and it brings that once more.
    #[test]
    fn a_refund_mints_nothing(steps in steps(), strict in any::<bool>()) {
        let quota = Quota::per(10, Duration::from_secs(10)).expect("a quota");
        let quota = if strict { quota.strict().expect("strict") } else { quota };
        let rate = Rate::new(quota, 1);
        let one = NonZeroU32::MIN;
        let (mut now, mut state) = (1_u64 << 40, State::default());
        // What was counted and not given back, by time.
        let (mut kept, mut held): (Vec<u64>, Vec<(u64, u64)>) = (Vec::new(), Vec::new());
        let mut late = 0;
        for step in steps {
            match step {
                Step::Pass(eighths, nanos) => now += 125_000_000 * eighths + nanos,
                Step::Spend(times) => for _ in 0..times {
                    if let Ruling::Left { mark, .. } = rate.spend(now, one, &mut state) {
                        held.push((now, mark));
                    }
                },
                Step::Refund(which) if which < held.len() => {
                    let drained = held[..=which].iter().fold(0, |drained: u64, (at, _)| {
                        drained.max(*at) + 1_000_000_000
                    });
                    let (_, mark) = held.remove(which);
                    // When it had drained, had those that came back never been there.
                    late += usize::from(!strict && drained < mark && drained < now + 1_000_000_000);
                    rate.refund(now, one, mark, &mut state);
                }
                Step::Refund(_) => {}
            }
            prop_assert!(rate.peek(now, &state) <= 10);
            kept.clear();
            kept.extend(held.iter().map(|(at, _)| *at));
            // Of those that stand, a period holds at most twice the count less
            // one, or of a strict quota the count.
            let most = if strict { 10 } else { 19 };
            for start in &kept {
                let window = kept.iter().filter(|at| **at >= *start && **at < *start + 10_000_000_000);
                prop_assert!(window.count() <= most + late);
            }
        }
    }

    /// No window of one period holds more than the count, whatever the times.
    #[test]
    fn a_strict_quota_holds_in_every_window(
        count in 1..8_u32,
        pauses in prop::collection::vec(0..2_500_u64, 1..60),
        offset in 0..10_000_u64,
    ) {
        let quota = Quota::per(count, Duration::from_secs(5)).expect("a quota");
        let rate = Rate::new(quota.strict().expect("strict"), 1);
        let mut state = State::default();
        let mut now = offset * 1_000_000;
        let mut admitted: Vec<u64> = Vec::new();
        for pause in pauses {
            now += pause * 1_000_000;
            match rate.spend(now, NonZeroU32::MIN, &mut state) {
                Ruling::Left { .. } => admitted.push(now),
                Ruling::Wait(wait) => {
                    // Waiting is always enough, and never longer than a period
                    // and the rounding of its end.
                    prop_assert!(wait <= Duration::from_secs(5) + Duration::from_nanos(1 << 20));
                    let then = now + u64::try_from(wait.as_nanos()).expect("short");
                    let mut later = state;
                    let granted = rate.spend(then, NonZeroU32::MIN, &mut later);
                    prop_assert!(matches!(granted, Ruling::Left { .. }), "{granted:?}");
                }
                Ruling::Never => prop_assert!(false),
            }
        }
        for start in &admitted {
            let window = admitted.iter().filter(|at| *at >= start && **at < start + 5_000_000_000);
            prop_assert!(window.count() <= usize::try_from(count).expect("small"));
        }
    }
}

#[test]
fn a_strict_quota_is_whole_again_a_period_after_it_was_spent() {
    let quota: Quota = "5/10s,strict".parse().expect("a quota");
    let rate = Rate::new(quota, 1);
    let mut state = State::default();
    for start in [3_000_000_000_u64, 13_100_000_000, 23_200_000_000] {
        for left in (0..5).rev() {
            let ruled = rate.spend(start, NonZeroU32::MIN, &mut state);
            assert!(
                matches!(ruled, Ruling::Left { left: of, .. } if of == left),
                "{ruled:?}"
            );
        }
        let ruled = rate.spend(start, NonZeroU32::MIN, &mut state);
        assert!(matches!(ruled, Ruling::Wait(_)), "{ruled:?}");
    }
}

fn rate(quota: &str) -> Rate {
    Rate::new(quota.parse().expect("a quota"), 1)
}

#[test]
fn a_part_of_a_rate_allows_that_much_less_that_much_rarer() {
    let processes = |count| NonZeroU32::new(count).expect("positive");
    for (whole, count, part) in [(100, 4, 25), (10, 3, 3), (2, 5, 1), (1, 1, 1)] {
        let shared = rate(&format!("{whole}/100s")).share(processes(count));
        let Rate::Gcra { interval, burst } = shared else {
            panic!("{shared:?}");
        };
        assert_eq!(burst.get(), part, "{whole} by {count}");
        let apart = 100_000_000_000 / whole * u64::from(count);
        assert_eq!(interval, apart, "{whole} by {count}");
        let strict = rate(&format!("{whole}/100s,strict")).share(processes(count));
        let Rate::Strict { period, most } = strict else {
            panic!("{strict:?}");
        };
        assert_eq!(
            (period, most),
            (100_000_000_000, part),
            "{whole} by {count}"
        );
    }
}

#[test]
fn nobody_waits_longer_than_a_year() {
    let Rate::Gcra { interval, burst } =
        rate("1/31d").share(NonZeroU32::new(100).expect("positive"))
    else {
        panic!("not strict");
    };
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    assert_eq!((interval, burst.get()), (31_536_000_000_000_000, 1));
    assert_eq!(Duration::from_nanos(interval), year);
}

#[test]
fn only_a_strict_rate_has_two_halves() {
    assert!(!rate("5/10s").halves());
    assert!(rate("5/10s,strict").halves());
}

#[test]
fn who_got_everything_back_owes_nothing_at_all() {
    for quota in ["5/10s", "5/10s,strict"] {
        let (rate, mut state) = (rate(quota), State::default());
        let now = 3_000_000_000;
        let Ruling::Left { mark, .. } = rate.spend(now, NonZeroU32::MIN, &mut state) else {
            panic!("{quota}");
        };
        assert_ne!(state, State::default(), "{quota}");
        rate.refund(now, NonZeroU32::MIN, mark, &mut state);
        assert_eq!(rate.peek(now, &state), 5, "{quota}");
        // A place in the table is free again.
        assert_eq!(state, State::default(), "{quota}");
    }
}

#[test]
fn a_strict_refusal_says_to_the_nanosecond_when_there_is_room() {
    let rate = rate("5/10s,strict");
    for now in [3_000_000_000, 3_001_000_000, 4_123_456_789] {
        let mut state = State::default();
        for _ in 0..5 {
            rate.spend(now, NonZeroU32::MIN, &mut state);
        }
        // A period later, rounded up to what a state can hold.
        let free_at = (now + 10_000_000_000_u64).next_multiple_of(1 << 20);
        let ruled = rate.spend(now, NonZeroU32::MIN, &mut state);
        let Ruling::Wait(wait) = ruled else {
            panic!("{ruled:?}");
        };
        assert_eq!(wait, Duration::from_nanos(free_at - now));
    }
}

#[test]
fn what_is_given_back_late_is_not_taken_from_another_period() {
    let (rate, mut state) = (rate("5/10s,strict"), State::default());
    let Ruling::Left { mark, .. } = rate.spend(3_000_000_000, NonZeroU32::MIN, &mut state) else {
        panic!("an empty state");
    };
    // The same half, two periods later.
    let now = 25_000_000_000;
    rate.spend(now, NonZeroU32::MIN, &mut state);
    rate.spend(now, NonZeroU32::MIN, &mut state);
    assert_eq!(rate.peek(now, &state), 3);
    rate.refund(now, NonZeroU32::MIN, mark, &mut state);
    assert_eq!(rate.peek(now, &state), 3);
}

#[test]
fn the_largest_strict_count_has_room_on_the_widest_rung() {
    let rate = Rate::new("65535/1h,strict".parse().expect("a quota"), 16);
    let all = NonZeroU32::new(65_535 * 16).expect("positive");
    assert_eq!(rate.most(), all.get());
    let mut state = State::default();
    let ruled = rate.spend(1, all, &mut state);
    assert!(matches!(ruled, Ruling::Left { left: 0, .. }), "{ruled:?}");
    assert_eq!(rate.peek(1, &state), 0);
}
