//! The keys of a set at one time.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::{SigningKey, VerifyingKey};
use super::key_state::{KeyState, KeyTimes, settle};
use crate::clock::UnixSeconds;

/// The `typ` of access tokens (RFC 9068 §2.1).
pub(super) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Where keys come from that a set does not have yet.
pub(super) trait FindKeys: fmt::Debug + Send + Sync {
    /// Returns a future that ends when it is worth looking again; `None` if
    /// it is not.
    fn find(&self, kid: &str) -> Option<Looking>;
}

/// The wait for a key.
pub(super) type Looking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The keys at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) entries: Vec<Entry>,
    /// Identifiers of compromised keys that are not at hand.
    pub(super) revoked: HashSet<String>,
    pub(super) token_lifetime: Option<Duration>,
    /// Until when the keys are believed; remote ones have to be fetched first.
    pub(super) usable_until: Option<UnixSeconds>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Arc<Key>,
    pub(super) times: KeyTimes,
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) verifying: VerifyingKey,
    pub(super) signing: Option<SigningKey>,
    /// The header of the access tokens that the key signs here, encoded: equal
    /// bytes need no reading.
    header: String,
}

impl Key {
    pub(super) fn new(verifying: VerifyingKey, signing: Option<SigningKey>) -> Self {
        let header = header(&verifying, ACCESS_TOKEN_TYPE);
        Self {
            verifying,
            signing,
            header,
        }
    }
}

pub(super) fn header(key: &VerifyingKey, typ: &str) -> String {
    let header = serde_json::json!({"alg": key.algorithm().as_str(), "kid": key.kid(), "typ": typ});
    URL_SAFE_NO_PAD.encode(header.to_string())
}

impl Keys {
    /// Tells whether a token can be judged by these keys.
    pub(super) fn is_usable(&self, now: UnixSeconds) -> bool {
        self.usable_until.is_some_and(|until| now <= until)
    }

    /// Returns the key that signed a token with this header here.
    pub(super) fn by_header(&self, header: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.header == header)
    }

    /// Returns the key that a token names, or the only key if it names none.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&Entry> {
        match (kid, self.entries.as_slice()) {
            (Some(kid), entries) => entries
                .iter()
                .find(|entry| entry.key.verifying.kid() == kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// Returns the entry of a key that was found earlier, if it still is one.
    pub(super) fn still(&self, key: &Arc<Key>) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| Arc::ptr_eq(&entry.key, key))
    }

    pub(super) fn is_revoked(&self, kid: &str) -> bool {
        self.revoked.contains(kid)
    }

    /// Returns the key that signs. Before the first one begins, the first
    /// signs early: tokens that nobody can verify yet beat no tokens.
    pub(super) fn signer(&self, now: UnixSeconds) -> Option<&SigningKey> {
        let signers = self.entries.iter().filter_map(|entry| {
            let signing = entry.key.signing.as_ref()?;
            Some((entry.times.state(now), entry.times.sign_from, signing))
        });
        let active = signers
            .clone()
            .find(|(state, ..)| *state == KeyState::Active);
        let early = signers
            .filter(|(state, ..)| *state == KeyState::Next)
            .min_by_key(|(_, from, _)| *from);
        active.or(early).map(|(_, _, signing)| signing)
    }

    /// Marks keys as compromised; names that no key has are remembered.
    pub(super) fn revoke(&mut self, kids: impl IntoIterator<Item = String>) {
        for kid in kids {
            let mut known = false;
            for entry in &mut self.entries {
                if entry.key.verifying.kid() == kid {
                    entry.times.compromised = true;
                    known = true;
                }
            }
            if !known {
                self.revoked.insert(kid);
            }
        }
        self.settle();
    }

    /// Returns these keys as the successors of others: what was revoked there
    /// stays revoked.
    pub(super) fn after(&self, old: &Self) -> Self {
        let mut keys = self.clone();
        let entries = old.entries.iter().filter(|entry| entry.times.compromised);
        let at_hand = entries.map(|entry| entry.key.verifying.kid().to_owned());
        keys.revoke(at_hand.chain(old.revoked.iter().cloned()));
        keys
    }

    pub(super) fn settle(&mut self) {
        let mut times: Vec<_> = self.entries.iter().map(|entry| entry.times).collect();
        settle(&mut times, self.token_lifetime);
        for (entry, times) in self.entries.iter_mut().zip(times) {
            entry.times = times;
        }
    }
}
