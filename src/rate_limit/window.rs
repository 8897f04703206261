//! One window of a limit: a name, a quota, and governor's decision about it.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;

use super::quota::Quota;
use crate::clock::Clock;

/// How many times the quota each rung of a ladder allows. Who has one /64 has
/// the quota; who has a /56, which homes get, four times that; and a whole /48,
/// which anybody can rent, sixteen times.
pub(super) const RUNGS: [u32; 3] = [1, 4, 16];

pub(super) struct Window {
    pub(super) name: String,
    pub(super) quota: Quota,
    rungs: [Governor; RUNGS.len()],
    clock: Monotonic,
}

type Governor = governor::RateLimiter<Owed, Pure, Monotonic, StateInformationMiddleware>;

impl Window {
    pub(super) fn new(name: String, quota: Quota, clock: &Arc<dyn Clock>) -> Self {
        let clock = Monotonic(Arc::clone(clock));
        let rung = |times: u32| {
            let count = quota
                .count()
                .saturating_mul(NonZeroU32::MIN.saturating_add(times - 1));
            let nanos = quota.period().as_nanos().div_ceil(u128::from(count.get()));
            let interval = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            let rate = governor::Quota::with_period(interval)
                .expect("an interval is at least a nanosecond")
                .allow_burst(count);
            Governor::new(rate, Pure, clock.clone())
        };
        Self {
            name,
            quota,
            rungs: RUNGS.map(rung),
            clock,
        }
    }

    /// Decides about one more request on a rung: what is left, or how long to
    /// wait. `owed` is what the key owes, and then what it owes next.
    pub(super) fn decide(&self, rung: usize, owed: &mut Option<u64>) -> Result<u32, Duration> {
        let state = Owed(Cell::new(owed.map(Nanos::new)));
        match self.rungs[rung].check_key(&state) {
            Ok(left) => {
                *owed = state.0.get().map(Nanos::as_u64);
                Ok(left.remaining_burst_capacity())
            }
            Err(until) => Err(until.wait_time_from(self.clock.0.monotonic())),
        }
    }
}

/// What a key owes, handed to governor as though it were the key.
#[derive(Clone)]
struct Owed(Cell<Option<Nanos>>);

impl Hash for Owed {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl PartialEq for Owed {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Owed {}

/// A store that holds nothing: what is owed comes with the key, and stays there.
struct Pure;

impl governor::state::StateStore for Pure {
    type Key = Owed;

    fn measure_and_replace<T, F, E>(&self, owed: &Owed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(owed.0.get())?;
        owed.0.set(Some(next));
        Ok(outcome)
    }
}

/// Our clock, as governor reads it.
#[derive(Clone, Debug)]
struct Monotonic(Arc<dyn Clock>);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}
