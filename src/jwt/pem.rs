//! Keys in PEM (RFC 7468 §10, §13), told apart by label and by content.

use jsonwebtoken::DecodingKey;

use super::backend::{self, Private};
use super::error::Problem;
use super::public::PublicKey;

/// Reads a private key that can sign here.
pub(super) fn private(text: &str) -> Result<Private, Problem> {
    let bad = || Problem::BadKey {
        found: describe(text),
        expected: "a private Ed25519, P-256 or P-384 key; `openssl genpkey -algorithm ed25519` makes one",
    };
    let block = pem::parse(text).map_err(|_| bad())?;
    let der = block.contents();
    match block.tag() {
        "PRIVATE KEY" => backend::ed25519_private(der).or_else(|| backend::ec_private(der)),
        "EC PRIVATE KEY" => backend::ec_private(der),
        _ => None,
    }
    .ok_or_else(bad)
}

/// Reads a public key.
pub(super) fn public(text: &str) -> Result<PublicKey, Problem> {
    read_public(text).ok_or_else(|| Problem::BadKey {
        found: describe(text),
        expected: "a public Ed25519, P-256, P-384 or RSA key; `openssl pkey -in private.pem -pubout` derives it",
    })
}

fn read_public(text: &str) -> Option<PublicKey> {
    let bytes = text.as_bytes();
    match pem::parse(text).ok()?.tag() {
        "PUBLIC KEY" => ed25519(bytes)
            .or_else(|| curve(bytes))
            .or_else(|| rsa(bytes)),
        "RSA PUBLIC KEY" => rsa(bytes),
        _ => None,
    }
}

fn ed25519(pem: &[u8]) -> Option<PublicKey> {
    let key = DecodingKey::from_ed_pem(pem).ok()?;
    Some(PublicKey::Ed25519(
        key.try_get_as_bytes().ok()?.try_into().ok()?,
    ))
}

fn curve(pem: &[u8]) -> Option<PublicKey> {
    let key = DecodingKey::from_ec_pem(pem).ok()?;
    PublicKey::from_point(key.try_get_as_bytes().ok()?)
}

fn rsa(pem: &[u8]) -> Option<PublicKey> {
    let key = DecodingKey::from_rsa_pem(pem).ok()?;
    backend::rsa_components(key.try_get_as_bytes().ok()?)
}

/// Says what kind of text was found, without any of the key.
fn describe(text: &str) -> String {
    let Ok(block) = pem::parse(text) else {
        let trimmed = text.trim_start();
        return match trimmed.as_bytes().first() {
            None => "nothing".to_owned(),
            Some(b'{') => "JSON (a JWK is read by `from_jwk`)".to_owned(),
            _ if trimmed.starts_with("ssh-") => {
                "an OpenSSH public key (`ssh-keygen -e -m PKCS8` converts it)".to_owned()
            }
            _ if text.contains("-----BEGIN ") && !text.contains('\n') => {
                "a PEM block without line ends".to_owned()
            }
            _ if text.contains("-----BEGIN ") => "a PEM block that cannot be decoded".to_owned(),
            _ => "no PEM block".to_owned(),
        };
    };
    let der = block.contents();
    match block.tag() {
        "PRIVATE KEY" if backend::ed25519_private(der).is_some() => "an Ed25519 private key",
        "PRIVATE KEY" if backend::ec_private(der).is_some() => "an elliptic-curve private key",
        "PRIVATE KEY" if DecodingKey::from_rsa_pem(text.as_bytes()).is_ok() => "an RSA private key",
        "PRIVATE KEY" => "a private key of another kind",
        "EC PRIVATE KEY" => "a SEC1 elliptic-curve private key",
        "RSA PRIVATE KEY" => "a PKCS#1 RSA private key",
        "ENCRYPTED PRIVATE KEY" => "an encrypted private key (`openssl pkey` decrypts it)",
        "OPENSSH PRIVATE KEY" => "an OpenSSH private key (`ssh-keygen -p -m PKCS8` converts it)",
        "PUBLIC KEY" if ed25519(text.as_bytes()).is_some() => "an Ed25519 public key",
        "PUBLIC KEY" if curve(text.as_bytes()).is_some() => "an elliptic-curve public key",
        "PUBLIC KEY" if rsa(text.as_bytes()).is_some() => "an RSA public key",
        "PUBLIC KEY" => "a public key of another kind",
        "RSA PUBLIC KEY" => "a PKCS#1 RSA public key",
        "CERTIFICATE" => "a certificate (`openssl x509 -pubkey -noout` takes its key out)",
        "EC PARAMETERS" => "elliptic-curve parameters; the key is the block after them",
        _ => "a PEM block of another kind",
    }
    .to_owned()
}
