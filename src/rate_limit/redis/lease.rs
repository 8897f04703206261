//! Requests that were granted ahead, to callers who ask very often.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::ask::{Answer, By, Charge};
use super::super::rate::{Rate, Ruling};

/// Keeps what was granted ahead, by the first counter of a caller.
///
/// A lease was counted when it was granted, so spending it never admits more
/// than was counted; but up to a quarter of a second later, so that a window may
/// hold as many more as come back in that time. What is not spent by then is
/// lost.
#[derive(Default)]
pub(super) struct Leases {
    shards: [Mutex<HashMap<u128, Lease>>; SHARDS],
}

#[derive(Default)]
struct Lease {
    /// When the server was last asked, for how much ahead, and whether it has
    /// answered. Nothing is asked for ahead until it has.
    asked_at: u64,
    size: u32,
    answered: bool,
    /// What can be spent, and when it was granted.
    spare: u32,
    granted_at: u64,
    rates: Vec<Rate>,
    left: Vec<u32>,
}

const SHARDS: usize = 16;

/// How many callers are kept in a shard.
const MOST: usize = 256;

/// Who asks again within 20 ms asks often.
const OFTEN: u64 = 20_000_000;

/// How long a lease can be spent.
const LIFETIME: u64 = 250_000_000;

impl Leases {
    /// Spends a request that was granted ahead.
    pub(super) fn take(&self, now: u64, charges: &[Charge]) -> Option<Answer> {
        let mut shard = self.shard(charges)?;
        let lease = shard.get_mut(&charges.first()?.key)?;
        if !lease.can_be_spent(now, charges) {
            lease.spare = 0;
            return None;
        }
        lease.spare -= 1;
        let rulings = lease.left.iter().map(|left| Ruling::Left {
            left: left.saturating_add(lease.spare),
            mark: 0,
        });
        Some(Answer::new(By::Shared, rulings))
    }

    /// Says how many requests to ask for ahead: twice as many as before, if the
    /// caller has used those up and still asks often.
    pub(super) fn size(&self, now: u64, charges: &[Charge], most: u32) -> u32 {
        let (Some(mut shard), Some(first)) = (self.shard(charges), charges.first()) else {
            return 0;
        };
        if shard.len() >= MOST && !shard.contains_key(&first.key) {
            // What is older can be spent no more.
            shard.retain(|_, lease| now.saturating_sub(lease.asked_at) < LIFETIME);
            if shard.len() >= MOST {
                return 0;
            }
        }
        let lease = shard.entry(first.key).or_default();
        if lease.can_be_spent(now, charges) {
            return 0;
        }
        let since = now.saturating_sub(lease.asked_at);
        if lease.asked_at > 0 && !lease.answered && since < LIFETIME {
            // One question ahead at a time; the others leave it as it is.
            return 0;
        }
        let used_up = lease.answered && lease.size > 0 && lease.spare == 0 && since < LIFETIME;
        let often = lease.answered && lease.size == 0 && since < OFTEN;
        lease.size = match (used_up, often) {
            (true, _) => lease.size.saturating_mul(2).min(most),
            (_, true) => 1.min(most),
            _ => 0,
        };
        lease.spare = 0;
        lease.asked_at = now.max(1);
        lease.answered = false;
        lease.size
    }

    /// Keeps what was granted ahead.
    pub(super) fn keep(&self, now: u64, charges: &[Charge], granted: u32, answer: &Answer) {
        let (Some(mut shard), Some(first)) = (self.shard(charges), charges.first()) else {
            return;
        };
        let Some(lease) = shard.get_mut(&first.key) else {
            return;
        };
        lease.answered = true;
        if granted == 0 {
            return;
        }
        // Two may have asked at once, and both were counted.
        if lease.can_be_spent(now, charges) {
            lease.spare = lease.spare.saturating_add(granted);
        } else {
            lease.spare = granted;
            lease.granted_at = now;
        }
        lease.rates = charges.iter().map(|charge| charge.rate).collect();
        let each = answer.rulings().iter();
        lease.left = each
            .map(|ruling| match ruling {
                Ruling::Left { left, .. } => left.saturating_sub(granted),
                _ => 0,
            })
            .collect();
    }

    /// Forgets a lease, so that what replaces it starts anew.
    pub(super) fn forget(&self, key: u128) {
        let shard = &self.shards[shard_of(key)];
        shard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
    }

    fn shard(&self, charges: &[Charge]) -> Option<MutexGuard<'_, HashMap<u128, Lease>>> {
        let shard = &self.shards[shard_of(charges.first()?.key)];
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn shard_of(key: u128) -> usize {
    usize::try_from(key % SHARDS as u128).unwrap_or_default()
}

impl Lease {
    fn can_be_spent(&self, now: u64, charges: &[Charge]) -> bool {
        let rates = charges.iter().map(|charge| &charge.rate);
        self.spare > 0
            && now.saturating_sub(self.granted_at) < LIFETIME
            && self.rates.iter().eq(rates)
    }
}
