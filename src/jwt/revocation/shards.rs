//! A map for reading on every request and writing now and then.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// A write copies one part of the map, so ten thousand entries cost it a
/// hundred and sixty.
const PARTS: usize = 64;

type Part<V> = ArcSwap<HashMap<String, V>>;

/// Texts with values. Readers never wait for a writer; writers take turns
/// elsewhere.
pub(super) struct Shards<V> {
    parts: [Part<V>; PARTS],
    hasher: RandomState,
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| ArcSwap::from_pointee(HashMap::new())),
            hasher: RandomState::new(),
        }
    }
}

impl<V: Clone> Shards<V> {
    /// Reads the value of a key.
    pub(super) fn with<R>(&self, key: &str, read: impl FnOnce(Option<&V>) -> R) -> R {
        let part = self.parts[self.part(key)].load();
        // Most parts are empty most of the time, and a hash is not free.
        match part.is_empty() {
            true => read(None),
            false => read(part.get(key)),
        }
    }

    /// Adds entries, except where what is there counts for more. Each part is
    /// copied once at most, and not at all if nothing is new.
    pub(super) fn add(&self, entries: Vec<(String, V)>, counts_more: impl Fn(&V, &V) -> bool) {
        let mut by_part: [Vec<(String, V)>; PARTS] = std::array::from_fn(|_| Vec::new());
        for (key, value) in entries {
            by_part[self.part(&key)].push((key, value));
        }
        for (part, entries) in self.parts.iter().zip(by_part) {
            let known = part.load();
            let mut copy = None;
            for (key, value) in entries {
                let present = copy.as_ref().unwrap_or(&**known).get(&key);
                if present.is_none_or(|present| !counts_more(present, &value)) {
                    let copy = copy.get_or_insert_with(|| HashMap::clone(&known));
                    copy.insert(key, value);
                }
            }
            if let Some(copy) = copy {
                part.store(Arc::new(copy));
            }
        }
    }

    /// Drops the entries that are not worth keeping.
    pub(super) fn retain(&self, keep: impl Fn(&V) -> bool) {
        for part in &self.parts {
            let entries = part.load();
            if entries.values().all(&keep) {
                continue;
            }
            let kept = entries.iter().filter(|(_, value)| keep(value));
            let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
            part.store(Arc::new(kept.collect()));
        }
    }

    fn part(&self, key: &str) -> usize {
        (self.hasher.hash_one(key) % PARTS as u64) as usize
    }
}
