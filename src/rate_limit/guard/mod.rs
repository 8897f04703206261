//! Limits on attempts to sign in.
//!
//! Three counts at once. By address, every attempt: one machine does not try
//! many accounts. By address and account, and by account, failures only: many
//! machines do not try one account. Each attempt is counted before the password
//! is compared, and given back if it was right, so that many at once cannot
//! slip through together.
//!
//! Whoever knows an account's name could keep its owner out by failing on
//! purpose. A device cookie stops that: a browser that has signed in to the
//! account before has a count of its own.

mod builder;
mod device;
mod layer;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

pub use self::builder::LoginGuardBuilder;
use self::device::{DeviceId, Devices};
pub use self::layer::{LoginGuardLayer, Outcome};
use super::ask::{Answer, Ask, Charge, Met, Receipt, Soon};
use super::counters::Counters;
use super::error::{Limited, LimitedKind};
use super::fields::Fields;
use super::key::Caller;
use super::limiter::run;
use super::rate::Ruling;
use super::stats::{Stats, Tally};
use super::windows::{MAX_WINDOWS, Windows};
use crate::identity::ClientAddr;

/// Limits attempts to sign in. Clones share the counters.
///
/// # Security
///
/// A known device keeps its count of failures, but not of its address: who
/// shares an address with the owner can use up what the address has. A device
/// cookie outlives a new password, and buys failures only; a new secret makes
/// all devices unknown. With `OnFailure::Local` (feature `redis`), while
/// Redis does not answer, each process allows its part beside what was counted
/// there.
///
/// What it answers is the same whether an account exists or not: ask it before
/// you look the account up. Give it the account's name as you compare names,
/// in one case and form, or spellings multiply the limit.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::HeaderMap;
/// use tower_rampart::identity::ClientAddr;
/// use tower_rampart::rate_limit::LoginGuard;
/// use tower_rampart::secret::Secret;
///
/// let guard = LoginGuard::builder("login")
///     .address("30/15m".parse()?)
///     .account("5/15m".parse()?)
///     .devices(&Secret::random(48))
///     .build()?;
/// let address = ClientAddr::new("192.0.2.1".parse()?);
/// let headers = HeaderMap::new();
///
/// let attempt = guard.attempt(address, "ann@example.com", &headers).await?;
/// let right = true; // the password was compared
/// if right {
///     let cookie = attempt.succeeded().await;
///     assert!(cookie.ok_or("no cookie")?.to_str()?.starts_with("__Host-device="));
/// } else {
///     attempt.failed();
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoginGuard(Arc<Inner>);

struct Inner {
    windows: Arc<Windows>,
    /// Where each of the four windows is, if there is one.
    places: [Option<usize>; 4],
    counters: Arc<Counters>,
    devices: Option<Devices>,
    tally: Tally,
}

/// The four windows of a guard.
const ADDRESS: usize = 0;
const PAIR: usize = 1;
const ACCOUNT: usize = 2;
const DEVICE: usize = 3;

/// An attempt to sign in, counted as a failure until it
/// [succeeds](Self::succeeded). Dropped, it stays counted.
#[must_use = "an attempt that is dropped counts as a failure"]
pub struct Attempt {
    guard: Arc<Inner>,
    account: String,
    /// The device that was recognised.
    device: Option<DeviceId>,
    /// What a success gives back.
    scoped: Option<Receipt>,
}

impl LoginGuard {
    /// Counts an attempt, before the password is compared. The headers are the
    /// request's; they may hold a device cookie.
    ///
    /// # Errors
    ///
    /// [`Limited`], with the time to wait.
    pub async fn attempt(
        &self,
        address: ClientAddr,
        account: &str,
        headers: &HeaderMap,
    ) -> Result<Attempt, Limited> {
        self.start(address, account, headers).wait().await
    }

    /// Gives an account its whole quota back, for instance once its password was
    /// reset. What addresses have used stays counted.
    pub async fn forget(&self, account: &str) {
        let guard = &self.0;
        let account = Caller::text(account.as_bytes()).rungs(&guard.counters.hasher);
        let window = guard.places[ACCOUNT].map(|place| &guard.windows.list()[place]);
        let charges = window
            .into_iter()
            .flat_map(|window| window.charges(account));
        let charges: Vec<_> = charges.collect();
        guard.counters.forget(TAG, &charges).wait().await;
    }

    /// Returns how often the guard decided what, since it was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            evictions: self.0.counters.store().evictions(),
            connected: self.0.counters.connected(),
            ..self.0.tally.read()
        }
    }

    fn start(
        &self,
        address: ClientAddr,
        account: &str,
        headers: &HeaderMap,
    ) -> Soon<Result<Attempt, Limited>> {
        let guard = Arc::clone(&self.0);
        let devices = guard.devices.as_ref();
        let device = devices
            .and_then(|devices| devices.recognise(headers, account, guard.counters.unix_now()));
        let (charges, about) = guard.charges(address, account, device);
        let known = (account.to_owned(), device);
        match guard.counters.spend(ask(&charges)) {
            Soon::Now(met) => Soon::Now(guard.judge(known, &charges, &about, met)),
            Soon::Later(later) => Soon::Later(Box::pin(async move {
                let met = later.await;
                guard.judge(known, &charges, &about, met)
            })),
        }
    }
}

/// All counters of a guard lie together, so that they are counted together.
const TAG: u128 = 0;

fn ask(charges: &[Charge]) -> Ask<'_> {
    Ask {
        charges,
        cost: NonZeroU32::MIN,
        caller: 0,
        tag: TAG,
        kept: true,
    }
}

impl Inner {
    /// The counters of an attempt, and the place of the window of each.
    fn charges(
        &self,
        address: ClientAddr,
        account: &str,
        device: Option<DeviceId>,
    ) -> (Vec<Charge>, Vec<usize>) {
        let hasher = &self.counters.hasher;
        let address = Caller::address(address.ip());
        let account = Caller::text(account.as_bytes());
        let mut counted = vec![(ADDRESS, address.clone())];
        match device {
            Some(device) => {
                counted.push((DEVICE, Caller::all([Caller::text(&device), account])));
            }
            None => {
                counted.push((ACCOUNT, account.clone()));
                counted.push((PAIR, Caller::all([address, account])));
            }
        }
        let (mut charges, mut about) = (Vec::new(), Vec::new());
        for (window, caller) in counted {
            let Some(place) = self.places[window] else {
                continue;
            };
            for charge in self.windows.list()[place].charges(caller.rungs(hasher)) {
                charges.push(charge);
                about.push(place);
            }
        }
        (charges, about)
    }

    fn judge(
        self: Arc<Self>,
        (account, device): (String, Option<DeviceId>),
        charges: &[Charge],
        about: &[usize],
        met: Met,
    ) -> Result<Attempt, Limited> {
        let refused = |kind, wait| Err(Limited::other(kind, wait, Arc::clone(&self.windows)));
        let answer: Answer = match met {
            Met::Counted(answer) => answer,
            Met::Banned(wait) => return refused(LimitedKind::Banned, Some(wait)),
            // A guard that cannot count lets nobody in, whatever the setting.
            Met::Down | Met::Unchecked => {
                self.tally.unavailable();
                return refused(LimitedKind::Unavailable, None);
            }
        };
        if answer.admits() {
            let degraded = answer.by.is_degraded();
            self.tally.allowed(degraded);
            let scoped = Receipt::new(&ask(charges), &answer).map(|mut receipt| {
                let mut about = about.iter();
                receipt
                    .charges
                    .retain(|_| about.next().copied() != self.places[ADDRESS]);
                receipt
            });
            return Ok(Attempt {
                guard: self,
                account,
                device,
                scoped,
            });
        }
        self.tally.limited();
        let mut waits: [Option<Duration>; MAX_WINDOWS] = [None; MAX_WINDOWS];
        for (ruling, window) in answer.rulings().iter().zip(about) {
            if let Ruling::Wait(wait) = ruling {
                waits[*window] = waits[*window].max(Some(*wait));
            }
        }
        Err(Limited::quota(
            Arc::clone(&self.windows),
            waits,
            Fields::Draft10,
        ))
    }
}

impl Attempt {
    /// Says that the password was right. The account's failures are forgotten;
    /// with a device cookie those of the device, and an attack on the account
    /// goes on being counted. What the address has used stays.
    ///
    /// Returns the `Set-Cookie` value that makes the browser known, if
    /// [`devices`](LoginGuardBuilder::devices) was set.
    pub async fn succeeded(self) -> Option<HeaderValue> {
        let (cookie, forgotten) = self.succeed();
        forgotten.wait().await;
        cookie
    }

    fn succeed(self) -> (Option<HeaderValue>, Soon<()>) {
        let devices = self.guard.devices.as_ref();
        let cookie = devices.and_then(|devices| {
            devices.cookie(&self.account, self.device, self.guard.counters.unix_now())
        });
        let charges = self.scoped.iter().flat_map(|receipt| &receipt.charges);
        let charges: Vec<_> = charges.map(|(charge, _)| *charge).collect();
        (cookie, self.guard.counters.forget(TAG, &charges))
    }

    /// Says that the password was wrong: the same as dropping the attempt.
    pub fn failed(self) {}

    /// Says that no password was compared, for instance since the database was
    /// away. What was counted for the account is given back.
    pub async fn abandoned(self) {
        if let Some(receipt) = self.scoped {
            self.guard.counters.refund(receipt).wait().await;
        }
    }

    /// As the response says, not waiting for what others have to be told.
    fn settle_soon(self, outcome: Outcome) -> Option<HeaderValue> {
        match outcome {
            Outcome::Succeeded => {
                let (cookie, forgotten) = self.succeed();
                run(forgotten);
                cookie
            }
            Outcome::Failed => None,
            Outcome::Abandoned => {
                if let Some(receipt) = self.scoped {
                    run(self.guard.counters.refund(receipt));
                }
                None
            }
        }
    }
}

impl fmt::Debug for LoginGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginGuard")
            .field("windows", &self.0.windows)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}
