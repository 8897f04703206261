//! Public keys as numbers, with the form in which they are published.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::algorithm::Algorithm;

/// The sizes of RSA keys that are accepted, in bits (RFC 7518 §3.3).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A public key. Coordinates and numbers are big-endian.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum PublicKey {
    Ed25519([u8; 32]),
    P256([[u8; 32]; 2]),
    P384([[u8; 48]; 2]),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    /// Reads an uncompressed point (SEC 1 §2.3.4); its length tells the curve.
    pub(super) fn from_point(point: &[u8]) -> Option<Self> {
        let (4, coordinates) = point.split_first()? else {
            return None;
        };
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Self::from_coordinates(x, y)
    }

    pub(super) fn from_coordinates(x: &[u8], y: &[u8]) -> Option<Self> {
        match x.len() {
            32 => Some(Self::P256([x.try_into().ok()?, y.try_into().ok()?])),
            48 => Some(Self::P384([x.try_into().ok()?, y.try_into().ok()?])),
            _ => None,
        }
    }

    /// Writes the uncompressed point of a curve's key.
    pub(super) fn point(&self) -> Option<Vec<u8>> {
        let (x, y): (&[u8], &[u8]) = match self {
            Self::P256([x, y]) => (x, y),
            Self::P384([x, y]) => (x, y),
            Self::Ed25519(_) | Self::Rsa { .. } => return None,
        };
        Some([&[4], x, y].concat())
    }

    /// Returns the algorithm of a key that can have only one.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Ed25519(_) => Some(Algorithm::EdDsa),
            Self::P256(_) => Some(Algorithm::Es256),
            Self::P384(_) => Some(Algorithm::Es384),
            Self::Rsa { .. } => None,
        }
    }

    /// Says why a key must not be used, whatever signs with it.
    pub(super) fn weakness(&self) -> Option<&'static str> {
        let Self::Rsa { n, e } = self else {
            return None;
        };
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            Some("an RSA key of another size than 2048 to 4096 bits (RFC 7518 §3.3)")
        } else if n.first() == Some(&0) || e.first() == Some(&0) {
            Some("an RSA key with leading zeros")
        } else if e.len() > 8 || e.last().is_none_or(|last| last % 2 == 0) || e.as_slice() == [1] {
            Some("an RSA key whose exponent is even, one or over 64 bits")
        } else if is_roca(n) {
            Some("an RSA key of the kind that CVE-2017-15361 breaks")
        } else {
            None
        }
    }

    /// Returns the members that make the key what it is, as RFC 7638 §3.2
    /// orders them.
    pub(super) fn required_members(&self) -> Vec<(&'static str, String)> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let curve = |name: &str, x: &[u8], y: &[u8]| {
            vec![
                ("crv", name.to_owned()),
                ("kty", "EC".to_owned()),
                ("x", text(x)),
                ("y", text(y)),
            ]
        };
        match self {
            Self::Ed25519(x) => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", text(x)),
            ],
            Self::P256([x, y]) => curve("P-256", x, y),
            Self::P384([x, y]) => curve("P-384", x, y),
            Self::Rsa { n, e } => vec![("e", text(e)), ("kty", "RSA".to_owned()), ("n", text(n))],
        }
    }

    /// Returns the SHA-256 thumbprint (RFC 7638 §3).
    pub(super) fn thumbprint(&self) -> String {
        let members: Vec<_> = self
            .required_members()
            .into_iter()
            // Neither the names nor base64url need escapes.
            .map(|(name, value)| format!("\"{name}\":\"{value}\""))
            .collect();
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{{}}}", members.join(","))))
    }
}

/// Recognises moduli made of powers of 65537, which can be factored
/// (CVE-2017-15361): modulo each of these primes they stay in the small group
/// that 65537 makes, and random moduli do so for all of them once in 2^28.
fn is_roca(n: &[u8]) -> bool {
    const PRIMES: [u64; 17] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    PRIMES.iter().all(|prime| {
        let rest = n
            .iter()
            .fold(0_u64, |rest, byte| (rest * 256 + u64::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * 65_537 % prime;
            power == rest
        })
    })
}
