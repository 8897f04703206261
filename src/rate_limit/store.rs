//! Where the limiter keeps what clients owe: a table of fixed size.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::secret::random_bytes;

/// A client, hashed with a key that only this process knows, so that nobody
/// can choose keys that meet in one bucket.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Slot {
    bucket: usize,
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
    buckets: Box<[Mutex<Bucket>]>,
}

/// The most slots of one decision: four windows, each on three rungs.
pub(super) const MOST: usize = 12;

/// The buckets that a decision holds.
#[derive(Default)]
struct Locked<'a>([Option<(usize, MutexGuard<'a, Bucket>)>; MOST]);

impl Locked<'_> {
    fn bucket(&mut self, wanted: usize) -> &mut Bucket {
        let mut held = self.0.iter_mut().flatten();
        let (_, guard) = held
            .find(|(index, _)| *index == wanted)
            .expect("every slot's bucket was locked");
        guard
    }
}

#[derive(Default)]
struct Bucket([Entry; WAYS]);

impl Bucket {
    fn find(&self, slot: Slot) -> Option<u64> {
        let mut entries = self.0.iter();
        let entry = entries.find(|entry| entry.fingerprint == slot.fingerprint);
        entry.map(|entry| entry.arrival)
    }

    /// Replaces what a key owes; nothing is forgotten.
    fn put(&mut self, slot: Slot, owed: Option<u64>) {
        let known = self
            .0
            .iter()
            .position(|entry| entry.fingerprint == slot.fingerprint);
        let Some(arrival) = owed else {
            if let Some(known) = known {
                self.0[known] = Entry::default();
            }
            return;
        };
        let least = || {
            let entries = self.0.iter().enumerate();
            let least = entries.min_by_key(|(_, entry)| entry.arrival);
            least.map_or(0, |(place, _)| place)
        };
        self.0[known.unwrap_or_else(least)] = Entry {
            fingerprint: slot.fingerprint,
            arrival,
        };
    }
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

    /// Finds the place of a key; the kinds keep what is counted apart for one
    /// key.
    pub(super) fn slot(&self, kinds: [u8; 2], key: &[u8]) -> Slot {
        let mut hasher = self.hasher;
        hasher.write(&kinds);
        hasher.write(key);
        let (bucket, fingerprint) = hasher.finish128().as_u64();
        let mask = self.buckets.len() as u64 - 1;
        Slot {
            bucket: usize::try_from(bucket & mask).expect("the mask is below a length"),
            fingerprint: fingerprint.max(1),
        }
    }

    /// Changes what several keys owe: all, or with an error none. Nobody else
    /// sees or changes any of them meanwhile.
    ///
    /// `decide` gets what each owes, in the order of the slots, and puts there
    /// what each owes next.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST`] slots.
    pub(super) fn decide<T, E>(
        &self,
        slots: &[Slot],
        decide: impl FnOnce(&mut [Option<u64>]) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut owed = [None; MOST];
        let owed = &mut owed[..slots.len()];
        let mut locked = self.lock(slots);
        for (owed, slot) in owed.iter_mut().zip(slots) {
            *owed = locked.bucket(slot.bucket).find(*slot);
        }
        let outcome = decide(owed)?;
        for (owed, slot) in owed.iter().zip(slots) {
            locked.bucket(slot.bucket).put(*slot, *owed);
        }
        Ok(outcome)
    }

    /// Locks the buckets of all slots, lowest first, so that two callers never
    /// wait for each other.
    fn lock(&self, slots: &[Slot]) -> Locked<'_> {
        let mut wanted = [usize::MAX; MOST];
        for (wanted, slot) in wanted.iter_mut().zip(slots) {
            *wanted = slot.bucket;
        }
        let wanted = &mut wanted[..slots.len()];
        wanted.sort_unstable();
        let mut locked = Locked::default();
        for (place, index) in wanted.iter().enumerate() {
            if place == 0 || wanted[place - 1] != *index {
                // Entries are written after the decision, one assignment each.
                let guard = self.buckets[*index]
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                locked.0[place] = Some((*index, guard));
            }
        }
        locked
    }
}

impl fmt::Debug for BoundedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedStore")
            .field("capacity", &(self.buckets.len() * WAYS))
            .finish()
    }
}
