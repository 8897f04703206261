//! Password hashing with bcrypt.
//!
//! Stops what plain bcrypt lets through: nothing is cut at 72 bytes, because
//! the password is first condensed with a key of its own (the
//! `$bcrypt-sha256$v=2` form, which passlib reads too); a stored cost above
//! [`max_verify_cost`](PasswordHasherBuilder::max_verify_cost) is never run; an
//! unknown account takes as long as a wrong password, as long as the table does not
//! hold hashes of both schemes; and [`LoginHasher`] keeps the work off the async
//! threads, with a bound.
//!
//! Hashes of other systems are read, and replaced when their owner signs in:
//! `$2a$`, `$2y$` and `$2x$`, both versions of passlib's `bcrypt_sha256`, and
//! bcrypt as Django and Spring Security store it. With the feature `argon2`,
//! `PasswordHasherBuilder::argon2id` makes new hashes with argon2id (RFC 9106)
//! instead, and moves old ones over as people sign in.
//!
//! [`PasswordPolicy`] judges new passwords by their length and by what is tried
//! first ([`Blocklist`]); with the feature `breach`, `BreachFile` knows those that
//! were leaked.
//!
//! # What it does not stop
//!
//! Guessing: put [`rate_limit`](crate::rate_limit) in front. Copies of the
//! password that a web framework or an allocator made are not wiped.
//!
//! # Examples
//!
//! ```
//! use tower_rampart::password::{Password, PasswordHasher, Verified};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hasher = PasswordHasher::builder().cost(10).build()?;
//! let stored = hasher.hash(&Password::new("correct horse battery staple")?)?;
//! assert!(stored.starts_with("$bcrypt-sha256$v=2,t=2b,r=10$"));
//!
//! let right = hasher.verify(&Password::new("correct horse battery staple")?, Some(&stored));
//! assert!(matches!(right, Verified::Match { rehash: None }));
//! let wrong = hasher.verify(&Password::new("correct horse battery stable")?, Some(&stored));
//! assert!(matches!(wrong, Verified::Mismatch { .. }));
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! Each step of the cost doubles the time, for an attacker and for every
//! sign-in. `cargo bench` prints what a step costs on this machine.

#[cfg(feature = "argon2")]
mod argon2id;
#[cfg(not(feature = "argon2"))]
#[path = "no_argon2id.rs"]
mod argon2id;
mod blocklist;
#[cfg(feature = "breach")]
mod breach;
#[cfg(feature = "breach")]
mod breach_file;
#[cfg(feature = "breach-client")]
mod breach_range;
mod builder;
mod calibrate;
mod error;
mod hasher;
mod pepper;
mod pool;
mod rules;
mod scheme;
mod stored;
mod verified;

#[cfg(feature = "argon2")]
pub use argon2id::Argon2id;
pub use blocklist::Blocklist;
#[cfg(feature = "breach")]
pub use breach::{BreachAnswer, BreachChecker, BreachError, BreachErrorKind};
#[cfg(feature = "breach")]
pub use breach_file::BreachFile;
#[cfg(feature = "breach-client")]
pub use breach_range::BreachRange;
pub use builder::{PasswordHasherBuilder, PreHash};
pub use calibrate::calibrate_cost;
pub use error::{ConfigError, HashBusy, HashError, OutOfMemory, PasswordTooLong, Problem};
pub use hasher::PasswordHasher;
pub use pool::{LoginHasher, LoginHasherBuilder, PoolStats};
pub use rules::{PasswordPolicy, WeakPassword};
pub use scheme::Password;
pub use verified::{MismatchReason, Rehash, RehashReason, Verified};

#[cfg(all(test, feature = "argon2"))]
mod argon2id_tests;
#[cfg(test)]
mod pepper_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verify_tests;
