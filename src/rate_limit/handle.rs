//! A limit, in the hands of an operator.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::counters::Counters;
use super::error::ConfigError;
use super::key::Caller;
use super::limiter::{Limit, tag};
use super::quota::Quota;
use super::stats::{Denials, Stats};
use super::windows::Windows;
use crate::config::Problems;

/// Changes and looks into a limit while it works. Clones share it.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tower_rampart::rate_limit::{Caller, RateLimitLayer};
///
/// let layer = RateLimitLayer::builder("api", "300/1m".parse()?).build()?;
/// let handle = layer.handle();
/// // Half as much for everybody, from the next request on.
/// handle.reload([("api", "150/1m".parse()?)])?;
/// let caller = Caller::address("192.0.2.1".parse()?);
/// handle.ban(&caller, Duration::from_secs(3_600)).await;
/// assert_eq!(handle.peek(&caller).await, Some(vec![("api".to_owned(), 150)]));
/// handle.unban(&caller).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimitHandle(pub(super) Arc<Limit>);

impl RateLimitHandle {
    /// Replaces all windows, from the next request on. A window that keeps its
    /// name keeps what was counted; one that becomes strict, or no longer is, or
    /// is strict with another period, begins anew.
    ///
    /// # Errors
    ///
    /// Every [`Problem`](super::Problem) found; nothing is changed then.
    pub fn reload<N: Into<String>>(
        &self,
        windows: impl IntoIterator<Item = (N, Quota)>,
    ) -> Result<(), ConfigError> {
        let windows = windows
            .into_iter()
            .map(|(name, quota)| (name.into(), quota));
        let windows: Vec<(String, Quota)> = windows.collect();
        let checked = Problems::check(
            Windows::problems(&windows, self.0.counters.memory()),
            || Windows::new(windows, &self.0.counters),
        );
        self.0.windows.store(Arc::new(checked?));
        Ok(())
    }

    /// Returns how many requests each window would allow a caller at once, by
    /// name; `None` if the counters cannot be asked.
    pub async fn peek(&self, caller: &Caller) -> Option<Vec<(String, u32)>> {
        let rungs = caller.rungs(&self.0.counters.hasher);
        let windows = self.0.windows.load_full();
        let charges: Vec<_> = windows.charges(rungs).collect();
        let each = self.0.counters.peek(tag(rungs), &charges).wait().await?;
        let rungs = each.len() / windows.list().len();
        let left = each.chunks(rungs).map(|rungs| rungs.iter().copied().min());
        let named = windows.list().iter().zip(left);
        Some(
            named
                .map(|(window, left)| (window.name.clone(), left.unwrap_or_default()))
                .collect(),
        )
    }

    /// Gives a caller the whole quota back, in every window; of an IPv6 address
    /// also what was counted for its /56 and /48. Refusals that were counted
    /// towards a ban are forgotten; a ban goes on.
    pub async fn reset(&self, caller: &Caller) {
        let rungs = caller.rungs(&self.0.counters.hasher);
        self.0.forgive(rungs);
        self.0.forget(rungs).wait().await;
    }

    /// Refuses a caller for a while, up to 31 days, whatever is left; of an IPv6
    /// address, the /64. Thousands can be banned at once; where a place is short,
    /// the one whose ban ends first is let in.
    ///
    /// Returns whether all processes that count together will hear of it; if
    /// not, say it again. Another one may still spend what was granted to it
    /// ahead, for a quarter of a second.
    pub async fn ban(&self, caller: &Caller, time: Duration) -> bool {
        let rungs = caller.rungs(&self.0.counters.hasher);
        let caller = self.0.banned(rungs);
        self.0.counters.ban(tag(rungs), caller, time).wait().await
    }

    /// Ends a ban, and forgets the refusals that led to it.
    ///
    /// Returns whether all processes that count together will hear of it; if
    /// not, say it again. One that has refused the caller may do so for another
    /// second.
    pub async fn unban(&self, caller: &Caller) -> bool {
        let rungs = caller.rungs(&self.0.counters.hasher);
        self.0.forgive(rungs);
        let caller = self.0.banned(rungs);
        self.0.counters.unban(tag(rungs), caller).wait().await
    }

    /// Bans an address; see [`ban`](Self::ban).
    pub async fn ban_address(&self, address: IpAddr, time: Duration) -> bool {
        self.ban(&Caller::address(address), time).await
    }

    /// Returns how often the limit decided what.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            evictions: self.0.counters.store().evictions(),
            connected: self.0.counters.connected(),
            ..self.0.tally.read()
        }
    }

    /// Returns how many counters in memory hold a debt, and how many there are.
    /// Looks at each: milliseconds for a million.
    #[must_use]
    pub fn occupancy(&self) -> (usize, usize) {
        let counters: &Counters = &self.0.counters;
        let store = counters.store();
        (store.occupancy(counters.now()), store.capacity())
    }

    /// Returns the callers that this process refused most often, up to 64, of
    /// requests that came through the layer.
    #[must_use]
    pub fn top_denied(&self, most: usize) -> Vec<Denials> {
        self.0.tally.top(most)
    }
}

impl fmt::Debug for RateLimitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimitHandle").field(&self.0).finish()
    }
}
