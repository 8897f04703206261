//! The keys of one issuer: one that signs, and all that verify.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::error::{ConfigError, Problem, SignError};
use super::key::SigningKey;
use super::key_set_builder::KeySetBuilder;
use super::key_state::{KeyState, KeyTimes};
use super::keys::{Entry, FindKeys, Key, Keys, header};
use crate::clock::UnixSeconds;
use crate::secret::Secret;

/// A set of keys. Clones share it, changes included: readers never wait, and a
/// request that has begun keeps the keys it began with.
///
/// Which key signs is a function of time: the one that began last. The one
/// before goes on verifying what it signed.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_rampart::clock::UnixSeconds;
/// use tower_rampart::jwt::{KeySet, KeyState, SigningKey};
///
/// let (first, second) = (SigningKey::generate_ed25519(), SigningKey::generate_ed25519());
/// let (old, new) = (first.verifying_key().kid().to_owned(), second.verifying_key().kid().to_owned());
/// let keys = KeySet::builder().signing(first).token_lifetime(Duration::from_secs(600)).build()?;
///
/// keys.rotate(second, UnixSeconds::new(1_000))?;
/// let state = |kid: &str, now| keys.state(kid, UnixSeconds::new(now));
/// assert_eq!((state(&old, 999), state(&new, 999)), (Some(KeyState::Active), Some(KeyState::Next)));
/// assert_eq!((state(&old, 1_000), state(&new, 1_000)), (Some(KeyState::Verifying), Some(KeyState::Active)));
/// assert_eq!(state(&old, 1_600), Some(KeyState::Retired));
///
/// keys.revoke(&new);
/// assert_eq!(state(&new, 1_000), Some(KeyState::Compromised));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeySet(Arc<Shared>);

struct Shared {
    keys: Arc<ArcSwap<Keys>>,
    /// Where further keys come from.
    source: Option<Arc<dyn FindKeys>>,
}

impl KeySet {
    /// Starts a set.
    pub fn builder() -> KeySetBuilder {
        KeySetBuilder::default()
    }

    /// Derives an HS256 key from an application's one secret.
    ///
    /// The key and its identifier come from HKDF-SHA256 (RFC 5869 §2) with
    /// labels of their own, so other keys may be derived from the same secret,
    /// and every replica arrives at the same identifier.
    ///
    /// # Errors
    ///
    /// [`Problem::WeakSecret`] if the secret is short, repetitive or a known
    /// placeholder.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_rampart::jwt::KeySet;
    /// use tower_rampart::secret::Secret;
    ///
    /// assert!(KeySet::from_secret(&Secret::random(48)).is_ok());
    /// assert!(KeySet::from_secret(&Secret::new("change-me-in-production-please-now".to_owned())).is_err());
    /// ```
    pub fn from_secret(secret: &Secret) -> Result<Self, ConfigError> {
        Self::from_secrets(secret, [])
    }

    /// Derives keys from the current secret, which signs, and from previous
    /// ones, which verify for as long as the set lives.
    ///
    /// # Security
    ///
    /// Whoever has a previous secret can make tokens. For one that leaked, use
    /// [`KeySetBuilder::compromised`]; for one that is merely old,
    /// [`KeySetBuilder::verifying_until`] the last of its tokens is over.
    ///
    /// # Errors
    ///
    /// As [`KeySet::from_secret`], for each secret.
    pub fn from_secrets<'a>(
        current: &Secret,
        previous: impl IntoIterator<Item = &'a Secret>,
    ) -> Result<Self, ConfigError> {
        let mut builder = Self::builder().signing(SigningKey::derived(current, b"")?);
        for secret in previous {
            builder = builder.verifying(SigningKey::derived(secret, b"")?.verifying_key().clone());
        }
        builder.build()
    }

    pub(super) fn from_keys(keys: Keys) -> Self {
        Self(Arc::new(Shared {
            keys: Arc::new(ArcSwap::from_pointee(keys)),
            source: None,
        }))
    }

    /// Starts a set whose keys come from elsewhere.
    #[cfg(feature = "jwks-client")]
    pub(super) fn from_source(keys: Arc<ArcSwap<Keys>>, source: Arc<dyn FindKeys>) -> Self {
        Self(Arc::new(Shared {
            keys,
            source: Some(source),
        }))
    }

    /// Returns the keys, to be believed until a time.
    #[cfg(feature = "jwks-client")]
    pub(super) fn until(&self, until: UnixSeconds) -> Keys {
        Keys {
            usable_until: Some(until),
            ..Keys::clone(&self.load())
        }
    }

    /// Takes over the keys of another set. What was revoked in either of them is
    /// revoked; for tokens that are being verified at this moment, nothing
    /// changes.
    ///
    /// # Errors
    ///
    /// [`Problem::RemoteKeySet`] if the keys of one of them are another issuer's.
    pub fn replace(&self, with: &Self) -> Result<(), ConfigError> {
        if self.0.source.is_some() || with.0.source.is_some() {
            return Err(Problem::RemoteKeySet.into());
        }
        let new = with.load();
        self.0.keys.rcu(|old| new.after(old));
        Ok(())
    }

    /// Adds a key that signs from a time on, which must be later than the start
    /// of every other key. Everybody who verifies must know it by then: other
    /// processes, and clients of a published JWK set.
    ///
    /// # Errors
    ///
    /// [`Problem::DuplicateKeyId`] if the set has a key of that name already, or
    /// it was revoked; [`Problem::TwoSigners`] if another key begins to sign at
    /// that time or later; [`Problem::RemoteKeySet`] if the keys are another
    /// issuer's.
    pub fn rotate(&self, key: SigningKey, from: UnixSeconds) -> Result<(), ConfigError> {
        if self.0.source.is_some() {
            return Err(Problem::RemoteKeySet.into());
        }
        let kid = key.verifying_key().kid().to_owned();
        let new = Arc::new(Key::new(key.verifying_key().clone(), Some(key)));
        let mut problem = None;
        self.0.keys.rcu(|keys| {
            let mut keys = Keys::clone(keys);
            let alive = keys.entries.iter().filter(|entry| !entry.times.compromised);
            let latest = alive.filter_map(|entry| entry.times.sign_from).max();
            problem = if keys.find(Some(&kid)).is_some() || keys.is_revoked(&kid) {
                Some(Problem::DuplicateKeyId { kid: kid.clone() })
            } else if latest.is_some_and(|latest| latest >= from) {
                Some(Problem::TwoSigners { kid: kid.clone() })
            } else {
                None
            };
            if problem.is_none() {
                keys.entries.push(Entry {
                    key: Arc::clone(&new),
                    times: KeyTimes {
                        sign_from: Some(from),
                        ..KeyTimes::default()
                    },
                });
                keys.settle();
            }
            keys
        });
        problem.map_or(Ok(()), |problem| Err(problem.into()))
    }

    /// Stops believing a key. Its tokens are answered `signing_key_revoked`,
    /// and clients are told to refresh. If it was the one that signs, the one
    /// before it signs again; rotate first. A name that no key has is
    /// remembered.
    pub fn revoke(&self, kid: &str) {
        self.0.keys.rcu(|keys| {
            let mut keys = Keys::clone(keys);
            keys.revoke([kid.to_owned()]);
            keys
        });
    }

    /// Signs claims and returns a compact token.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the set only verifies, or the key fails.
    pub fn sign(
        &self,
        typ: &str,
        claims: &Map<String, Value>,
        now: UnixSeconds,
    ) -> Result<String, SignError> {
        let keys = self.load();
        let key = keys.signer(now).ok_or(SignError::NoSigningKey)?;
        let mut token = header(key.verifying_key(), typ);
        token.push('.');
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::KeyFailed)?;
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = key.sign(token.as_bytes()).ok_or(SignError::KeyFailed)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Tells whether the set can sign, or only verifies.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        let keys = self.load();
        keys.entries
            .iter()
            .any(|entry| entry.key.signing.is_some() && !entry.times.compromised)
    }

    /// Returns the state of a key, if the set has it.
    #[must_use]
    pub fn state(&self, kid: &str, now: UnixSeconds) -> Option<KeyState> {
        let keys = self.load();
        match keys.find(Some(kid)) {
            Some(entry) => Some(entry.times.state(now)),
            None => keys.is_revoked(kid).then_some(KeyState::Compromised),
        }
    }

    /// Lists the keys with their algorithms and states.
    #[must_use]
    pub fn list(&self, now: UnixSeconds) -> Vec<(String, Algorithm, KeyState)> {
        let keys = self.load();
        let entries = keys.entries.iter();
        entries
            .map(|Entry { key, times }| {
                let key = &key.verifying;
                (key.kid().to_owned(), key.algorithm(), times.state(now))
            })
            .collect()
    }

    /// Returns the public keys that others may verify with.
    pub(super) fn published(&self, now: UnixSeconds) -> Vec<Value> {
        let keys = self.load();
        let entries = keys.entries.iter();
        entries
            .filter(|entry| entry.times.state(now).verifies())
            .filter_map(|entry| super::jwk::write(&entry.key.verifying))
            .collect()
    }

    pub(super) fn load(&self) -> Guard<Arc<Keys>> {
        self.0.keys.load()
    }

    pub(super) fn source(&self) -> Option<&Arc<dyn FindKeys>> {
        self.0.source.as_ref()
    }

    /// Tells whether no token could ever be accepted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.source.is_none() && self.load().entries.is_empty()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeySet").field(&self.load().entries).finish()
    }
}
