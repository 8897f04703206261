//! Which tokens are known to have reached their clients.
//!
//! Whoever uses an access token has the refresh token that came with it; after
//! that, its predecessor is not excused by a lost answer any more. The store is
//! told once a token, in the background.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Semaphore;

use super::store::RefreshStore;

/// How many tokens are remembered as told; 512 KiB. Forgetting one costs a
/// write that changes nothing.
const REMEMBERED: usize = 1 << 16;

/// How many writes may be under way. Beyond that, a later request tells.
const WRITES: usize = 64;

pub(super) struct Receipts {
    store: Arc<dyn RefreshStore>,
    /// Whether anybody observes tokens; if not, no answer counts as lost.
    observed: AtomicBool,
    /// One hash a slot, of the token that was told last.
    told: Arc<[AtomicU64]>,
    hasher: RandomState,
    writes: Arc<Semaphore>,
}

impl fmt::Debug for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipts").finish_non_exhaustive()
    }
}

impl Receipts {
    pub(super) fn new(store: Arc<dyn RefreshStore>) -> Self {
        Self {
            store,
            observed: AtomicBool::new(false),
            told: (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            writes: Arc::new(Semaphore::new(WRITES)),
        }
    }

    pub(super) fn observe(&self) {
        self.observed.store(true, Ordering::Relaxed);
    }

    pub(super) fn are_observed(&self) -> bool {
        self.observed.load(Ordering::Relaxed)
    }

    /// Notes that a client used an access token.
    pub(super) fn note(&self, sid: &str, generation: u64) {
        // The first token has no predecessor.
        if generation == 0 {
            return;
        }
        let hash = self.hasher.hash_one((sid, generation)).max(1);
        let slot = &self.told[hash as usize % REMEMBERED];
        if slot.load(Ordering::Relaxed) == hash {
            return;
        }
        let (Ok(permit), Ok(runtime)) = (
            Arc::clone(&self.writes).try_acquire_owned(),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        slot.store(hash, Ordering::Relaxed);
        let told = Arc::clone(&self.told);
        let (store, sid) = (Arc::clone(&self.store), sid.to_owned());
        drop(runtime.spawn(async move {
            if let Err(error) = store.confirm(&sid, generation).await {
                crate::trace::degraded("session-receipt", &error);
                // A later request tells.
                told[hash as usize % REMEMBERED].store(0, Ordering::Relaxed);
            }
            drop(permit);
        }));
    }
}
