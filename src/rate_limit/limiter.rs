//! The limiter itself, for a layer or a handler.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::Limited;
use super::quota::Quota;
use super::store::{BoundedStore, MOST, Slot};
use super::window::{RUNGS, Window};

/// How many windows a limit has at most.
pub(super) const MAX_WINDOWS: usize = MOST / RUNGS.len();

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
    windows: Vec<Window>,
    store: BoundedStore,
}

/// The texts under which a request is counted: itself, and wider ones that
/// allow more.
pub(super) type Rungs<'a> = [Option<&'a [u8]>; RUNGS.len()];

/// A request within the quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allowed {
    remaining: [u32; MAX_WINDOWS],
    windows: usize,
}

impl Allowed {
    /// Returns how many more requests would be allowed at once.
    #[must_use]
    pub fn remaining(self) -> u32 {
        let each = self.each().iter().copied();
        each.min().unwrap_or_default()
    }

    /// What is left of each window.
    pub(super) fn each(&self) -> &[u32] {
        &self.remaining[..self.windows]
    }
}

impl RateLimiter {
    pub(super) fn new(windows: Vec<Window>, capacity: usize) -> Self {
        Self(Arc::new(Inner {
            windows,
            store: BoundedStore::with_capacity(capacity),
        }))
    }

    /// Counts a request of a key, if every window's quota allows it. A refused
    /// request is not counted, in any window.
    ///
    /// # Errors
    ///
    /// [`Limited`], with the time to wait.
    pub fn check(&self, key: &[u8]) -> Result<Allowed, Limited> {
        self.check_rungs([Some(key), None, None])
    }

    pub(super) fn check_rungs(&self, rungs: Rungs<'_>) -> Result<Allowed, Limited> {
        let windows = &self.0.windows;
        let mut slots = [Slot::default(); MOST];
        let mut about = [(0, 0); MOST];
        let mut count = 0;
        for window in 0..windows.len() {
            for (rung, key) in rungs.iter().enumerate() {
                let Some(key) = key else { continue };
                let kinds = [window, rung].map(|kind| u8::try_from(kind).unwrap_or(u8::MAX));
                slots[count] = self.0.store.slot(kinds, key);
                about[count] = (window, rung);
                count += 1;
            }
        }
        self.0.store.decide(&slots[..count], |owed| {
            let mut remaining = [u32::MAX; MAX_WINDOWS];
            let mut denied = Denied::default();
            for (owed, (window, rung)) in owed.iter_mut().zip(about) {
                match windows[window].decide(rung, owed) {
                    Ok(left) => remaining[window] = remaining[window].min(left),
                    Err(wait) => denied.add(window, wait),
                }
            }
            match denied.wait {
                None => Ok(Allowed {
                    remaining,
                    windows: windows.len(),
                }),
                Some(wait) => Err(self.limited(&denied, wait)),
            }
        })
    }

    fn limited(&self, denied: &Denied, wait: Duration) -> Limited {
        let each = self.0.windows.iter().zip(denied.windows);
        let windows = each.map(|(window, wait)| (window.name.clone(), window.quota, wait));
        Limited {
            windows: windows.collect(),
            wait,
        }
    }

    /// Gives a key its whole quota back, in every window.
    pub fn forget(&self, key: &[u8]) {
        let store = &self.0.store;
        for window in 0..self.0.windows.len() {
            let slot = store.slot([u8::try_from(window).unwrap_or(u8::MAX), 0], key);
            let forgotten = store.decide(&[slot], |owed| {
                owed[0] = None;
                Ok::<_, std::convert::Infallible>(())
            });
            let Ok(()) = forgotten;
        }
    }

    /// Returns the name of the limit; of several windows, that of the first.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.windows[0].name
    }

    /// Returns the quota; of several windows, that of the first.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.0.windows[0].quota
    }

    pub(super) fn windows(&self) -> &[Window] {
        &self.0.windows
    }
}

/// Which windows said no, and how long each wants to wait.
#[derive(Default)]
struct Denied {
    windows: [Option<Duration>; MAX_WINDOWS],
    wait: Option<Duration>,
}

impl Denied {
    fn add(&mut self, window: usize, wait: Duration) {
        self.windows[window] = self.windows[window].max(Some(wait));
        self.wait = self.wait.max(Some(wait));
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("name", &self.name())
            .field("quota", &self.quota())
            .finish_non_exhaustive()
    }
}
