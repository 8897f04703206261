//! The limiter itself, for a layer or a handler.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::ask::{Ask, Charge, Met, Receipt, Soon};
use super::counters::Counters;
use super::error::{Limited, LimitedKind};
use super::fields::Fields;
use super::key::{Rungs, text_rungs};
use super::quota::Quota;
use super::rate::{Rate, Ruling};
use super::stats::Tally;
use super::store::MOST;
use super::windows::{MAX_WINDOWS, Windows};

/// Counts requests by key. Clones share the counters.
///
/// For a handler that knows the key only after it has read the body. For a
/// sign-in there is [`LoginGuard`](super::LoginGuard).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_rampart::rate_limit::RateLimitLayer;
///
/// let mails = RateLimitLayer::builder("mails", "2/1h".parse()?).build()?.limiter();
/// mails.check(b"ann@example.com").await?;
/// let permit = mails.reserve(b"ann@example.com").await?;
/// assert!(mails.check(b"ann@example.com").await.is_err());
/// // The second mail could not be sent, so it does not count.
/// permit.refund().await;
/// assert!(mails.check(b"ann@example.com").await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimiter(pub(super) Arc<Limit>);

/// A limit: what it allows, and what was asked of it.
pub(super) struct Limit {
    pub(super) windows: ArcSwap<Windows>,
    pub(super) counters: Arc<Counters>,
    pub(super) tally: Tally,
    pub(super) ban: Option<Strikes>,
    pub(super) fields: Fields,
    /// Keeps the bans of this limit apart from those of others.
    pub(super) ban_id: u128,
}

/// After how many refusals a caller is banned, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strikes {
    pub(super) rate: Rate,
    pub(super) id: u128,
    pub(super) time: Duration,
}

impl Strikes {
    fn of(self, caller: u128) -> Charge {
        Charge {
            key: caller ^ self.id,
            rate: self.rate,
        }
    }
}

/// A request within the quota.
#[derive(Clone, Debug)]
pub struct Allowed {
    pub(super) windows: Arc<Windows>,
    /// What is left of each window; of none, if nobody could count.
    pub(super) left: Option<[u32; MAX_WINDOWS]>,
}

impl Allowed {
    /// Returns how many more requests would be allowed at once, as far as
    /// that is known.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        let left = self
            .left
            .iter()
            .flat_map(|left| &left[..self.windows.list().len()]);
        left.copied().min().unwrap_or_default()
    }
}

/// An allowed request that can be given back. Dropped, it stays counted.
#[derive(Debug)]
pub struct Permit {
    counters: Arc<Counters>,
    receipt: Option<Receipt>,
    allowed: Allowed,
}

impl Permit {
    /// Returns what is left.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Gives the request back, as far as it has not come back by itself: however
    /// late this is called, nobody gets more than the quota.
    pub async fn refund(self) {
        if let Some(receipt) = self.receipt {
            self.counters.refund(receipt).wait().await;
        }
    }

    /// How many requests it counts as.
    pub(super) fn cost(&self) -> u32 {
        self.receipt
            .as_ref()
            .map_or(0, |receipt| receipt.cost.get())
    }

    /// As [`refund`](Self::refund), not waiting for what others have to be told.
    pub(super) fn refund_soon(self) {
        if let Some(receipt) = self.receipt {
            run(self.counters.refund(receipt));
        }
    }
}

/// Lets something happen that nobody waits for; outside of a runtime it does not.
pub(super) fn run<T: Send + 'static>(soon: Soon<T>) {
    match soon {
        Soon::Now(_) => {}
        #[cfg(feature = "redis")]
        Soon::Later(later) => {
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                drop(runtime.spawn(later));
            }
        }
        #[cfg(not(feature = "redis"))]
        Soon::Later(later) => drop(later),
    }
}

/// A request that was counted, with its receipt if it may be given back.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) allowed: Allowed,
    receipt: Option<Receipt>,
}

impl Grant {
    /// What most requests are: counted once, and not given back.
    fn of_one(windows: Arc<Windows>, left: u32) -> Self {
        let mut each = [u32::MAX; MAX_WINDOWS];
        each[0] = left;
        let left = Some(each);
        Self {
            allowed: Allowed { windows, left },
            receipt: None,
        }
    }

    pub(super) fn into_permit(self, limit: &Limit) -> Permit {
        Permit {
            counters: Arc::clone(&limit.counters),
            receipt: self.receipt,
            allowed: self.allowed,
        }
    }
}

impl RateLimiter {
    /// Counts a request of a key, if every window's quota allows it. A refused
    /// request is not counted, in any window.
    ///
    /// # Errors
    ///
    /// [`Limited`], with the time to wait.
    pub async fn check(&self, key: &[u8]) -> Result<Allowed, Limited> {
        self.check_cost(key, NonZeroU32::MIN).await
    }

    /// As [`check`](Self::check), for a request that counts as many.
    ///
    /// # Errors
    ///
    /// [`Limited`], with the time to wait until all of the cost is there.
    pub async fn check_cost(&self, key: &[u8], cost: NonZeroU32) -> Result<Allowed, Limited> {
        let grant = self.start(self.rungs(key), cost, false).wait().await?;
        Ok(grant.allowed)
    }

    /// As [`check`](Self::check), with a permit that can be given back.
    ///
    /// # Errors
    ///
    /// [`Limited`], with the time to wait.
    pub async fn reserve(&self, key: &[u8]) -> Result<Permit, Limited> {
        let rungs = self.rungs(key);
        let grant = self.start(rungs, NonZeroU32::MIN, true).wait().await?;
        Ok(grant.into_permit(&self.0))
    }

    /// Gives a key its whole quota back, in every window.
    pub async fn forget(&self, key: &[u8]) {
        self.0.forget(self.rungs(key)).wait().await;
    }

    fn rungs(&self, key: &[u8]) -> Rungs {
        text_rungs(&self.0.counters.hasher, key)
    }

    /// Returns the name of the limit; of several windows, that of the first.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.windows.load().list()[0].name.clone()
    }

    /// Returns the quota; of several windows, that of the first.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.0.windows.load().list()[0].quota
    }

    /// Starts to count a request.
    pub(super) fn start(
        &self,
        rungs: Rungs,
        cost: NonZeroU32,
        kept: bool,
    ) -> Soon<Result<Grant, Limited>> {
        let windows = self.0.windows.load_full();
        if !kept && let Some(left) = self.0.spend_one(&windows, rungs, cost) {
            return Soon::Now(Ok(Grant::of_one(windows, left)));
        }
        let mut charges = [Charge::NONE; MOST];
        let mut count = 0;
        for charge in windows.charges(rungs) {
            charges[count] = charge;
            count += 1;
        }
        let ask = self.0.ask(&charges[..count], cost, rungs, kept);
        match self.0.counters.spend(ask) {
            Soon::Now(met) => Soon::Now(self.0.judge(windows, &ask, met)),
            Soon::Later(later) => {
                let limit = Arc::clone(&self.0);
                Soon::Later(Box::pin(async move {
                    let met = later.await;
                    let ask = limit.ask(&charges[..count], cost, rungs, kept);
                    limit.judge(windows, &ask, met)
                }))
            }
        }
    }
}

impl Limit {
    fn ask<'a>(
        &self,
        charges: &'a [Charge],
        cost: NonZeroU32,
        rungs: Rungs,
        kept: bool,
    ) -> Ask<'a> {
        Ask {
            charges,
            cost,
            caller: self.banned(rungs),
            tag: tag(rungs),
            kept,
        }
    }

    /// Counts what most requests are, one of a caller with one counter. `None` if
    /// it is another, or not allowed.
    fn spend_one(&self, windows: &Windows, rungs: Rungs, cost: NonZeroU32) -> Option<u32> {
        let ([window], [Some(_), None, None]) = (windows.list(), rungs) else {
            return None;
        };
        let charge = window.charges(rungs).next()?;
        let caller = self.banned(rungs);
        match self.counters.spend_one(charge, cost, caller)? {
            Ruling::Left { left, .. } => {
                self.tally.allowed(false);
                Some(left)
            }
            _ => None,
        }
    }

    /// What a caller is banned by.
    pub(super) fn banned(&self, rungs: Rungs) -> u128 {
        rungs[0].unwrap_or_default() ^ self.ban_id
    }

    fn judge(&self, windows: Arc<Windows>, ask: &Ask<'_>, met: Met) -> Result<Grant, Limited> {
        let answer = match met {
            Met::Counted(answer) => answer,
            Met::Banned(wait) => {
                self.tally.banned();
                let wait = Some(wait);
                return Err(Limited::other(LimitedKind::Banned, wait, windows));
            }
            Met::Down => {
                self.tally.unavailable();
                return Err(Limited::other(LimitedKind::Unavailable, None, windows));
            }
            Met::Unchecked => {
                self.tally.unchecked();
                let allowed = Allowed {
                    windows,
                    left: None,
                };
                return Ok(Grant {
                    allowed,
                    receipt: None,
                });
            }
        };
        let rungs = answer.rulings().len() / windows.list().len();
        let mut left = [u32::MAX; MAX_WINDOWS];
        let mut waits = [None; MAX_WINDOWS];
        for (index, ruling) in answer.rulings().iter().enumerate() {
            let window = index / rungs;
            match ruling {
                Ruling::Left { left: of_rung, .. } => left[window] = left[window].min(*of_rung),
                Ruling::Wait(wait) => waits[window] = waits[window].max(Some(*wait)),
                Ruling::Never => {
                    self.tally.limited();
                    return Err(Limited::other(LimitedKind::TooCostly, None, windows));
                }
            }
        }
        if !answer.admits() {
            self.tally.limited();
            self.count_strike(ask);
            return Err(Limited::quota(windows, waits, self.fields));
        }
        self.tally.allowed(answer.by.is_degraded());
        let receipt = ask.kept.then(|| Receipt::new(ask, &answer)).flatten();
        let told = !answer.by.is_degraded();
        let left = told.then_some(left);
        Ok(Grant {
            allowed: Allowed { windows, left },
            receipt,
        })
    }

    /// Counts a refusal, and bans a caller who had too many.
    fn count_strike(&self, ask: &Ask<'_>) {
        let Some(strikes) = self.ban else { return };
        if self.counters.strike(strikes.of(ask.caller)) {
            run(self.counters.ban(ask.tag, ask.caller, strikes.time));
        }
    }

    /// Forgets the refusals of a caller, which the next one would be added to.
    pub(super) fn forgive(&self, rungs: Rungs) {
        if let Some(strikes) = self.ban {
            let strikes = strikes.of(self.banned(rungs));
            self.counters.forget_here(strikes);
        }
    }

    pub(super) fn forget(&self, rungs: Rungs) -> Soon<()> {
        let windows = self.windows.load();
        let charges: Vec<_> = windows.charges(rungs).collect();
        self.counters.forget(tag(rungs), &charges)
    }
}

/// All that is counted of a caller lies with its widest network.
pub(super) fn tag(rungs: Rungs) -> u128 {
    rungs.into_iter().flatten().last().unwrap_or_default()
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("windows", &self.windows)
            .finish_non_exhaustive()
    }
}
