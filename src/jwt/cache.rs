//! Tokens whose signature held a moment ago: what is costly about a token is
//! its signature, and that does not change.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::keys::Key;
use crate::clock::UnixSeconds;
use crate::wire::claim_set::ClaimSet;

/// How long an entry is believed, at most.
const LIFETIME: Duration = Duration::from_secs(60);

/// Claims of more bytes are not kept, so that the number of entries bounds the
/// memory.
const MAX_CLAIM_BYTES: usize = 1_600;

/// The entries among which a token has its place.
const WAYS: usize = 8;

/// SHA-256 of the whole token. The signature alone, or a part of the token,
/// would let a token with the same part pass.
pub(super) type TokenHash = [u8; 32];

/// A bounded map from tokens to their claims. It belongs to one verifier, so
/// that two policies never share an entry.
pub(super) struct TokenCache {
    sets: Box<[Mutex<[Option<Slot>; WAYS]>]>,
}

struct Slot {
    hash: TokenHash,
    entry: Cached,
    /// Uses since the last time that room was looked for. Tokens used once
    /// leave before those used often.
    uses: u8,
}

/// A token that was verified.
#[derive(Clone)]
pub(super) struct Cached {
    pub(super) key: Arc<Key>,
    pub(super) claims: Arc<ClaimSet>,
    pub(super) since: UnixSeconds,
}

impl Cached {
    /// A clock that went back makes every age a guess.
    fn is_current(&self, now: UnixSeconds) -> bool {
        self.since <= now && now < self.since.plus(LIFETIME)
    }
}

impl TokenCache {
    /// Makes room for at most this many tokens, and at least half as many.
    pub(super) fn new(capacity: usize) -> Self {
        let sets = 1 << (capacity / WAYS).max(1).ilog2();
        Self {
            sets: std::iter::repeat_with(Mutex::default).take(sets).collect(),
        }
    }

    pub(super) fn hash(token: &str) -> TokenHash {
        Sha256::digest(token).into()
    }

    pub(super) fn get(&self, hash: &TokenHash, now: UnixSeconds) -> Option<Cached> {
        let mut set = self
            .set(hash)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let slot = set.iter_mut().flatten().find(|slot| slot.hash == *hash)?;
        slot.uses = slot.uses.saturating_add(1);
        slot.entry.is_current(now).then(|| slot.entry.clone())
    }

    pub(super) fn insert(&self, hash: TokenHash, entry: Cached, now: UnixSeconds) {
        if entry.claims.len() > MAX_CLAIM_BYTES {
            return;
        }
        let mut set = self
            .set(&hash)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let worth = |slot: &Option<Slot>| match slot {
            None => None,
            Some(slot) if slot.hash == hash || !slot.entry.is_current(now) => None,
            Some(slot) => Some((slot.uses, slot.entry.since)),
        };
        let place = (0..WAYS).min_by_key(|index| worth(&set[*index]));
        if set.iter().all(|slot| worth(slot).is_some()) {
            for slot in set.iter_mut().flatten() {
                slot.uses /= 2;
            }
        }
        if let Some(place) = place {
            set[place] = Some(Slot {
                hash,
                entry,
                uses: 0,
            });
        }
    }

    fn set(&self, hash: &TokenHash) -> &Mutex<[Option<Slot>; WAYS]> {
        let [a, b, c, d, ..] = *hash;
        let index = u32::from_le_bytes([a, b, c, d]) as usize;
        // The number of sets is a power of two.
        &self.sets[index & (self.sets.len() - 1)]
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("capacity", &(self.sets.len() * WAYS))
            .finish_non_exhaustive()
    }
}
