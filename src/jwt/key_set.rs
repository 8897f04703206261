//! The keys of one issuer: one that signs, and all that verify.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::algorithm::Algorithm;
use super::error::{ConfigError, Problem, SignError};
use super::key::{SigningKey, VerifyingKey};
use crate::config::Problems;
use crate::secret::{Secret, hex};

/// A set of keys. Clones share it.
#[derive(Clone)]
pub struct KeySet(Arc<Keys>);

struct Keys {
    signing: Option<SigningKey>,
    verifying: Vec<VerifyingKey>,
}

impl KeySet {
    /// Starts a set.
    pub fn builder() -> KeySetBuilder {
        KeySetBuilder {
            signing: None,
            verifying: Vec::new(),
        }
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
    /// ones, whose tokens are accepted until they expire.
    ///
    /// # Errors
    ///
    /// As [`KeySet::from_secret`], for each secret.
    pub fn from_secrets<'a>(
        current: &Secret,
        previous: impl IntoIterator<Item = &'a Secret>,
    ) -> Result<Self, ConfigError> {
        let mut builder = Self::builder().signing(derived_key(current)?);
        for secret in previous {
            builder = builder.verifying(derived_key(secret)?.verifying_key().clone());
        }
        builder.build()
    }

    /// Signs claims and returns a compact token.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the set only verifies, or the key fails.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, SignError> {
        let key = self.0.signing.as_ref().ok_or(SignError::NoSigningKey)?;
        let verifying = key.verifying_key();
        let header = serde_json::json!({"alg": verifying.algorithm().as_str(), "kid": verifying.kid(), "typ": typ});
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::KeyFailed)?;
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = key.sign(token.as_bytes()).ok_or(SignError::KeyFailed)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Returns the key that a token names, or the only key if it names none.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&VerifyingKey> {
        match (kid, self.0.verifying.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid() == kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// Tells whether the set can sign, or only verifies.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.0.signing.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.verifying.is_empty()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("signing", &self.0.signing)
            .field("verifying", &self.0.verifying)
            .finish()
    }
}

/// Collects the keys of a [`KeySet`].
#[derive(Debug)]
#[must_use]
pub struct KeySetBuilder {
    signing: Option<SigningKey>,
    verifying: Vec<VerifyingKey>,
}

impl KeySetBuilder {
    /// Sets the key that signs; it verifies too.
    pub fn signing(mut self, key: SigningKey) -> Self {
        self.signing = Some(key);
        self
    }

    /// Adds a key that verifies.
    pub fn verifying(mut self, key: VerifyingKey) -> Self {
        self.verifying.push(key);
        self
    }

    /// Checks the set.
    ///
    /// # Errors
    ///
    /// [`Problem::NoKeys`] if there is none; [`Problem::DuplicateKeyId`] if
    /// two keys share an identifier.
    pub fn build(self) -> Result<KeySet, ConfigError> {
        let Self { signing, verifying } = self;
        let signs = signing.iter().map(|key| key.verifying_key().clone());
        let verifying: Vec<_> = signs.chain(verifying).collect();
        let mut problems = Vec::new();
        if verifying.is_empty() {
            problems.push(Problem::NoKeys);
        }
        let mut seen = HashSet::new();
        for key in &verifying {
            if !seen.insert(key.kid()) {
                problems.push(Problem::DuplicateKeyId {
                    kid: key.kid().to_owned(),
                });
            }
        }
        Problems::check(problems, || KeySet(Arc::new(Keys { signing, verifying })))
    }
}

fn derived_key(secret: &Secret) -> Result<SigningKey, ConfigError> {
    check_secret(secret)?;
    let kid = derive(secret, "access/kid", 8);
    let key = derive(secret, Algorithm::Hs256.as_str(), 32);
    SigningKey::hs256(hex(kid.expose()), &key)
}

/// Derives a key for one purpose (HKDF-SHA256, RFC 5869 §2).
pub(crate) fn derive(secret: &Secret, purpose: &str, len: usize) -> Secret {
    let mut okm = zeroize::Zeroizing::new(vec![0_u8; len]);
    let label = format!("tower-rampart/v1/{purpose}");
    Hkdf::<Sha256>::new(None, secret.expose())
        .expand(label.as_bytes(), &mut okm)
        .expect("a derived key is far below 255 hash lengths");
    Secret::new(okm.to_vec())
}

/// Refuses secrets that can be guessed.
pub(crate) fn check_secret(secret: &Secret) -> Result<(), ConfigError> {
    let bytes = secret.expose();
    let mut folded: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(u8::is_ascii_alphanumeric)
        .collect();
    folded.make_ascii_lowercase();
    let distinct = bytes.iter().collect::<HashSet<_>>().len();
    let reason = if bytes.len() < 32 {
        "it is shorter than 32 bytes (RFC 7518 §3.2)"
    } else if distinct < 10 || has_period(bytes) {
        "it repeats itself"
    } else if PLACEHOLDERS
        .iter()
        .any(|placeholder| folded.starts_with(placeholder.as_bytes()))
    {
        "it is a placeholder"
    } else {
        return Ok(());
    };
    Err(Problem::WeakSecret { reason }.into())
}

fn has_period(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b))
}

const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "changethis",
    "default",
    "example",
    "insecure",
    "jwtsecret",
    "mysecret",
    "password",
    "pleasechange",
    "replaceme",
    "secret",
    "supersecret",
    "yoursecret",
    "your256bit",
    "todo",
];
