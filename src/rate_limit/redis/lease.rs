//! Requests that were granted ahead, to callers who ask very often.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::counters::{Answer, By, Charge};
use super::super::rate::{Rate, Ruling};

/// Keeps what was granted ahead, by the first counter of a caller.
///
/// A lease was counted when it was granted, so spending it here never admits
/// more than the quota. What is not spent within a second is lost.
#[derive(Default)]
pub(super) struct Leases {
    shards: [Mutex<HashMap<u128, Lease>>; SHARDS],
}

struct Lease {
    /// When the server was last asked, and how much ahead.
    asked_at: u64,
    size: u32,
    spare: u32,
    rates: Vec<Rate>,
    left: Vec<u32>,
}

const SHARDS: usize = 16;

/// How many callers are kept in a shard.
const MOST: usize = 256;

/// Who asks again within 20 ms asks often.
const OFTEN: u64 = 20_000_000;

/// How long a lease can be spent.
const LIFETIME: u64 = 1_000_000_000;

impl Leases {
    /// Spends a request that was granted ahead.
    pub(super) fn take(&self, now: u64, charges: &[Charge]) -> Option<Answer> {
        let mut shard = self.shard(charges)?;
        let lease = shard.get_mut(&charges.first()?.key)?;
        let fresh = now.saturating_sub(lease.asked_at) < LIFETIME;
        if !fresh || lease.spare == 0 || !lease.is_for(charges) {
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
    /// caller still asks often.
    pub(super) fn size(&self, now: u64, charges: &[Charge], most: u32) -> u32 {
        let (Some(mut shard), Some(first)) = (self.shard(charges), charges.first()) else {
            return 0;
        };
        if shard.len() >= MOST && !shard.contains_key(&first.key) {
            shard.retain(|_, lease| now.saturating_sub(lease.asked_at) < OFTEN);
            if shard.len() >= MOST {
                return 0;
            }
        }
        let lease = shard.entry(first.key).or_insert_with(|| Lease {
            asked_at: 0,
            size: 0,
            spare: 0,
            rates: Vec::new(),
            left: Vec::new(),
        });
        let often = lease.asked_at > 0 && now.saturating_sub(lease.asked_at) < OFTEN;
        // One that was spent within its time and asked again is as frequent.
        let spent = lease.size > 0 && lease.spare == 0;
        lease.size = if often || spent && now.saturating_sub(lease.asked_at) < LIFETIME {
            lease.size.saturating_mul(2).max(1).min(most)
        } else {
            0
        };
        lease.asked_at = now.max(1);
        lease.size
    }

    /// Keeps what was granted ahead.
    pub(super) fn keep(&self, now: u64, charges: &[Charge], granted: u32, answer: &Answer) {
        let (Some(mut shard), Some(first)) = (self.shard(charges), charges.first()) else {
            return;
        };
        if let Some(lease) = shard.get_mut(&first.key) {
            let same = lease.is_for(charges);
            let fresh = now.saturating_sub(lease.asked_at) < LIFETIME;
            let spare = if same && fresh { lease.spare } else { 0 };
            lease.spare = spare.saturating_add(granted);
            lease.rates = charges.iter().map(|charge| charge.rate).collect();
            let each = answer.rulings().iter();
            lease.left = each
                .map(|ruling| match ruling {
                    Ruling::Left { left, .. } => left.saturating_sub(granted),
                    _ => 0,
                })
                .collect();
        }
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
    fn is_for(&self, charges: &[Charge]) -> bool {
        self.rates
            .iter()
            .eq(charges.iter().map(|charge| &charge.rate))
    }
}
