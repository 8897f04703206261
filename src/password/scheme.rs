//! bcrypt itself, and the condensing in front of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha384};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use zeroize::Zeroizing;

use super::error::PasswordTooLong;
use crate::secret::Secret;

/// What bcrypt reads of a key; it ignores the rest.
pub(super) const BCRYPT_BYTES: usize = 72;

/// The longest password that is accepted, in bytes of UTF-8.
const MAX_BYTES: usize = 1024;

/// A password as it was typed. Wiped on drop, never printed.
///
/// # Examples
///
/// ```
/// use tower_rampart::password::Password;
///
/// let password = Password::new("correct horse battery staple").expect("short enough");
/// assert_eq!(format!("{password:?}"), "Password([redacted])");
/// assert!(Password::new("x".repeat(1_025)).is_err());
/// ```
pub struct Password(Secret);

impl Password {
    /// Takes over a password.
    ///
    /// # Errors
    ///
    /// [`PasswordTooLong`] over 1,024 bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, PasswordTooLong> {
        let secret = Secret::new(text.into());
        if secret.len() > MAX_BYTES {
            Err(PasswordTooLong)
        } else {
            Ok(Self(secret))
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }

    /// Returns the password in Normalization Form C, if that is another spelling:
    /// keyboards differ in how they write a letter with its accent (UAX #15).
    pub(super) fn composed(&self) -> Option<Self> {
        let text = self.text();
        if is_nfc(text) {
            return None;
        }
        let mut composed = String::with_capacity(text.len() * 3);
        // It grows no further, so that nothing of it is left behind.
        composed.extend(text.nfc());
        Some(Self(Secret::new(composed)))
    }

    /// As it is kept: in Normalization Form C.
    pub(super) fn with_composed<T>(&self, read: impl FnOnce(&Self) -> T) -> T {
        match self.composed() {
            Some(composed) => read(&composed),
            None => read(self),
        }
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

/// Runs bcrypt over at most 72 bytes of a key. The last of its 24 bytes is
/// dropped, as every implementation does.
pub(super) fn bcrypt(cost: u8, salt: [u8; 16], key: &[u8]) -> [u8; 23] {
    #[cfg(test)]
    super::tests::WORK.with(|work| work.set(work.get() + (1 << cost)));
    let mut terminated = Zeroizing::new([0_u8; BCRYPT_BYTES]);
    let length = key.len().min(BCRYPT_BYTES);
    terminated[..length].copy_from_slice(&key[..length]);
    // The key ends with a NUL, unless it fills all 72 bytes.
    let used = (length + 1).min(BCRYPT_BYTES);
    let full = bcrypt::bcrypt(u32::from(cost), salt, &terminated[..used]);
    let mut digest = [0_u8; 23];
    digest.copy_from_slice(&full[..23]);
    digest
}

/// Tells whether bcrypt gives a known digest: a processor or a build that
/// computes something else would lock everybody out, or let anybody in.
pub(super) fn computes_what_it_must() -> bool {
    // By libxcrypt and pyca's bcrypt alike:
    // $2b$04$abcdefghijklmnopqrstuuL/fE8GLCfhHKzbY4kumKsbyCOps1loO
    const SALT: [u8; 16] = [
        0x71, 0xd7, 0x9f, 0x82, 0x18, 0xa3, 0x92, 0x59, 0xa7, 0xa2, 0x9a, 0xab, 0xb2, 0xdb, 0xaf,
        0xc3,
    ];
    const DIGEST: [u8; 23] = [
        0x34, 0x18, 0x46, 0xf8, 0x83, 0x44, 0x86, 0x32, 0x4c, 0xd5, 0xd6, 0xba, 0x9b, 0x0a, 0x0c,
        0xb9, 0xdd, 0x04, 0x42, 0xbb, 0xb7, 0x9e, 0xa4,
    ];
    bcrypt(4, SALT, b"self-test") == DIGEST
}

/// The key that a computation with signed bytes would have used.
///
/// crypt_blowfish before 1.1 put four bytes at a time into a word by shifting and
/// adding them as signed numbers, so that a byte from 0x80 on overwrote those
/// before it. The 18 words that come out are 72 bytes, which a correct computation
/// reads as they are.
pub(super) fn sign_extended(key: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = key.iter().chain(&[0]).cycle();
    let mut words = Zeroizing::new(Vec::with_capacity(BCRYPT_BYTES));
    for _ in 0..BCRYPT_BYTES / 4 {
        let word = bytes.by_ref().take(4).fold(0_u32, |word, byte| {
            word << 8 | i32::from(byte.cast_signed()).cast_unsigned()
        });
        words.extend(word.to_be_bytes());
    }
    words
}

/// Condenses a password of any length to 64 characters without NUL, under a key
/// that is not in the database (OWASP Password Storage Cheat Sheet, peppering).
pub(super) fn peppered(pepper: &[u8], password: &[u8]) -> Zeroizing<String> {
    let mut mac = Hmac::<Sha384>::new_from_slice(pepper).expect("HMAC takes keys of any length");
    mac.update(password);
    Zeroizing::new(STANDARD.encode(mac.finalize().into_bytes()))
}

/// Condenses a password to its SHA-256, as other systems do before bcrypt.
pub(super) fn sha256(password: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(Sha256::digest(password).into())
}

/// Condenses a password of any length to 44 characters without NUL, under a
/// key that is different in each row: hashes stolen elsewhere cannot be tried
/// against it in place of passwords.
///
/// The key is the salt as written, 22 ASCII characters, as in passlib's
/// `bcrypt_sha256` version 2.
pub(super) fn salted_hmac(salt: &str, password: &[u8]) -> Zeroizing<String> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(salt.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(password);
    Zeroizing::new(STANDARD.encode(mac.finalize().into_bytes()))
}
