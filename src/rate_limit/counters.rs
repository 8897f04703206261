//! Counts what is asked, here or where several processes count together.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
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
    /// Made for the first ban.
    bans: OnceLock<BoundedStore>,
    clock: Arc<dyn Clock>,
    shared: Option<Shared>,
}

/// The table of bans, 1 MiB: three have room in each of 8,192 buckets.
const BANS: usize = 1 << 16;

const LONGEST_BAN: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How long what other processes may change is believed without asking again.
pub(super) const BELIEVED: Duration = Duration::from_secs(1);

/// The nanoseconds of a duration, up to 584 years.
fn nanos(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(time.subsec_nanos().into())
}

/// The time between now and then, if that is still to come.
fn left(until: u64, now: u64) -> Option<Duration> {
    let left = until.checked_sub(now).filter(|left| *left > 0);
    left.map(Duration::from_nanos)
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
            bans: OnceLock::new(),
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
        if self.banned(caller).is_some() {
            return None;
        }
        let mut ruling = Ruling::Never;
        self.change(charge.slot(), |now, state| {
            let mut next = charge.rate.clamp(now, *state);
            ruling = charge.rate.spend(now, cost, &mut next);
            *state = next;
        });
        Some(ruling)
    }

    /// Counts a request on all its counters, or on none.
    pub(super) fn spend(self: &Arc<Self>, ask: Ask<'_>) -> Soon<Met> {
        if let Some(left) = self.banned(ask.caller) {
            return Soon::Now(Met::Banned(left));
        }
        let Some(shared) = &self.shared else {
            return Soon::Now(Met::Counted(self.spend_here(ask, By::Memory)));
        };
        let now = self.now();
        match shared.spend(now, ask) {
            Soon::Now(Ok(answer)) => Soon::Now(Met::Counted(answer)),
            Soon::Now(Err(refused)) => Soon::Now(self.without_others(ask, refused)),
            Soon::Later(later) => {
                let counters = Arc::clone(self);
                let charges = ask.charges.to_vec();
                Soon::Later(Box::pin(async move {
                    let ask = Ask {
                        charges: &charges,
                        ..ask
                    };
                    match later.await {
                        Ok(answer) => {
                            counters.is_not_banned(ask.caller);
                            Met::Counted(answer)
                        }
                        Err(refused) => counters.without_others(ask, refused),
                    }
                }))
            }
        }
    }

    fn without_others(&self, ask: Ask<'_>, refused: Refused) -> Met {
        if let Refused::Banned { left } = refused {
            self.keep_ban(ask.caller, left, BELIEVED);
            return Met::Banned(left);
        }
        // Nobody has said that it ended.
        if let Some(left) = self.last_known_ban(ask.caller) {
            return Met::Banned(left);
        }
        match refused {
            Refused::Banned { left } => Met::Banned(left),
            Refused::Down => Met::Down,
            Refused::Unchecked => Met::Unchecked,
            Refused::Local { processes } => {
                let by = By::Degraded { processes };
                Met::Counted(self.spend_here(ask, by))
            }
        }
    }

    fn spend_here(&self, ask: Ask<'_>, by: By) -> Answer {
        let mut rulings = [Ruling::Never; MOST];
        let mut slots = [Charge::NONE.slot(); MOST];
        for (slot, charge) in slots.iter_mut().zip(ask.charges) {
            *slot = charge.slot();
        }
        let slots = &slots[..ask.charges.len()];
        self.change_all(slots, |now, states| {
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
                for (charge, mark) in &receipt.charges {
                    self.change(charge.slot(), |now, state| {
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
            Some(shared) => shared.forget(tag, charges),
            None => Soon::Now(()),
        }
    }

    /// As [`forget`](Self::forget), of what only this process counts.
    pub(super) fn forget_here(&self, charge: Charge) {
        self.store.forget(self.now(), charge.slot());
    }

    /// Counts a strike, in this process; tells whether it was the last one
    /// allowed.
    pub(super) fn strike(&self, strikes: Charge) -> bool {
        let mut last = false;
        self.change(strikes.slot(), |now, state| {
            let ruling = strikes.rate.spend(now, NonZeroU32::MIN, state);
            last = !matches!(ruling, Ruling::Left { left: 1.., .. });
        });
        last
    }

    fn change(&self, slot: Slot, change: impl FnOnce(u64, &mut State)) {
        let clock = || self.now();
        let changed: Result<(), Infallible> = self.store.decide_one(clock, slot, |now, state| {
            change(now, state);
            Ok(())
        });
        let Ok(()) = changed;
    }

    fn change_all(&self, slots: &[Slot], change: impl FnOnce(u64, &mut [State])) {
        let clock = || self.now();
        let changed: Result<(), Infallible> = self.store.decide(clock, slots, |now, states| {
            change(now, states);
            Ok(())
        });
        let Ok(()) = changed;
    }

    /// How long a caller is banned, unless another process can be asked about
    /// it: that one may have ended the ban.
    fn banned(&self, caller: u128) -> Option<Duration> {
        let [until, believed_until] = self.bans.get()?.read(ban(caller));
        let now = self.now();
        let believed = believed_until? > now || self.connected() == Some(false);
        until
            .filter(|_| believed)
            .and_then(|until| left(until, now))
    }

    /// Forgets a ban that another process has ended.
    fn is_not_banned(&self, caller: u128) {
        let Some(bans) = self.bans.get() else { return };
        let [until, believed_until] = bans.read(ban(caller));
        let now = self.now();
        // One that is believed was made here, and may be on its way there.
        if until.is_some() && believed_until.is_some_and(|until| until <= now) {
            bans.write(now, ban(caller), State::default());
        }
    }

    fn last_known_ban(&self, caller: u128) -> Option<Duration> {
        let [until, _] = self.bans.get()?.read(ban(caller));
        until.and_then(|until| left(until, self.now()))
    }

    /// Keeps a ban, and how long it is believed without asking.
    fn keep_ban(&self, caller: u128, left: Duration, believed: Duration) {
        let now = self.now();
        let after = |time| now.saturating_add(nanos(time));
        let state = [Some(after(left)), Some(after(believed.min(left)))];
        let bans = || BoundedStore::new(BANS, Memory::Forgetful);
        let bans = self.bans.get_or_init(bans);
        bans.write(now, ban(caller), state);
    }

    /// Refuses a caller for a while, up to 31 days; tells whether the others
    /// have heard of it.
    pub(super) fn ban(self: &Arc<Self>, tag: u128, caller: u128, time: Duration) -> Soon<bool> {
        let time = time.min(LONGEST_BAN);
        self.keep_ban(caller, time, time);
        let Some(shared) = &self.shared else {
            return Soon::Now(true);
        };
        let stored = shared.ban(tag, caller, Some(time));
        let counters = Arc::clone(self);
        Soon::Later(Box::pin(async move {
            // What the others have not heard of holds here until its end.
            let stored = stored.wait().await;
            if stored {
                counters.keep_ban(caller, time, BELIEVED);
            }
            stored
        }))
    }

    /// Lets a caller in again; tells whether the others will hear of it.
    pub(super) fn unban(&self, tag: u128, caller: u128) -> Soon<bool> {
        if let Some(bans) = self.bans.get() {
            bans.write(self.now(), ban(caller), State::default());
        }
        match &self.shared {
            Some(shared) => shared.ban(tag, caller, None),
            None => Soon::Now(true),
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
