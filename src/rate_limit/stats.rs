//! What a limit has done, for operators.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a limit decided what, since it was built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests within the quota.
    pub allowed: u64,
    /// Requests over it.
    pub limited: u64,
    /// Requests of banned callers.
    pub banned: u64,
    /// Requests that are not counted.
    pub exempt: u64,
    /// Requests over the quota that passed, since the limit only watches.
    pub shadowed: u64,
    /// Of the allowed, those that this process counted by itself since the
    /// others could not be asked.
    pub degraded: u64,
    /// Requests that passed uncounted since the others could not be asked.
    pub unchecked: u64,
    /// Requests refused with 503 since the others could not be asked.
    pub unavailable: u64,
    /// Clients that had to make room in memory while they owed something. Grows
    /// under a flood of addresses.
    pub evictions: u64,
    /// Whether the counters of all processes can be asked; `None` if there are
    /// none.
    pub connected: Option<bool>,
}

/// Counts outcomes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    allowed: AtomicU64,
    limited: AtomicU64,
    banned: AtomicU64,
    exempt: AtomicU64,
    shadowed: AtomicU64,
    degraded: AtomicU64,
    unchecked: AtomicU64,
    unavailable: AtomicU64,
    top: Mutex<Vec<Denials>>,
}

/// How often a caller was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Denials {
    /// The caller.
    pub caller: String,
    /// About how often: never less than since it was last among the top.
    pub count: u64,
    hash: u128,
}

/// How many callers are kept.
const TOP: usize = 64;

macro_rules! counts {
    ($($name:ident),*) => {
        $(pub(super) fn $name(&self) {
            self.$name.fetch_add(1, Ordering::Relaxed);
        })*
    };
}

impl Tally {
    counts!(limited, banned, exempt, shadowed, unchecked, unavailable);

    pub(super) fn allowed(&self, degraded: bool) {
        self.allowed.fetch_add(1, Ordering::Relaxed);
        if degraded {
            self.degraded.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts who was refused. The caller who was refused least makes room for
    /// a new one, who inherits the count: so nobody often refused is missed.
    pub(super) fn denied(&self, hash: u128, caller: impl FnOnce() -> Option<String>) {
        // Nobody waits for a statistic.
        let Ok(mut top) = self.top.try_lock() else {
            return;
        };
        if let Some(known) = top.iter_mut().find(|known| known.hash == hash) {
            known.count += 1;
            return;
        }
        let Some(caller) = caller() else { return };
        if top.len() < TOP {
            let count = 1;
            top.push(Denials {
                caller,
                count,
                hash,
            });
        } else if let Some(least) = top.iter_mut().min_by_key(|known| known.count) {
            *least = Denials {
                caller,
                count: least.count + 1,
                hash,
            };
        }
    }

    pub(super) fn top(&self, most: usize) -> Vec<Denials> {
        let top = self.top.lock();
        let mut top = top.map(|top| top.clone()).unwrap_or_default();
        top.sort_by_key(|caller| std::cmp::Reverse(caller.count));
        top.truncate(most);
        top
    }

    pub(super) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            allowed: read(&self.allowed),
            limited: read(&self.limited),
            banned: read(&self.banned),
            exempt: read(&self.exempt),
            shadowed: read(&self.shadowed),
            degraded: read(&self.degraded),
            unchecked: read(&self.unchecked),
            unavailable: read(&self.unavailable),
            evictions: 0,
            connected: None,
        }
    }
}
