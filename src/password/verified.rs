//! What comes of comparing a password.

use std::fmt;

/// The outcome of [`PasswordHasher::verify`](super::PasswordHasher::verify).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verified {
    /// The password is right.
    Match {
        /// A better hash to store in place of the old one, if there is one.
        rehash: Option<Rehash>,
    },
    /// It is not, or cannot be.
    Mismatch {
        /// Why, for the audit; the client is told nothing.
        reason: MismatchReason,
    },
}

/// Why a password did not match.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MismatchReason {
    /// The stored cost is above the cap, so it was not run.
    CostRefused,
    /// The account is locked.
    Locked,
    /// There is no such account.
    NoAccount,
    /// The memory that the stored hash needs could not be had: tell the operator.
    OutOfMemory,
    /// The stored hash needs a pepper that is not known: tell the operator, since
    /// nobody whose hash needs it can sign in.
    UnknownPepper,
    /// The stored hash is not one.
    Unreadable,
    /// The password is wrong.
    WrongPassword,
}

/// A hash to be replaced by a better one.
///
/// Store it only if the old one is still there
/// (`UPDATE … SET hash = new WHERE id = ? AND hash = old`): otherwise a
/// password that was changed meanwhile would come back. If that write fails,
/// the sign-in still succeeded.
#[derive(Clone, Eq, PartialEq)]
pub struct Rehash {
    /// The stored hash that was verified.
    pub old: String,
    /// The hash to store instead.
    pub new: String,
    /// What the old one lacks; never empty.
    pub why: Vec<RehashReason>,
}

impl fmt::Debug for Rehash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehash")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

/// Why a stored hash is to be replaced.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RehashReason {
    /// It costs less than new ones do; or more, where that was
    /// [allowed](super::PasswordHasherBuilder::dangerous_allow_downgrade).
    Cost,
    /// It is written as another system does.
    Foreign,
    /// It was made with another pepper, or with none.
    Pepper,
    /// The password reaches bcrypt in another way.
    PreHash,
    /// It is of bcrypt, and new ones are of argon2id; or the other way round, where
    /// that was [allowed](super::PasswordHasherBuilder::dangerous_allow_downgrade).
    Scheme,
    /// It is of another spelling of the password than Normalization Form C.
    Spelling,
    /// bcrypt did not read the end of the password.
    Truncated,
}

impl RehashReason {
    /// Returns a name for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Foreign => "foreign",
            Self::Pepper => "pepper",
            Self::PreHash => "prehash",
            Self::Scheme => "scheme",
            Self::Spelling => "spelling",
            Self::Truncated => "truncated",
        }
    }
}
