//! Where the limiter keeps what clients owe: a table of fixed size.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rate::State;
use super::sketch::Sketch;

/// What happens to the debt of a client that has to make room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Memory {
    /// Whoever owes least is forgotten. Under a flood of new clients, one that
    /// asks slowly may be forgotten too.
    #[default]
    Forgetful,
    /// Debts outlive their places in the table, as an upper bound. Under such a
    /// flood newcomers may get less than their quota, and nobody more.
    /// Takes 32 bytes more an entry.
    Strict,
}

/// Where a key's entry is. Keys are hashed with a secret, so that nobody can
/// choose keys that meet in one bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    bucket: usize,
    fingerprint: u64,
}

/// Entries that share a bucket: as many as two cache lines hold beside a lock.
const WAYS: usize = 7;

/// Maps clients to what they owe, by 128-bit hashes.
///
/// When a bucket is full, the entry that owes least makes room: a flood of new
/// clients, who owe one request each, pushes out one another and not an
/// abuser who owes many.
pub(super) struct BoundedStore {
    buckets: Box<[Lines]>,
    sketch: Option<Sketch>,
    evictions: AtomicU64,
}

/// The most keys of one decision: four windows on three rungs each.
pub(super) const MOST: usize = 12;

/// The buckets that a decision holds.
#[derive(Default)]
struct Locked<'a>([Option<(usize, MutexGuard<'a, Bucket>)>; MOST]);

impl Locked<'_> {
    fn bucket(&mut self, wanted: usize) -> &mut Bucket {
        let mut held = self.0.iter_mut().flatten();
        let (_, guard) = held
            .find(|(index, _)| *index == wanted)
            .expect("every key's bucket was locked");
        guard
    }
}

/// A bucket in whole cache lines.
#[derive(Default)]
#[repr(align(64))]
struct Lines(Mutex<Bucket>);

#[derive(Default)]
struct Bucket([Entry; WAYS]);

#[derive(Clone, Copy, Default)]
struct Entry {
    /// 0 marks an empty entry.
    fingerprint: u64,
    owed: u64,
}

impl BoundedStore {
    pub(super) fn new(entries: usize, memory: Memory) -> Self {
        let buckets = entries.div_ceil(WAYS + 1).next_power_of_two();
        Self {
            buckets: (0..buckets).map(|_| Lines::default()).collect(),
            sketch: (memory == Memory::Strict).then(|| Sketch::new(buckets * (WAYS + 1))),
            evictions: AtomicU64::new(0),
        }
    }

    fn place(&self, key: u128) -> Place {
        let mask = self.buckets.len() as u128 - 1;
        #[allow(clippy::cast_possible_truncation)]
        let fingerprint = (key >> 64) as u64;
        Place {
            bucket: usize::try_from(key & mask).expect("the mask is below a length"),
            fingerprint: fingerprint.max(2),
        }
    }

    /// Changes what several keys owe: all, or with an error none. Nobody else
    /// sees or changes any of them meanwhile.
    ///
    /// `decide` gets what each owes, in the order of the keys, and puts there
    /// what each owes next. `now` tells who still owes something.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST`] keys.
    pub(super) fn decide<T, E>(
        &self,
        now: u64,
        keys: &[u128],
        decide: impl FnOnce(&mut [State]) -> Result<T, E>,
    ) -> Result<T, E> {
        if let [key] = keys {
            let place = self.place(*key);
            let bucket = &mut *self.lock(place.bucket);
            let before = self.find(bucket, place);
            let mut after = [before];
            let outcome = decide(&mut after)?;
            self.put(bucket, place, before, after[0], now);
            return Ok(outcome);
        }
        let mut before = [State::default(); MOST];
        let mut locked = self.lock_all(keys);
        for (state, key) in before.iter_mut().zip(keys) {
            let place = self.place(*key);
            *state = self.find(locked.bucket(place.bucket), place);
        }
        let mut after = before;
        let outcome = decide(&mut after[..keys.len()])?;
        for ((key, before), after) in keys.iter().zip(before).zip(after) {
            let place = self.place(*key);
            self.put(locked.bucket(place.bucket), place, before, after, now);
        }
        Ok(outcome)
    }

    fn lock(&self, bucket: usize) -> MutexGuard<'_, Bucket> {
        // Entries are written after the decision, one assignment each.
        self.buckets[bucket]
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the buckets of all keys, lowest first, so that two callers never
    /// wait for each other.
    fn lock_all(&self, keys: &[u128]) -> Locked<'_> {
        let mut wanted = [usize::MAX; MOST];
        for (wanted, key) in wanted.iter_mut().zip(keys) {
            *wanted = self.place(*key).bucket;
        }
        let wanted = &mut wanted[..keys.len()];
        wanted.sort_unstable();
        let mut locked = Locked::default();
        for (place, index) in wanted.iter().enumerate() {
            if place == 0 || wanted[place - 1] != *index {
                locked.0[place] = Some((*index, self.lock(*index)));
            }
        }
        locked
    }

    fn find(&self, bucket: &Bucket, place: Place) -> State {
        [place, place.second()].map(|place| {
            let mut entries = bucket.0.iter();
            let entry = entries.find(|entry| entry.fingerprint == place.fingerprint);
            match (entry, &self.sketch) {
                (Some(entry), _) => Some(entry.owed),
                (None, Some(sketch)) => sketch.at_most(place.hash()),
                (None, None) => None,
            }
        })
    }

    /// Writes what changed.
    fn put(&self, bucket: &mut Bucket, place: Place, before: State, after: State, now: u64) {
        for half in 0..2 {
            let owed = after[half];
            if owed == before[half] {
                continue;
            }
            let place = if half == 0 { place } else { place.second() };
            let mut entries = bucket.0.iter();
            let known = entries.position(|entry| entry.fingerprint == place.fingerprint);
            match (known, owed) {
                (Some(known), Some(owed)) => bucket.0[known].owed = owed,
                (Some(known), None) => bucket.0[known] = Entry::default(),
                (None, Some(owed)) => self.insert(bucket, place, owed, now),
                (None, None) => {}
            }
        }
    }

    fn insert(&self, bucket: &mut Bucket, place: Place, owed: u64, now: u64) {
        let entries = bucket.0.iter_mut();
        let Some(least) = entries.min_by_key(|entry| entry.owed) else {
            return;
        };
        if least.fingerprint != 0 && least.owed > now {
            self.evictions.fetch_add(1, Ordering::Relaxed);
            if let Some(sketch) = &self.sketch {
                let evicted = Place {
                    fingerprint: least.fingerprint,
                    ..place
                };
                sketch.raise(evicted.hash(), least.owed);
            }
        }
        *least = Entry {
            fingerprint: place.fingerprint,
            owed,
        };
    }

    /// Reads what a key owes.
    pub(super) fn read(&self, key: u128) -> State {
        let place = self.place(key);
        self.find(&self.lock(place.bucket), place)
    }

    /// Replaces what a key owes.
    pub(super) fn write(&self, now: u64, key: u128, state: State) {
        let place = self.place(key);
        let bucket = &mut *self.lock(place.bucket);
        let before = self.find(bucket, place);
        self.put(bucket, place, before, state, now);
    }

    /// Counts the entries that owe something.
    pub(super) fn occupancy(&self, now: u64) -> usize {
        let buckets = (0..self.buckets.len()).map(|index| {
            let bucket = self.lock(index);
            let live = bucket.0.iter().filter(|entry| entry.owed > now);
            live.count()
        });
        buckets.sum()
    }

    pub(super) fn capacity(&self) -> usize {
        self.buckets.len() * WAYS
    }

    /// How many clients had to make room while they owed something.
    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

impl Place {
    /// Where the second half of a state is: beside the first.
    fn second(self) -> Self {
        Self {
            fingerprint: self.fingerprint ^ 1,
            ..self
        }
    }

    fn hash(self) -> u64 {
        // The odd factor spreads neighbouring buckets over all bits.
        self.fingerprint ^ (self.bucket as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl fmt::Debug for BoundedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedStore")
            .field("capacity", &self.capacity())
            .finish()
    }
}
