//! The limiter itself, for a layer or a handler.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;

use super::error::Limited;
use super::quota::Quota;
use super::store::{BoundedStore, Slot};
use crate::clock::Clock;

type Governor = governor::RateLimiter<Slot, SharedStore, Monotonic, StateInformationMiddleware>;

/// Counts requests by key. Clones share the counters.
///
/// For a handler that knows the key only after reading the body, such as the
/// account of a sign-in: count first, verify then, and [`forget`](Self::forget)
/// on success, so that many attempts at once cannot slip through together.
///
/// # Examples
///
/// ```
/// use tower_rampart::rate_limit::RateLimitLayer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RateLimitLayer::builder("account", "2/15m".parse()?).build()?.limiter();
/// limiter.check(b"ann@example.com")?;
/// limiter.check(b"ann@example.com")?;
/// assert!(limiter.check(b"ann@example.com").is_err());
/// limiter.forget(b"ann@example.com");
/// assert!(limiter.check(b"ann@example.com").is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimiter(Arc<Inner>);

struct Inner {
    name: String,
    quota: Quota,
    store: SharedStore,
    clock: Monotonic,
    governor: Governor,
}

/// A request within the quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allowed {
    remaining: u32,
}

impl Allowed {
    /// Returns how many more requests would be allowed at once.
    #[must_use]
    pub fn remaining(self) -> u32 {
        self.remaining
    }
}

impl RateLimiter {
    pub(super) fn new(name: String, quota: Quota, capacity: usize, clock: Arc<dyn Clock>) -> Self {
        let store = SharedStore(Arc::new(BoundedStore::with_capacity(capacity)));
        let clock = Monotonic(clock);
        let rate = governor::Quota::with_period(quota.interval())
            .expect("an interval is at least a microsecond")
            .allow_burst(quota.count());
        let governor = Governor::new(rate, store.clone(), clock.clone());
        Self(Arc::new(Inner {
            name,
            quota,
            store,
            clock,
            governor,
        }))
    }

    /// Counts a request of a key, if its quota allows it. A refused request is
    /// not counted.
    ///
    /// # Errors
    ///
    /// [`Limited`], with the time to wait.
    pub fn check(&self, key: &[u8]) -> Result<Allowed, Limited> {
        let inner = &*self.0;
        match inner.governor.check_key(&inner.store.0.slot(key)) {
            Ok(state) => Ok(Allowed {
                remaining: state.remaining_burst_capacity(),
            }),
            Err(until) => Err(Limited {
                policy: inner.name.clone(),
                quota: inner.quota,
                wait: until.wait_time_from(inner.clock.0.monotonic()),
            }),
        }
    }

    /// Gives a key its whole quota back.
    pub fn forget(&self, key: &[u8]) {
        self.0.store.0.forget(self.0.store.0.slot(key));
    }

    /// Returns the name of the limit.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the quota.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.0.quota
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("name", &self.0.name)
            .field("quota", &self.0.quota)
            .finish_non_exhaustive()
    }
}

/// The store, both in governor's hands and in ours.
#[derive(Clone, Debug)]
struct SharedStore(Arc<BoundedStore>);

impl governor::state::StateStore for SharedStore {
    type Key = Slot;

    fn measure_and_replace<T, F, E>(&self, slot: &Slot, decide: F) -> Result<T, E>
    where
        F: Fn(Option<governor::nanos::Nanos>) -> Result<(T, governor::nanos::Nanos), E>,
    {
        self.0.measure_and_replace(slot, decide)
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
