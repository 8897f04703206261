//! A map for reading on every request and writing now and then.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// A write copies one part of the map, so ten thousand entries cost it a
/// hundred and sixty.
const PARTS: usize = 64;

/// Texts with values. Readers never wait for a writer.
pub(super) struct Shards<V> {
    parts: [ArcSwap<HashMap<String, V>>; PARTS],
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
        let part = self.part(key).load();
        // Most parts are empty most of the time, and a hash is not free.
        match part.is_empty() {
            true => read(None),
            false => read(part.get(key)),
        }
    }

    /// Sets the value of a key, from the one before. Writers take turns.
    pub(super) fn update(&self, key: &str, value: impl FnOnce(Option<&V>) -> V) {
        let part = self.part(key);
        let mut entries = HashMap::clone(&part.load());
        let value = value(entries.get(key));
        entries.insert(key.to_owned(), value);
        part.store(Arc::new(entries));
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

    fn part(&self, key: &str) -> &ArcSwap<HashMap<String, V>> {
        let hash = self.hasher.hash_one(key);
        &self.parts[(hash % PARTS as u64) as usize]
    }
}
