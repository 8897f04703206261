//! Keys derived from an application's one secret, a label for each purpose.

use std::collections::HashSet;

use hkdf::Hkdf;
use sha2::Sha256;

use super::error::{ConfigError, Problem};
use super::key::SigningKey;
use crate::secret::{Secret, hex};

impl SigningKey {
    /// Derives an HS256 key, and its identifier, from an application's secret.
    ///
    /// Another salt makes another key of the same secret: a random one, kept
    /// where all processes find it, lets keys rotate while the secret stays.
    /// The salt need not be secret.
    ///
    /// # Errors
    ///
    /// [`Problem::WeakSecret`] if the secret is short, repetitive or a known
    /// placeholder.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_rampart::jwt::SigningKey;
    /// use tower_rampart::secret::Secret;
    ///
    /// let secret = Secret::random(48);
    /// let (first, second) = (SigningKey::derived(&secret, b"")?, SigningKey::derived(&secret, b"2")?);
    /// assert_ne!(first.verifying_key().kid(), second.verifying_key().kid());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn derived(secret: &Secret, salt: &[u8]) -> Result<Self, ConfigError> {
        check_secret(secret)?;
        let kid = expand(secret, salt, "access/kid", 8);
        let key = expand(secret, salt, "access/hs256", 32);
        Self::hs256(hex(kid.expose()), &key)
    }
}

/// Derives a key for one purpose (HKDF-SHA256, RFC 5869 §2).
#[cfg(feature = "session")]
pub(crate) fn derive(secret: &Secret, purpose: &str, len: usize) -> Secret {
    expand(secret, b"", purpose, len)
}

fn expand(secret: &Secret, salt: &[u8], purpose: &str, len: usize) -> Secret {
    let mut okm = zeroize::Zeroizing::new(vec![0_u8; len]);
    let label = format!("tower-rampart/v1/{purpose}");
    Hkdf::<Sha256>::new(Some(salt).filter(|salt| !salt.is_empty()), secret.expose())
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
        || MARKERS.iter().any(|marker| {
            folded
                .windows(marker.len())
                .any(|part| part == marker.as_bytes())
        })
    {
        "it is a placeholder"
    } else if secret.estimated_bits() < LEAST_BITS {
        "little is left of it without words, sequences and repetitions"
    } else {
        return Ok(());
    };
    Err(Problem::WeakSecret { reason }.into())
}

fn has_period(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b))
}

/// Fewer than 16 random bytes have, even when they are written as 32 hexadecimal digits.
const LEAST_BITS: u32 = 96;

const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "changethis",
    "default",
    "example",
    // Published in an application's example settings.
    "fgr4fe34w2",
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

/// Words that no random secret holds, wherever they stand.
const MARKERS: &[&str] = &[
    "256bit",
    "changeme",
    "changethis",
    "insecure",
    "jwtsecret",
    "placeholder",
    "replaceme",
    "secretkey",
    "supersecret",
    "stringsecret",
];
