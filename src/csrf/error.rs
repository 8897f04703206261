//! What can be wrong with a CSRF configuration.

use thiserror::Error;

use crate::config::Problems;

/// All problems of a [`CsrfLayer`](super::CsrfLayer).
pub type ConfigError = Problems<Problem>;

/// A setting that could never match.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// An exempt path is no path.
    #[error(
        "exempt path {path:?} could never match; write it from the root without query and patterns, like /webhooks/mail"
    )]
    ExemptPath {
        /// The path as given.
        path: String,
    },
    /// A safe method needs no exemption.
    #[error("exempt method {method} is never refused; remove the exemption of {path:?}")]
    ExemptSafeMethod {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
}
