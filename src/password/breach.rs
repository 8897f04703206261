//! Whether a password is among those that were leaked somewhere.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use sha1::{Digest as _, Sha1};
use thiserror::Error;
use zeroize::Zeroizing;

use super::scheme::Password;

/// Whether a password was leaked, or why nobody knows.
pub type BreachAnswer<'a> = Pin<Box<dyn Future<Output = Result<bool, BreachError>> + Send + 'a>>;

/// Knows which passwords were leaked. To be asked when one is set, after
/// [`PasswordPolicy`](super::PasswordPolicy), and never at sign-in.
pub trait BreachChecker: fmt::Debug + Send + Sync + 'static {
    /// Tells whether a password is known from a leak.
    ///
    /// # Errors
    ///
    /// [`BreachError`] if nobody knows. That is no "no": refuse the password until
    /// somebody does.
    fn is_breached<'a>(&'a self, password: &'a Password) -> BreachAnswer<'a>;
}

/// It could not be found out whether a password was leaked.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct BreachError {
    kind: BreachErrorKind,
    what: &'static str,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Why it could not be found out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BreachErrorKind {
    /// What was read is no list of leaked passwords.
    Malformed,
    /// A setting cannot work.
    Misconfigured,
    /// The file cannot be read, or the service does not answer.
    Unavailable,
}

impl BreachError {
    /// Returns what kind of error it is.
    #[must_use]
    pub fn kind(&self) -> BreachErrorKind {
        self.kind
    }

    pub(super) fn new(kind: BreachErrorKind, what: &'static str) -> Self {
        Self {
            kind,
            what,
            source: None,
        }
    }

    pub(super) fn unavailable(
        what: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind: BreachErrorKind::Unavailable,
            what,
            source: Some(source.into()),
        }
    }
}

/// The SHA-1 that leaked passwords are listed by, of the spelling that is kept. It is
/// worth as much as the password.
pub(super) fn digest(password: &Password) -> Zeroizing<[u8; 20]> {
    Zeroizing::new(password.with_composed(|password| Sha1::digest(password.bytes()).into()))
}

/// Reads `SHA1` or `SHA1:COUNT`.
pub(super) fn read_line(line: &str) -> Option<([u8; 20], Option<u64>)> {
    let line = line.trim_end_matches('\r');
    let (digits, count) = match line.split_once(':') {
        Some((digits, count)) => (digits, Some(count.parse().ok()?)),
        None => (line, None),
    };
    let plain = digits.len() == 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let mut digest = [0; 20];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    plain.then_some((digest, count))
}
