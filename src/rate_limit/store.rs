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
    /// Whoever owes least is forgotten; of strict quotas, whoever asked longest
    /// ago. Under a flood of new clients, one that asks slowly may be forgotten
    /// too.
    #[default]
    Forgetful,
    /// Debts outlive their places in the table, as an upper bound. Under such a
    /// flood newcomers may get less than their quota, and nobody more.
    /// Takes 32 bytes more an entry, and cannot keep [strict
    /// quotas](super::Quota::strict).
    Strict,
}

/// A key, and whether both halves of its state are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) key: u128,
    pub(super) halves: bool,
}

/// Where a key's entry is. Keys are hashed with a secret, so that nobody can
/// choose keys that meet in one bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    bucket: usize,
    fingerprint: u64,
    halves: bool,
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

/// A bucket in a pair of cache lines, which are fetched together.
#[derive(Default)]
#[repr(align(128))]
struct Lines(Mutex<Bucket>);

#[derive(Default)]
struct Bucket([Entry; WAYS]);

/// What a key owes, and in which entries of its bucket.
#[derive(Default)]
struct Found {
    state: State,
    places: [Option<usize>; 2],
}

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

    fn place(&self, Slot { key, halves }: Slot) -> Place {
        let mask = self.buckets.len() as u128 - 1;
        #[allow(clippy::cast_possible_truncation)]
        let fingerprint = (key >> 64) as u64;
        Place {
            bucket: usize::try_from(key & mask).expect("the mask is below a length"),
            fingerprint: fingerprint.max(2),
            halves,
        }
    }

    /// Changes what several keys owe: all, or with an error none. Nobody else
    /// sees or changes any of them meanwhile.
    ///
    /// `decide` gets the time, which `clock` tells once nobody else can come in
    /// between, and what each owes, in the order of the keys; it puts there what
    /// each owes next.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST`] slots.
    pub(super) fn decide<T, E>(
        &self,
        clock: impl FnOnce() -> u64,
        slots: &[Slot],
        decide: impl FnOnce(u64, &mut [State]) -> Result<T, E>,
    ) -> Result<T, E> {
        if let [slot] = slots {
            let decide = |now, state: &mut State| decide(now, std::slice::from_mut(state));
            return self.decide_one(clock, *slot, decide);
        }
        let mut before = [State::default(); MOST];
        let mut locked = self.lock_all(slots);
        let now = clock();
        for (state, slot) in before.iter_mut().zip(slots) {
            let place = self.place(*slot);
            *state = self.find(locked.bucket(place.bucket), place).state;
        }
        let mut after = before;
        let outcome = decide(now, &mut after[..slots.len()])?;
        for ((slot, before), after) in slots.iter().zip(before).zip(after) {
            let place = self.place(*slot);
            let bucket = locked.bucket(place.bucket);
            // Another key of the same bucket may have taken a place since.
            let found = Found {
                state: before,
                ..self.find(bucket, place)
            };
            self.put(bucket, place, &found, after, now);
        }
        Ok(outcome)
    }

    /// As [`decide`](Self::decide), for one key.
    pub(super) fn decide_one<T, E>(
        &self,
        clock: impl FnOnce() -> u64,
        slot: Slot,
        decide: impl FnOnce(u64, &mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        let place = self.place(slot);
        let bucket = &mut *self.lock(place.bucket);
        let now = clock();
        let found = self.find(bucket, place);
        let mut after = found.state;
        let outcome = decide(now, &mut after)?;
        self.put(bucket, place, &found, after, now);
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
    fn lock_all(&self, slots: &[Slot]) -> Locked<'_> {
        let mut wanted = [usize::MAX; MOST];
        for (wanted, slot) in wanted.iter_mut().zip(slots) {
            *wanted = self.place(*slot).bucket;
        }
        let wanted = &mut wanted[..slots.len()];
        wanted.sort_unstable();
        let mut locked = Locked::default();
        for (place, index) in wanted.iter().enumerate() {
            if place == 0 || wanted[place - 1] != *index {
                locked.0[place] = Some((*index, self.lock(*index)));
            }
        }
        locked
    }

    /// Finds what a key owes, and where that is written.
    fn find(&self, bucket: &Bucket, place: Place) -> Found {
        let mut found = Found::default();
        for half in 0..place.count() {
            let fingerprint = place.half(half).fingerprint;
            let mut entries = bucket.0.iter();
            found.places[half] = entries.position(|entry| entry.fingerprint == fingerprint);
            found.state[half] = match (found.places[half], &self.sketch) {
                (Some(known), _) => Some(bucket.0[known].owed),
                (None, Some(sketch)) => sketch.at_most(place.half(half).hash()),
                (None, None) => None,
            };
        }
        found
    }

    /// Writes what changed.
    fn put(&self, bucket: &mut Bucket, place: Place, found: &Found, after: State, now: u64) {
        for (half, owed) in after.into_iter().enumerate().take(place.count()) {
            if owed == found.state[half] {
                continue;
            }
            match (found.places[half], owed) {
                (Some(known), Some(owed)) => bucket.0[known].owed = owed,
                (Some(known), None) => bucket.0[known] = Entry::default(),
                (None, Some(owed)) => self.insert(bucket, place.half(half), owed, now),
                (None, None) => {}
            }
        }
    }

    /// Reads what a key owes.
    pub(super) fn read(&self, slot: Slot) -> State {
        let place = self.place(slot);
        self.find(&self.lock(place.bucket), place).state
    }

    /// Replaces what a key owes.
    pub(super) fn write(&self, now: u64, slot: Slot, state: State) {
        let place = self.place(slot);
        let bucket = &mut *self.lock(place.bucket);
        let found = self.find(bucket, place);
        self.put(bucket, place, &found, state, now);
    }

    fn insert(&self, bucket: &mut Bucket, place: Place, owed: u64, now: u64) {
        // One half does not push out the other.
        let other = place.half(1).fingerprint;
        let entries = bucket.0.iter_mut();
        let entries = entries.filter(|entry| !place.halves || entry.fingerprint != other);
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

    /// Lets a key owe nothing.
    pub(super) fn forget(&self, now: u64, slot: Slot) {
        // Without an entry, the sketch would be asked.
        let nothing = self.sketch.as_ref().map(|_| 0);
        self.write(now, slot, [nothing, None]);
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

    pub(super) fn memory(&self) -> Memory {
        match self.sketch {
            Some(_) => Memory::Strict,
            None => Memory::Forgetful,
        }
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
    fn count(self) -> usize {
        1 + usize::from(self.halves)
    }

    /// Where a half of a state is: the second beside the first.
    fn half(self, half: usize) -> Self {
        Self {
            fingerprint: self.fingerprint ^ half as u64,
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
