//! Where the limiter keeps what clients owe: a table of fixed size.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use siphasher::sip128::SipHasher13;

use crate::secret::random_bytes;

/// A client, hashed with a key that only this process knows, so that nobody
/// can choose keys that meet in one bucket.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Slot {
    bucket: u64,
    fingerprint: u64,
}

/// Entries that share a bucket. Eight are two cache lines.
const WAYS: usize = 8;

/// Maps clients to their theoretical arrival time.
///
/// When a bucket is full, the entry that owes least makes room: a flood of new
/// clients, who owe one request each, pushes out one another and not an
/// abuser who owes many.
pub(super) struct BoundedStore {
    hasher: SipHasher13,
    buckets: Box<[Mutex<[Entry; WAYS]>]>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// 0 marks an empty entry.
    fingerprint: u64,
    arrival: u64,
}

impl BoundedStore {
    pub(super) fn with_capacity(entries: usize) -> Self {
        let buckets = entries.div_ceil(WAYS).next_power_of_two();
        Self {
            hasher: SipHasher13::new_with_key(&random_bytes::<16>()),
            buckets: (0..buckets).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) fn slot(&self, key: &[u8]) -> Slot {
        let (bucket, fingerprint) = self.hasher.hash(key).as_u64();
        Slot {
            bucket,
            fingerprint: fingerprint.max(1),
        }
    }

    /// Forgets what a client owes.
    pub(super) fn forget(&self, slot: Slot) {
        self.with_bucket(slot, |entries| {
            for entry in entries
                .iter_mut()
                .filter(|entry| entry.fingerprint == slot.fingerprint)
            {
                *entry = Entry::default();
            }
        });
    }

    fn with_bucket<T>(&self, slot: Slot, act: impl FnOnce(&mut [Entry; WAYS]) -> T) -> T {
        let mask = self.buckets.len() as u64 - 1;
        let index = usize::try_from(slot.bucket & mask).expect("the mask is below a length");
        // An entry is written in one assignment, after the decision.
        act(&mut self.buckets[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

impl StateStore for BoundedStore {
    type Key = Slot;

    fn measure_and_replace<T, F, E>(&self, slot: &Slot, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.with_bucket(*slot, |entries| {
            let known = entries
                .iter_mut()
                .find(|entry| entry.fingerprint == slot.fingerprint);
            let (outcome, arrival) = decide(known.as_ref().map(|entry| Nanos::new(entry.arrival)))?;
            let place = match known {
                Some(entry) => entry,
                None => entries
                    .iter_mut()
                    .min_by_key(|entry| entry.arrival)
                    .expect("a bucket has entries"),
            };
            *place = Entry {
                fingerprint: slot.fingerprint,
                arrival: arrival.as_u64(),
            };
            Ok(outcome)
        })
    }
}

impl fmt::Debug for BoundedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedStore")
            .field("capacity", &(self.buckets.len() * WAYS))
            .finish()
    }
}
