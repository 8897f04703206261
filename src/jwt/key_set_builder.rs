//! Collecting the keys of a [`KeySet`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::error::{ConfigError, Problem};
use super::key::{SigningKey, VerifyingKey};
use super::key_set::KeySet;
use super::key_state::KeyTimes;
use super::keys::{Entry, Key, Keys};
use crate::clock::UnixSeconds;
use crate::config::Problems;

/// Collects the keys of a [`KeySet`].
#[derive(Debug, Default)]
#[must_use]
pub struct KeySetBuilder {
    keys: Vec<(VerifyingKey, Option<SigningKey>, KeyTimes)>,
    revoked: HashSet<String>,
    token_lifetime: Option<Duration>,
}

impl KeySetBuilder {
    /// Adds a key that signs, from always on; it verifies too.
    pub fn signing(self, key: SigningKey) -> Self {
        self.signing_from(key, UnixSeconds::new(0))
    }

    /// Adds a key that signs from a time on, and verifies already.
    pub fn signing_from(self, key: SigningKey, from: UnixSeconds) -> Self {
        let times = KeyTimes {
            sign_from: Some(from),
            ..KeyTimes::default()
        };
        self.add(key.verifying_key().clone(), Some(key), times)
    }

    /// Adds a key that verifies.
    pub fn verifying(self, key: VerifyingKey) -> Self {
        self.add(key, None, KeyTimes::default())
    }

    /// Adds a key that verifies until a time. From then on its tokens are
    /// answered `token_expired`: they are over anyway.
    pub fn verifying_until(self, key: VerifyingKey, until: UnixSeconds) -> Self {
        let times = KeyTimes {
            verify_until: Some(until),
            ..KeyTimes::default()
        };
        self.add(key, None, times)
    }

    /// Adds a key that must not be believed any more: its tokens are answered
    /// `signing_key_revoked`.
    pub fn compromised(self, key: VerifyingKey) -> Self {
        let times = KeyTimes {
            compromised: true,
            ..KeyTimes::default()
        };
        self.add(key, None, times)
    }

    /// Names a key that must not be believed any more. Without the key itself,
    /// whatever bears its name is answered `signing_key_revoked`.
    pub fn revoked(mut self, kid: impl Into<String>) -> Self {
        self.revoked.insert(kid.into());
        self
    }

    /// Sets how long tokens live, leeway included: a key that was replaced is
    /// retired when the last of its tokens is over. Without it, keys verify
    /// for ever.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = Some(lifetime);
        self
    }

    fn add(mut self, key: VerifyingKey, signing: Option<SigningKey>, times: KeyTimes) -> Self {
        self.keys.push((key, signing, times));
        self
    }

    /// Checks the set.
    ///
    /// # Errors
    ///
    /// [`Problem::NoKeys`] if there is none; [`Problem::DuplicateKeyId`] if
    /// two keys share an identifier; [`Problem::TwoSigners`] if two begin to
    /// sign in the same second.
    pub fn build(self) -> Result<KeySet, ConfigError> {
        let mut problems = Vec::new();
        if self.keys.is_empty() {
            problems.push(Problem::NoKeys);
        }
        let (mut kids, mut starts) = (HashSet::new(), HashSet::new());
        for (key, _, times) in &self.keys {
            if !kids.insert(key.kid()) {
                problems.push(Problem::DuplicateKeyId {
                    kid: key.kid().to_owned(),
                });
            }
            if times.sign_from.is_some_and(|from| !starts.insert(from)) {
                problems.push(Problem::TwoSigners {
                    kid: key.kid().to_owned(),
                });
            }
        }
        Problems::check(problems, || self.assemble())
    }

    /// Makes the set of keys that do not contradict each other.
    pub(super) fn assemble(self) -> KeySet {
        let mut keys = Keys {
            entries: Vec::new(),
            revoked: self.revoked,
            token_lifetime: self.token_lifetime,
            usable_until: Some(UnixSeconds::new(u64::MAX)),
        };
        for (key, signing, mut times) in self.keys {
            times.compromised |= keys.revoked.remove(key.kid());
            keys.entries.push(Entry {
                key: Arc::new(Key::new(key, signing)),
                times,
            });
        }
        keys.settle();
        KeySet::from_keys(keys)
    }
}
