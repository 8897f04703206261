//! What can go wrong with a password.

use std::time::Duration;

use thiserror::Error;

use crate::config::Problems;

/// A password over 1,024 bytes.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a password has at most 1,024 bytes")]
pub struct PasswordTooLong;

/// A password was not hashed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum HashError {
    /// Too much work was waiting.
    #[error(transparent)]
    Busy(#[from] HashBusy),
    /// The memory that argon2id needs could not be had.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// It contains a NUL, at which other programs end a password.
    #[error("the password contains a NUL character")]
    Nul,
    /// Plain bcrypt would cut it.
    #[error("plain bcrypt reads 72 bytes of a password; use PreHash::Auto")]
    TooLongForPlain,
}

/// The memory that argon2id needs could not be had.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("there is not enough memory to hash a password with argon2id")]
pub struct OutOfMemory;

/// Too much hashing was waiting, so nothing was tried. Answer 503.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("too many passwords are being hashed")]
pub struct HashBusy {
    pub(super) retry_after: Duration,
}

impl HashBusy {
    /// Returns when to try again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

/// All problems of a configuration of this module.
pub type ConfigError = Problems<Problem>;

/// A setting that cannot work.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// The costs of argon2id are no protection, or more than is verified.
    #[error(
        "argon2id with {memory_kib} KiB, {passes} passes and {lanes} lanes is outside what is safe and bearable; OWASP names 19456 KiB, 2 passes, 1 lane"
    )]
    Argon2id {
        /// The memory as given, in KiB.
        memory_kib: u32,
        /// The passes as given.
        passes: u32,
        /// The lanes as given.
        lanes: u32,
    },
    /// The cost is outside what is safe and bearable.
    #[error("a bcrypt cost of {cost} is outside 10 to {max}; 10 is the least that OWASP accepts")]
    Cost {
        /// The cost as given.
        cost: u8,
        /// The highest cost that is verified.
        max: u8,
    },
    /// The cap would let a stored hash keep a core busy for hours.
    #[error(
        "a cap of {max_verify_cost} on stored costs is outside 10 to 20; each step doubles the time"
    )]
    MaxVerifyCost {
        /// The cap as given.
        max_verify_cost: u8,
    },
    /// A pepper whose name cannot be written into a hash.
    #[error("a pepper is named {id:?}; use 1 to 16 lower-case letters and digits")]
    PepperId {
        /// The name as given.
        id: String,
    },
    /// Passwords are to be mixed with a pepper, and there is none.
    #[error("PreHash::Pepper needs a pepper; give one, or use PreHash::Auto")]
    PepperMissing,
    /// A pepper that could be guessed.
    #[error("pepper {id:?} has fewer than 32 bytes; draw 32 random ones")]
    PepperTooShort {
        /// Its name.
        id: String,
    },
    /// Two peppers with one name.
    #[error("pepper {id:?} is given twice; name each differently")]
    PepperTwice {
        /// Their name.
        id: String,
    },
    /// A way to condense passwords, where they are not condensed.
    #[error("a PreHash is given, which argon2id does not use; leave it out")]
    PreHashUnused,
    /// A pepper beside a form that has no place for it.
    #[error("a pepper is given, and a PreHash that does not use it; use PreHash::Auto")]
    PepperUnused,
    /// The pool could never run anything.
    #[error(
        "a pool of {permits} concurrent hashes is outside 1 to 1,024; use the number of cores minus one"
    )]
    Permits {
        /// The number as given.
        permits: usize,
    },
    /// bcrypt or argon2id gives another digest than everywhere else.
    #[error("a wrong digest is computed on this machine; build it again, or try another machine")]
    SelfTest,
    /// The minimum length contradicts the maximum, or is no protection.
    #[error(
        "a minimum of {min_chars} characters is outside 8 to {max_chars}; NIST SP 800-63B-4 asks for 15, or 8 beside a second factor"
    )]
    MinChars {
        /// The minimum as given.
        min_chars: usize,
        /// The maximum.
        max_chars: usize,
    },
}
