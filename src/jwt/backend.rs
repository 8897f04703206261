//! Signatures by AWS-LC. Signing goes through jsonwebtoken's provider of that
//! name, never through its process-global one, which another crate in the tree
//! could switch off; verifying uses keys prepared once.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use jsonwebtoken::crypto::CryptoProvider;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::algorithm::Algorithm;

static PROVIDER: &CryptoProvider = &DEFAULT_PROVIDER;

/// A key ready to verify.
#[derive(Clone)]
pub(super) enum Prepared {
    Hmac(Box<hmac::Key>),
    Ed25519(ParsedPublicKey),
}

impl Prepared {
    pub(super) fn hmac(secret: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Takes the 32 bytes of an Ed25519 public key (RFC 8032 §5.1.5).
    pub(super) fn ed25519(public: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&ED25519, public)
            .ok()
            .map(Self::Ed25519)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Ed25519(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// Signs with a key that was checked when it was read.
pub(super) fn sign(algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match algorithm {
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
    };
    let signer = (PROVIDER.signer_factory)(&algorithm, key).ok()?;
    signer.try_sign(message).ok()
}

/// Returns the public half of an Ed25519 private key.
pub(super) fn ed25519_public(key: &EncodingKey) -> Option<Vec<u8>> {
    (PROVIDER.key_utils.ed_pub_components_from_private_key)(key.as_bytes(), &EllipticCurve::Ed25519)
        .ok()
}

/// Returns the bytes of an Ed25519 public key in PEM (RFC 8410 §4).
pub(super) fn ed25519_public_pem(pem: &[u8]) -> Option<Vec<u8>> {
    DecodingKey::from_ed_pem(pem)
        .ok()?
        .try_get_as_bytes()
        .ok()
        .map(<[u8]>::to_vec)
}
