//! Signatures by AWS-LC. Signing goes through jsonwebtoken's provider of that
//! name, never through its process-global one, which another crate in the tree
//! could switch off; verifying uses keys prepared once.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::CryptoProvider;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::public::PublicKey;

static PROVIDER: &CryptoProvider = &DEFAULT_PROVIDER;

/// A key ready to verify.
#[derive(Clone)]
pub(super) enum Prepared {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Prepared {
    /// Prepares an HMAC key; `None` if the algorithm is none of HMAC.
    pub(super) fn hmac(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        let hash = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => return None,
        };
        Some(Self::Hmac(Box::new(hmac::Key::new(hash, secret))))
    }

    /// Prepares a public key; `None` if it is no key of the algorithm.
    pub(super) fn public(algorithm: Algorithm, key: &PublicKey) -> Option<Self> {
        let parsed = match (algorithm, key) {
            (Algorithm::EdDsa, PublicKey::Ed25519(x)) => ParsedPublicKey::new(&ED25519, x),
            (Algorithm::Es256, PublicKey::P256(_)) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point()?)
            }
            (Algorithm::Es384, PublicKey::P384(_)) => {
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key.point()?)
            }
            (_, PublicKey::Rsa { n, e }) => {
                let components = RsaPublicKeyComponents { n, e };
                return components
                    .to_parsed_public_key(rsa_parameters(algorithm)?)
                    .ok()
                    .map(Self::Public);
            }
            _ => return None,
        };
        parsed.ok().map(Self::Public)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

/// Signs with a key that was checked when it was read.
pub(super) fn sign(algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match algorithm {
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::Hs384 => jsonwebtoken::Algorithm::HS384,
        Algorithm::Hs512 => jsonwebtoken::Algorithm::HS512,
        // RSA keys only verify here.
        _ => return None,
    };
    let signer = (PROVIDER.signer_factory)(&algorithm, key).ok()?;
    signer.try_sign(message).ok()
}

/// A private key as PKCS#8, with the public key that belongs to it.
pub(super) struct Private {
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
    pub(super) public: PublicKey,
}

/// Reads a private elliptic-curve key in PKCS#8 or SEC1 DER; the curve is found
/// out.
pub(super) fn ec_private(der: &[u8]) -> Option<Private> {
    ec_pair(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
        .or_else(|| ec_pair(&ECDSA_P384_SHA384_FIXED_SIGNING, der))
}

fn ec_pair(algorithm: &'static EcdsaSigningAlgorithm, der: &[u8]) -> Option<Private> {
    let pair = EcdsaKeyPair::from_private_key_der(algorithm, der).ok()?;
    private_ec(&pair)
}

/// Makes a private elliptic-curve key of its number and its public point,
/// which must belong together.
pub(super) fn ec_from_parts(d: &[u8], public: &PublicKey) -> Option<Private> {
    let algorithm = match public {
        PublicKey::P256(_) => &ECDSA_P256_SHA256_FIXED_SIGNING,
        PublicKey::P384(_) => &ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => return None,
    };
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, d, &public.point()?).ok()?;
    private_ec(&pair)
}

fn private_ec(pair: &EcdsaKeyPair) -> Option<Private> {
    Some(Private {
        pkcs8: Zeroizing::new(pair.to_pkcs8v1().ok()?.as_ref().to_vec()),
        public: PublicKey::from_point(pair.public_key().as_ref())?,
    })
}

/// Reads a private Ed25519 key in PKCS#8 DER.
pub(super) fn ed25519_private(der: &[u8]) -> Option<Private> {
    private_ed(&Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?)
}

/// Makes a private Ed25519 key of its 32-byte seed and its public key, which
/// must belong together.
pub(super) fn ed25519_from_parts(seed: &[u8], public: &[u8]) -> Option<Private> {
    private_ed(&Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?)
}

/// Draws a new private Ed25519 key.
pub(super) fn ed25519_generate() -> Option<Private> {
    private_ed(&Ed25519KeyPair::generate().ok()?)
}

fn private_ed(pair: &Ed25519KeyPair) -> Option<Private> {
    Some(Private {
        pkcs8: Zeroizing::new(pair.to_pkcs8v1().ok()?.as_ref().to_vec()),
        public: PublicKey::Ed25519(pair.public_key().as_ref().try_into().ok()?),
    })
}

/// Draws a new private P-256 key.
pub(super) fn p256_generate() -> Option<Private> {
    private_ec(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?)
}

/// Returns modulus and exponent of a PKCS#1 or SPKI public key in DER.
pub(super) fn rsa_components(der: &[u8]) -> Option<PublicKey> {
    let key = aws_lc_rs::rsa::PublicKey::from_der(der).ok()?;
    Some(PublicKey::Rsa {
        n: key.modulus().big_endian_without_leading_zero().to_vec(),
        e: key.exponent().big_endian_without_leading_zero().to_vec(),
    })
}
