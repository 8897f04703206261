//! Keys whose algorithm and strength are settled when they are read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use sha2::{Digest as _, Sha256};

use super::algorithm::Algorithm;
use super::backend::{self, Prepared};
use super::error::{ConfigError, Problem};
use crate::secret::Secret;

/// The longest accepted key identifier, in bytes.
pub(super) const MAX_KID_BYTES: usize = 128;

/// HS256 needs a key at least as long as its hash (RFC 7518 §3.2).
const MIN_HMAC_BYTES: usize = 32;

/// A key that signs tokens, and verifies them.
#[derive(Clone)]
pub struct SigningKey {
    encoding: EncodingKey,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// Makes an HS256 key of secret bytes.
    ///
    /// # Errors
    ///
    /// [`Problem::WeakSecret`] under 32 bytes (RFC 7518 §3.2);
    /// [`Problem::BadKeyId`] if the identifier is empty or over 128 bytes.
    pub fn hs256(kid: impl Into<String>, secret: &Secret) -> Result<Self, ConfigError> {
        let verifying = VerifyingKey::hs256(kid, secret)?;
        Ok(Self {
            encoding: EncodingKey::from_secret(secret.expose()),
            verifying,
        })
    }

    /// Reads an Ed25519 private key in PKCS#8 PEM (RFC 8410 §7).
    ///
    /// The key identifier is the thumbprint of the public key (RFC 7638 §3).
    /// `openssl genpkey -algorithm ed25519` makes one.
    ///
    /// # Errors
    ///
    /// [`Problem::BadKey`] if the text is no such key.
    pub fn ed25519_pem(pem: &str) -> Result<Self, ConfigError> {
        let bad = || Problem::BadKey {
            found: pem_label(pem),
            expected: "an Ed25519 private key; `openssl genpkey -algorithm ed25519` makes one",
        };
        let encoding = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(|_| bad())?;
        let public = backend::ed25519_public(&encoding).ok_or_else(bad)?;
        let verifying = VerifyingKey::ed25519(&public).ok_or_else(bad)?;
        Ok(Self {
            encoding,
            verifying,
        })
    }

    /// Returns the half that only verifies; for HS256 there is no such half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        backend::sign(self.verifying.algorithm, &self.encoding, message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.verifying.kid)
            .field("algorithm", &self.verifying.algorithm)
            .finish_non_exhaustive()
    }
}

/// A key that verifies tokens of exactly one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    prepared: Prepared,
}

impl VerifyingKey {
    /// Makes an HS256 key of secret bytes.
    ///
    /// # Errors
    ///
    /// As [`SigningKey::hs256`].
    pub fn hs256(kid: impl Into<String>, secret: &Secret) -> Result<Self, ConfigError> {
        let kid = kid.into();
        if secret.len() < MIN_HMAC_BYTES {
            return Err(Problem::WeakSecret {
                reason: "it is shorter than 32 bytes (RFC 7518 §3.2)",
            }
            .into());
        }
        if kid.is_empty() || kid.len() > MAX_KID_BYTES {
            return Err(Problem::BadKeyId { bytes: kid.len() }.into());
        }
        Ok(Self {
            kid,
            algorithm: Algorithm::Hs256,
            prepared: Prepared::hmac(secret.expose()),
        })
    }

    /// Reads an Ed25519 public key in PEM (RFC 8410 §4).
    ///
    /// # Errors
    ///
    /// [`Problem::BadKey`] if the text is no such key.
    pub fn ed25519_pem(pem: &str) -> Result<Self, ConfigError> {
        let public = backend::ed25519_public_pem(pem.as_bytes());
        public.and_then(|public| Self::ed25519(&public)).ok_or_else(|| {
            Problem::BadKey {
                found: pem_label(pem),
                expected: "an Ed25519 public key; `openssl pkey -pubout` derives it from the private one",
            }
            .into()
        })
    }

    fn ed25519(public: &[u8]) -> Option<Self> {
        let x = URL_SAFE_NO_PAD.encode(public);
        // RFC 8037 §2 with RFC 7638 §3.2: the required members, sorted.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Some(Self {
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            algorithm: Algorithm::EdDsa,
            prepared: Prepared::ed25519(public)?,
        })
    }

    /// Returns the identifier that tokens name in `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.prepared.verify(message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Says what kind of text was found, without any of the key: a key on one line
/// has its label and its bytes on the same one.
fn pem_label(text: &str) -> String {
    let label = text
        .split_once("-----BEGIN ")
        .and_then(|(_, rest)| rest.split_once("-----"));
    match label {
        Some((label, rest)) if is_label(label) && rest.starts_with(['\n', '\r']) => {
            format!("a block labelled {label}")
        }
        Some((label, _)) if is_label(label) => {
            format!("a block labelled {label} without line ends")
        }
        _ => "no PEM block".to_owned(),
    }
}

fn is_label(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')
}
