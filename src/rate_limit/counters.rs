//! Counts what is asked, here or where several processes count together.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

#[cfg(not(feature = "redis"))]
use super::alone::{Refused, Shared};
use super::rate::{Rate, Ruling, State};
#[cfg(feature = "redis")]
use super::redis::{Refused, Shared};
use super::store::{BoundedStore, MOST, Memory};
use crate::clock::Clock;

/// One counter on which a request is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    pub(super) key: u128,
    pub(super) rate: Rate,
}

impl Charge {
    /// Fills places that are not used.
    pub(super) const NONE: Self = Self {
        key: 0,
        rate: Rate::Strict { period: 1, most: 0 },
    };
}

/// A request, as counters see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// At least one, at most [`MOST`].
    pub(super) charges: &'a [Charge],
    pub(super) cost: NonZeroU32,
    /// Who may be banned; counters of one caller lie together.
    pub(super) caller: u128,
    /// Whether the request may be given back: then it is counted by itself.
    pub(super) kept: bool,
}

/// What the counters say: one ruling a charge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    rulings: [Ruling; MOST],
    charges: usize,
    pub(super) by: By,
}

/// Who counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum By {
    Memory,
    Shared,
    /// The memory of this process, by its part of the quota, since the others
    /// cannot be asked.
    Degraded {
        processes: NonZeroU32,
    },
}

impl By {
    /// Tells whether the others could not be asked.
    pub(super) fn is_degraded(self) -> bool {
        matches!(self, Self::Degraded { .. })
    }

    /// The rate by which was counted.
    fn rate(self, rate: Rate) -> Rate {
        match self {
            Self::Degraded { processes } => rate.share(processes),
            Self::Memory | Self::Shared => rate,
        }
    }
}

impl Answer {
    pub(super) fn new(by: By, rulings: impl IntoIterator<Item = Ruling>) -> Self {
        let mut answer = Self {
            rulings: [Ruling::Never; MOST],
            charges: 0,
            by,
        };
        for (place, ruling) in answer.rulings.iter_mut().zip(rulings) {
            *place = ruling;
            answer.charges += 1;
        }
        answer
    }

    pub(super) fn rulings(&self) -> &[Ruling] {
        &self.rulings[..self.charges]
    }

    pub(super) fn admits(&self) -> bool {
        let mut rulings = self.rulings().iter();
        rulings.all(|ruling| matches!(ruling, Ruling::Left { .. }))
    }
}

/// How a request was met.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant)] // Moved once or twice, kept nowhere.
pub(super) enum Met {
    /// The counters were asked.
    Counted(Answer),
    /// The caller is banned for so long.
    Banned(Duration),
    /// The others cannot be asked, and the setting says to refuse.
    Down,
    /// The others cannot be asked, and the setting says to let pass.
    Unchecked,
}

/// An answer, now or later.
pub(super) enum Soon<T> {
    Now(T),
    Later(Later<T>),
}

pub(super) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<T> Soon<T> {
    pub(super) async fn wait(self) -> T {
        match self {
            Self::Now(value) => value,
            Self::Later(later) => later.await,
        }
    }
}

/// Everything that is counted by one limit.
pub(super) struct Counters {
    pub(super) hasher: SipHasher13,
    store: BoundedStore,
    bans: BoundedStore,
    banning: AtomicBool,
    clock: Arc<dyn Clock>,
    shared: Option<Shared>,
}

/// How many bans are kept here.
const BANS: usize = 1 << 14;

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
        u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX)
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
            Refused::Banned { left, recheck } => {
                self.keep_ban(now, ask.caller, left, recheck.min(left));
                Met::Banned(left)
            }
            Refused::Down => Met::Down,
            Refused::Unchecked => Met::Unchecked,
            #[cfg(feature = "redis")]
            Refused::Local { processes } => {
                let by = By::Degraded { processes };
                Met::Counted(self.spend_here(now, ask, by))
            }
        }
    }

    fn spend_here(&self, now: u64, ask: Ask<'_>, by: By) -> Answer {
        let mut answer = Answer::new(by, []);
        answer.charges = ask.charges.len();
        let mut keys = [0; MOST];
        for (key, charge) in keys.iter_mut().zip(ask.charges) {
            *key = charge.key;
        }
        let rulings = &mut answer.rulings[..ask.charges.len()];
        let keys = &keys[..ask.charges.len()];
        // An error writes nothing, and the rulings tell why.
        let _: Result<(), ()> = self.store.decide(now, keys, |states| {
            let mut admitted = true;
            for ((ruling, charge), state) in rulings.iter_mut().zip(ask.charges).zip(states) {
                *ruling = by.rate(charge.rate).spend(now, ask.cost, state);
                admitted &= matches!(ruling, Ruling::Left { .. });
            }
            if admitted { Ok(()) } else { Err(()) }
        });
        answer
    }

    /// Gives a request back, where and as far as it was counted.
    pub(super) fn refund(self: &Arc<Self>, receipt: Receipt) -> Soon<()> {
        match (receipt.by, &self.shared) {
            (By::Shared, Some(shared)) => shared.refund(receipt),
            _ => {
                let now = self.now();
                for (charge, mark) in &receipt.charges {
                    self.change(now, charge.key, |state| {
                        charge.rate.refund(now, receipt.cost, *mark, state);
                    });
                }
                Soon::Now(())
            }
        }
    }

    /// Reads how much each charge would have left.
    pub(super) fn peek(&self, caller: u128, charges: &[Charge]) -> Soon<Option<Vec<u32>>> {
        if let Some(shared) = &self.shared {
            return shared.peek(caller, charges);
        }
        let now = self.now();
        let each = charges
            .iter()
            .map(|charge| charge.rate.peek(now, &self.store.read(charge.key)));
        Soon::Now(Some(each.collect()))
    }

    /// Gives counters their whole quota back.
    pub(super) fn forget(&self, caller: u128, keys: &[u128]) -> Soon<()> {
        let now = self.now();
        for key in keys {
            self.store.write(now, *key, State::default());
        }
        match &self.shared {
            Some(shared) => shared.forget(caller, keys.to_vec()),
            None => Soon::Now(()),
        }
    }

    /// Counts a strike, in this process; tells whether it was the last one
    /// allowed.
    pub(super) fn strike(&self, strikes: Charge) -> bool {
        let mut last = false;
        self.change(self.now(), strikes.key, |state| {
            let ruling = strikes.rate.spend(self.now(), NonZeroU32::MIN, state);
            last = !matches!(ruling, Ruling::Left { left: 1.., .. });
        });
        last
    }

    fn change(&self, now: u64, key: u128, change: impl FnOnce(&mut State)) {
        let changed: Result<(), std::convert::Infallible> =
            self.store.decide(now, &[key], |states| {
                change(&mut states[0]);
                Ok(())
            });
        let Ok(()) = changed;
    }

    fn banned(&self, now: u64, caller: u128) -> Option<Duration> {
        if !self.banning.load(Ordering::Relaxed) {
            return None;
        }
        let [until, believed_until] = self.bans.read(caller);
        let left = until?.checked_sub(now).filter(|left| *left > 0)?;
        (believed_until? > now).then(|| Duration::from_nanos(left))
    }

    fn keep_ban(&self, now: u64, caller: u128, left: Duration, believed: Duration) {
        let after =
            |time: Duration| now.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let ban = [Some(after(left)), Some(after(believed))];
        self.bans.write(now, caller, ban);
        self.banning.store(true, Ordering::Relaxed);
    }

    /// Refuses a caller for a while.
    pub(super) fn ban(&self, caller: u128, time: Duration) -> Soon<()> {
        self.keep_ban(self.now(), caller, time, time);
        match &self.shared {
            Some(shared) => shared.ban(caller, Some(time)),
            None => Soon::Now(()),
        }
    }

    /// Lets a caller in again.
    pub(super) fn unban(&self, caller: u128) -> Soon<()> {
        self.bans.write(self.now(), caller, State::default());
        match &self.shared {
            Some(shared) => shared.ban(caller, None),
            None => Soon::Now(()),
        }
    }

    pub(super) fn store(&self) -> &BoundedStore {
        &self.store
    }

    /// Tells whether the others can be asked; `None` if there are none.
    pub(super) fn connected(&self) -> Option<bool> {
        self.shared.as_ref().map(Shared::is_connected)
    }
}

/// What it takes to give a request back.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) charges: Vec<(Charge, u64)>,
    pub(super) caller: u128,
    pub(super) cost: NonZeroU32,
    pub(super) by: By,
}

impl Receipt {
    /// Keeps what an answer says; `None` if it refuses.
    pub(super) fn new(ask: &Ask<'_>, answer: &Answer) -> Option<Self> {
        let marks = answer.rulings().iter().map(|ruling| match ruling {
            Ruling::Left { mark, .. } => Some(*mark),
            _ => None,
        });
        let charges = ask.charges.iter().copied().zip(marks);
        let charges = charges.map(|(charge, mark)| {
            let rate = answer.by.rate(charge.rate);
            Some((Charge { rate, ..charge }, mark?))
        });
        Some(Self {
            charges: charges.collect::<Option<_>>()?,
            caller: ask.caller,
            cost: ask.cost,
            by: answer.by,
        })
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
