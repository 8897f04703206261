//! What can be wrong with the headers.

use std::time::Duration;

use thiserror::Error;

use crate::config::Problems;

/// All problems of a [`SecurityHeadersLayer`](super::SecurityHeadersLayer).
pub type ConfigError = Problems<Problem>;

/// A header that browsers would not understand.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// The policy is weaker than it looks, or none.
    #[error("content security policy {policy:?}, {directive:?}: {reason}")]
    ContentSecurityPolicy {
        /// The policy as given.
        policy: String,
        /// The directive.
        directive: String,
        /// What is wrong, and the fix.
        reason: &'static str,
    },
    /// A time so short protects nobody.
    #[error(
        "an HSTS time of {max_age:?} is under five minutes; use one year, or zero to take it back"
    )]
    HstsTooShort {
        /// The time as given.
        max_age: Duration,
    },
}
