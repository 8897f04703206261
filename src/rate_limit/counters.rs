//! Counts what is asked, here or where several processes count together.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

#[cfg(not(feature = "redis"))]
use super::alone::{Refused, Shared};
use super::ask::{Answer, Ask, By, Charge, Met, Receipt, Soon};
use super::rate::{Ruling, State};
#[cfg(feature = "redis")]
use super::redis::{Refused, Shared};
use super::store::{BoundedStore, MOST, Memory, Slot};
use crate::clock::{Clock, UnixSeconds};

/// Everything that is counted by one limit.
pub(super) struct Counters {
    pub(super) hasher: SipHasher13,
    store: BoundedStore,
    bans: BoundedStore,
    banning: AtomicBool,
    clock: Arc<dyn Clock>,
    shared: Option<Shared>,
}

/// The table of bans: room for about 7,000.
const BANS: usize = 1 << 14;

const LONGEST_BAN: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How long what other processes may change is believed without asking again.
pub(super) const BELIEVED: Duration = Duration::from_secs(1);

/// The nanoseconds of a duration, up to 584 years.
fn nanos(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(time.subsec_nanos().into())
}

/// Where a ban is: until when, and until when that is believed.
fn ban(key: u128) -> Slot {
    Slot { key, halves: true }
}

impl Counters {
    pub(super) fn new(
        capacity: usize,
        memory: Memory,
        clock: Arc<dyn Clock>,
        shared: Option<Shared>,
    ) -> Self {
        let random = || SipHasher13::new_with_key(&crate::secret::random_bytes::<16>());
        Self {
            hasher: shared.as_ref().map_or_else(random, Shared::hasher),
            store: BoundedStore::new(capacity, memory),
            bans: BoundedStore::new(BANS, Memory::Forgetful),
            banning: AtomicBool::new(false),
            clock,
            shared,
        }
    }

    /// Hashes the name of something counted, to keep its counters apart.
    pub(super) fn id(&self, name: &str) -> u128 {
        let mut hasher = self.hasher;
        std::hash::Hasher::write(&mut hasher, name.as_bytes());
        let (low, high) = hasher.finish128().as_u64();
        u128::from(low) | u128::from(high) << 64
    }

    pub(super) fn now(&self) -> u64 {
        nanos(self.clock.monotonic())
    }

    pub(super) fn unix_now(&self) -> UnixSeconds {
        self.clock.unix_now()
    }

    /// Counts a request on its only counter; `None` if it is not as simple as
    /// that.
    pub(super) fn spend_one(
        &self,
        charge: Charge,
        cost: NonZeroU32,
        caller: u128,
    ) -> Option<Ruling> {
        if self.shared.is_some() {
            return None;
        }
        let now = self.now();
        if self.banned(now, caller).is_some() {
            return None;
        }
        let mut ruling = Ruling::Never;
        self.change(now, charge.slot(), |state| {
            let mut next = charge.rate.clamp(now, *state);
            ruling = charge.rate.spend(now, cost, &mut next);
            *state = next;
        });
        Some(ruling)
    }

    /// Counts a request on all its counters, or on none.
    pub(super) fn spend(self: &Arc<Self>, ask: Ask<'_>) -> Soon<Met> {
        let now = self.now();
        if let Some(left) = self.banned(now, ask.caller) {
            return Soon::Now(Met::Banned(left));
        }
        let Some(shared) = &self.shared else {
            return Soon::Now(Met::Counted(self.spend_here(now, ask, By::Memory)));
        };
        match shared.spend(now, ask) {
            Soon::Now(Ok(answer)) => Soon::Now(Met::Counted(answer)),
            Soon::Now(Err(refused)) => Soon::Now(self.without_others(now, ask, refused)),
            Soon::Later(later) => {
                let counters = Arc::clone(self);
                let charges = ask.charges.to_vec();
                Soon::Later(Box::pin(async move {
                    let ask = Ask {
                        charges: &charges,
                        ..ask
                    };
                    match later.await {
                        Ok(answer) => Met::Counted(answer),
                        Err(refused) => counters.without_others(now, ask, refused),
                    }
                }))
            }
        }
    }

    fn without_others(&self, now: u64, ask: Ask<'_>, refused: Refused) -> Met {
        match refused {
            Refused::Banned { left } => {
                self.keep_ban(now, ask.caller, left, BELIEVED);
                Met::Banned(left)
            }
            Refused::Down => Met::Down,
            Refused::Unchecked => Met::Unchecked,
            Refused::Local { processes } => {
                let by = By::Degraded { processes };
                Met::Counted(self.spend_here(now, ask, by))
            }
        }
    }

    fn spend_here(&self, now: u64, ask: Ask<'_>, by: By) -> Answer {
        let mut rulings = [Ruling::Never; MOST];
        let mut slots = [Charge::NONE.slot(); MOST];
        for (slot, charge) in slots.iter_mut().zip(ask.charges) {
            *slot = charge.slot();
        }
        let slots = &slots[..ask.charges.len()];
        self.change_all(now, slots, |states| {
            let mut owed = [State::default(); MOST];
            for ((owed, charge), state) in owed.iter_mut().zip(ask.charges).zip(&*states) {
                *owed = by.rate(charge.rate).clamp(now, *state);
            }
            let mut next = owed;
            let mut admitted = true;
            for ((ruling, charge), next) in rulings.iter_mut().zip(ask.charges).zip(&mut next) {
                *ruling = by.rate(charge.rate).spend(now, ask.cost, next);
                admitted &= matches!(ruling, Ruling::Left { .. });
            }
            let written = if admitted { next } else { owed };
            states.copy_from_slice(&written[..states.len()]);
        });
        Answer::new(by, rulings.into_iter().take(ask.charges.len()))
    }

    /// Gives a request back, where and as far as it was counted.
    pub(super) fn refund(self: &Arc<Self>, receipt: Receipt) -> Soon<()> {
        match (receipt.by, &self.shared) {
            (By::Shared, Some(shared)) => shared.refund(receipt),
            _ => {
                let now = self.now();
                for (charge, mark) in &receipt.charges {
                    self.change(now, charge.slot(), |state| {
                        charge.rate.refund(now, receipt.cost, *mark, state);
                    });
                }
                Soon::Now(())
            }
        }
    }

    /// Reads how much each charge would have left.
    pub(super) fn peek(&self, tag: u128, charges: &[Charge]) -> Soon<Option<Vec<u32>>> {
        if let Some(shared) = &self.shared {
            return shared.peek(tag, charges);
        }
        let now = self.now();
        let each = charges.iter().map(|charge| {
            let state = self.store.read(charge.slot());
            charge.rate.peek(now, &charge.rate.clamp(now, state))
        });
        Soon::Now(Some(each.collect()))
    }

    /// Gives counters their whole quota back.
    pub(super) fn forget(&self, tag: u128, charges: &[Charge]) -> Soon<()> {
        let now = self.now();
        for charge in charges {
            self.store.forget(now, charge.slot());
        }
        match &self.shared {
            Some(shared) => shared.forget(tag, charges.iter().map(|charge| charge.key).collect()),
            None => Soon::Now(()),
        }
    }

    /// Counts a strike, in this process; tells whether it was the last one
    /// allowed.
    pub(super) fn strike(&self, strikes: Charge) -> bool {
        let now = self.now();
        let mut last = false;
        self.change(now, strikes.slot(), |state| {
            let ruling = strikes.rate.spend(now, NonZeroU32::MIN, state);
            last = !matches!(ruling, Ruling::Left { left: 1.., .. });
        });
        last
    }

    fn change(&self, now: u64, slot: Slot, change: impl FnOnce(&mut State)) {
        let changed: Result<(), Infallible> = self.store.decide_one(now, slot, |state| {
            change(state);
            Ok(())
        });
        let Ok(()) = changed;
    }

    fn change_all(&self, now: u64, slots: &[Slot], change: impl FnOnce(&mut [State])) {
        let changed: Result<(), Infallible> = self.store.decide(now, slots, |states| {
            change(states);
            Ok(())
        });
        let Ok(()) = changed;
    }

    fn banned(&self, now: u64, caller: u128) -> Option<Duration> {
        if !self.banning.load(Ordering::Relaxed) {
            return None;
        }
        let [until, believed_until] = self.bans.read(ban(caller));
        let left = until?.checked_sub(now).filter(|left| *left > 0)?;
        // Another process may have ended it, if it can be asked.
        let believed = believed_until? > now || self.connected() == Some(false);
        believed.then(|| Duration::from_nanos(left))
    }

    /// Keeps a ban, and how long it is believed without asking.
    fn keep_ban(&self, now: u64, caller: u128, left: Duration, believed: Duration) {
        let after = |time| now.saturating_add(nanos(time));
        let state = [Some(after(left)), Some(after(believed.min(left)))];
        self.bans.write(now, ban(caller), state);
        self.banning.store(true, Ordering::Relaxed);
    }

    /// Refuses a caller for a while, up to 31 days.
    pub(super) fn ban(self: &Arc<Self>, tag: u128, caller: u128, time: Duration) -> Soon<()> {
        let time = time.min(LONGEST_BAN);
        self.keep_ban(self.now(), caller, time, time);
        let Some(shared) = &self.shared else {
            return Soon::Now(());
        };
        let stored = shared.ban(tag, caller, Some(time));
        let counters = Arc::clone(self);
        Soon::Later(Box::pin(async move {
            // What the others have not heard of holds here until its end.
            if stored.wait().await {
                counters.keep_ban(counters.now(), caller, time, BELIEVED);
            }
        }))
    }

    /// Lets a caller in again.
    pub(super) fn unban(&self, tag: u128, caller: u128) -> Soon<()> {
        self.bans.write(self.now(), ban(caller), State::default());
        match &self.shared {
            Some(shared) => {
                let gone = shared.ban(tag, caller, None);
                Soon::Later(Box::pin(async move {
                    let _: bool = gone.wait().await;
                }))
            }
            None => Soon::Now(()),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        self.store.memory()
    }

    pub(super) fn store(&self) -> &BoundedStore {
        &self.store
    }

    /// Tells whether the others can be asked; `None` if there are none.
    pub(super) fn connected(&self) -> Option<bool> {
        self.shared.as_ref().map(Shared::is_connected)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
