//! What can be wrong with an origin.

use thiserror::Error;

use crate::config::Problems;

/// All problems of an [`OriginPolicy`](super::OriginPolicy).
pub(super) type ConfigError = Problems<Problem>;

/// An entry that could never match, or should not be allowed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// Any port is for this machine only.
    #[error(
        "{place} {origin:?}: any port is for loopback origins without a port, such as http://localhost"
    )]
    AnyPortBeyondLoopback {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
    },
    /// Browsers leave out the default port, so it could never match.
    #[error("{place} {origin:?}: browsers leave out the default port; write {}", .suggestion.as_deref().unwrap_or("the origin without it"))]
    DefaultPort {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// There is no origin at all.
    #[error("the list of origins is empty, so the layer would refuse everybody; add one")]
    Empty,
    /// Plain http beyond this machine.
    #[error("{place} {origin:?}: pages over http can be rewritten on the way; serve it over https")]
    Insecure {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
    },
    /// A loopback origin in production is every visitor's own machine.
    #[error("{place} {origin:?}: a loopback origin has no place in production; remove it")]
    LoopbackInProduction {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
    },
    /// Not the form in which browsers send an origin.
    #[error("{place} {origin:?}: {reason}; write {}", .suggestion.as_deref().unwrap_or("for instance https://app.example.com"))]
    NotAnOrigin {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
        /// What is wrong.
        reason: &'static str,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// `null` is the origin of every sandboxed page of everybody.
    #[error(
        "{place} \"null\": every sandboxed page has this origin, so anybody could use it; name the real one"
    )]
    Null {
        /// The setting and position.
        place: String,
    },
    /// Strangers can get names under this host.
    #[error("{place} {origin:?}: anybody can get a name under this host; name your own host")]
    PublicSuffix {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
    },
    /// Addresses have no subdomains.
    #[error("{place} {origin:?}: an address has no subdomains; name a host")]
    SubdomainsOfAddress {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
    },
    /// There are no patterns.
    #[error(
        "{place} {origin:?}: there are no patterns; use subdomains_of(\"https://example.com\")"
    )]
    Wildcard {
        /// The setting and position.
        place: String,
        /// The entry as given.
        origin: String,
    },
}
