//! Keys whose algorithm and strength are settled when they are read.

use std::fmt;

use jsonwebtoken::EncodingKey;

use super::algorithm::Algorithm;
use super::backend::{self, Prepared, Private};
use super::error::{ConfigError, Problem};
use super::public::PublicKey;
use super::{jwk, pem};
use crate::secret::Secret;

/// The longest accepted key identifier, in bytes.
pub(super) const MAX_KID_BYTES: usize = 128;

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
        Ok(Self {
            verifying: VerifyingKey::hs256(kid, secret)?,
            encoding: EncodingKey::from_secret(secret.expose()),
        })
    }

    /// Reads a private key in PEM: Ed25519 (RFC 8410 §7), P-256 or P-384, as
    /// PKCS#8 (`PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
    ///
    /// The key fixes the algorithm; its identifier is the thumbprint of the
    /// public key (RFC 7638 §3). `openssl genpkey -algorithm ed25519` makes one.
    ///
    /// # Errors
    ///
    /// [`Problem::BadKey`] if the text is no such key; it names what was found.
    /// RSA keys do not sign here.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_rampart::jwt::SigningKey;
    ///
    /// let public = "-----BEGIN PUBLIC KEY-----\n\
    ///     MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    /// let error = SigningKey::from_pem(public).unwrap_err();
    /// assert!(error.to_string().contains("found an Ed25519 public key"));
    /// ```
    pub fn from_pem(pem: &str) -> Result<Self, ConfigError> {
        Ok(Self::from_private(pem::private(pem)?, None)?)
    }

    /// Reads a private JWK (RFC 7517 §4): `OKP` with Ed25519, `EC` with P-256
    /// or P-384, or `oct` for HMAC.
    ///
    /// # Errors
    ///
    /// [`Problem::BadJwk`] with what is wrong.
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
        match jwk::private(json)? {
            jwk::PrivateJwk::Pair { private, kid } => Ok(Self::from_private(private, kid)?),
            jwk::PrivateJwk::Secret {
                algorithm,
                secret,
                kid,
            } => Ok(Self {
                encoding: EncodingKey::from_secret(secret.expose()),
                verifying: VerifyingKey::hmac(kid, algorithm, &secret)?,
            }),
        }
    }

    /// Draws a new Ed25519 key.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers to give.
    #[must_use]
    pub fn generate_ed25519() -> Self {
        let private =
            backend::ed25519_generate().expect("the operating system provides random numbers");
        Self::from_private(private, None).expect("a fresh key is valid")
    }

    /// Draws a new P-256 key.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers to give.
    #[must_use]
    pub fn generate_es256() -> Self {
        let private =
            backend::p256_generate().expect("the operating system provides random numbers");
        Self::from_private(private, None).expect("a fresh key is valid")
    }

    /// Gives the key another identifier than its thumbprint.
    ///
    /// # Errors
    ///
    /// [`Problem::BadKeyId`] if the identifier is empty or over 128 bytes.
    pub fn renamed(mut self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        self.verifying = self.verifying.renamed(kid)?;
        Ok(self)
    }

    /// Returns the half that only verifies; for HMAC there is no such half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        backend::sign(self.verifying.algorithm, &self.encoding, message)
    }

    fn from_private(private: Private, kid: Option<String>) -> Result<Self, Problem> {
        let algorithm = private.public.algorithm();
        let algorithm = algorithm.ok_or(Problem::BadJwk {
            reason: "RSA keys only verify here",
        })?;
        let encoding = match algorithm {
            Algorithm::EdDsa => EncodingKey::from_ed_der(&private.pkcs8),
            _ => EncodingKey::from_ec_der(&private.pkcs8),
        };
        Ok(Self {
            encoding,
            verifying: VerifyingKey::public(private.public, algorithm, kid)?,
        })
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
    /// `None` for HMAC, whose keys are never published.
    public: Option<PublicKey>,
}

impl VerifyingKey {
    /// Makes an HS256 key of secret bytes.
    ///
    /// # Errors
    ///
    /// As [`SigningKey::hs256`].
    pub fn hs256(kid: impl Into<String>, secret: &Secret) -> Result<Self, ConfigError> {
        Ok(Self::hmac(kid.into(), Algorithm::Hs256, secret)?)
    }

    /// Reads a public key in PEM: Ed25519 (RFC 8410 §4), P-256 or P-384, as
    /// SPKI (`PUBLIC KEY`).
    ///
    /// # Errors
    ///
    /// [`Problem::BadKey`] if the text is no such key; it names what was found.
    pub fn from_pem(pem: &str) -> Result<Self, ConfigError> {
        let public = pem::public(pem)?;
        let algorithm = public.algorithm().ok_or(Problem::LegacyRsa)?;
        Ok(Self::public(public, algorithm, None)?)
    }

    /// Reads an RSA public key in PEM, as SPKI (`PUBLIC KEY`) or PKCS#1 (`RSA
    /// PUBLIC KEY`), for one of the `RS` or `PS` algorithms.
    ///
    /// # Errors
    ///
    /// [`Problem::BadKey`] if the text is no RSA key or the algorithm none of
    /// RSA; [`Problem::WeakKey`] unless it has 2048 to 4096 bits.
    ///
    /// # Security
    ///
    /// RSASSA-PKCS1-v1_5 is what older issuers sign with. Prefer `EdDSA` or
    /// `ES256` where the issuer offers them.
    pub fn legacy_rsa_pem(pem: &str, algorithm: Algorithm) -> Result<Self, ConfigError> {
        Ok(Self::public(pem::public(pem)?, algorithm, None)?)
    }

    /// Reads a public JWK (RFC 7517 §4), or `oct` for HMAC. `use`, `key_ops`
    /// and `alg` must allow it to verify.
    ///
    /// # Errors
    ///
    /// [`Problem::BadJwk`] with what is wrong; [`Problem::LegacyRsa`] for RSA.
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
        Ok(jwk::verifying(json, jwk::Accept::All)?)
    }

    /// Reads a JWK, RSA included.
    ///
    /// # Errors
    ///
    /// As [`VerifyingKey::from_jwk`]; [`Problem::WeakKey`] for RSA keys of
    /// other sizes than 2048 to 4096 bits.
    ///
    /// # Security
    ///
    /// As [`VerifyingKey::legacy_rsa_pem`].
    pub fn legacy_rsa_jwk(json: &str) -> Result<Self, ConfigError> {
        Ok(jwk::verifying(json, jwk::Accept::AllAndRsa)?)
    }

    /// Gives the key another identifier than its thumbprint.
    ///
    /// # Errors
    ///
    /// [`Problem::BadKeyId`] if the identifier is empty or over 128 bytes.
    pub fn renamed(mut self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        self.kid = check_kid(kid.into())?;
        Ok(self)
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

    /// Returns the key as a public JWK; `None` for HMAC.
    #[must_use]
    pub fn to_jwk(&self) -> Option<String> {
        Some(jwk::write(self)?.to_string())
    }

    pub(super) fn hmac(
        kid: String,
        algorithm: Algorithm,
        secret: &Secret,
    ) -> Result<Self, Problem> {
        if secret.len() < algorithm.min_secret_bytes().unwrap_or(usize::MAX) {
            let reason = match algorithm {
                Algorithm::Hs256 => "it is shorter than 32 bytes (RFC 7518 §3.2)",
                Algorithm::Hs384 => "it is shorter than 48 bytes (RFC 7518 §3.2)",
                _ => "it is shorter than 64 bytes (RFC 7518 §3.2)",
            };
            return Err(Problem::WeakSecret { reason });
        }
        let prepared = Prepared::hmac(algorithm, secret.expose());
        Ok(Self {
            kid: check_kid(kid)?,
            algorithm,
            prepared: prepared.ok_or(Problem::BadJwk {
                reason: "`alg` is none of HMAC",
            })?,
            public: None,
        })
    }

    /// Makes a key of its numbers; it is named by its thumbprint unless it has
    /// a name.
    pub(super) fn public(
        public: PublicKey,
        algorithm: Algorithm,
        kid: Option<String>,
    ) -> Result<Self, Problem> {
        if let Some(reason) = public.weakness() {
            return Err(Problem::WeakKey { reason });
        }
        let prepared = Prepared::public(algorithm, &public).ok_or(Problem::BadJwk {
            reason: "the key does not belong to `alg`, or is not on its curve",
        })?;
        Ok(Self {
            kid: check_kid(kid.unwrap_or_else(|| public.thumbprint()))?,
            algorithm,
            prepared,
            public: Some(public),
        })
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.prepared.verify(message, signature)
    }

    pub(super) fn public_key(&self) -> Option<&PublicKey> {
        self.public.as_ref()
    }
}

fn check_kid(kid: String) -> Result<String, Problem> {
    if (1..=MAX_KID_BYTES).contains(&kid.len()) {
        Ok(kid)
    } else {
        Err(Problem::BadKeyId { bytes: kid.len() })
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
