//! What can be wrong with a limit, and what it answers.

use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use super::quota::Quota;
use crate::config::Problems;
use crate::rejection::{Rejection, RejectionCode};

/// A text or a pair of numbers is not a rate.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum QuotaParseError {
    /// Not `COUNT/PERIOD`.
    #[error("write a limit as COUNT/PERIOD, for instance 30/15m; units are s, m, h and d")]
    Form,
    /// No period, or one that outlives any process.
    #[error("the period of a limit is between 1 s and 31 d")]
    Period,
    /// More than the limiter can tell apart.
    #[error("a limit allows at most one request a microsecond")]
    Rate,
    /// Nothing would ever be allowed.
    #[error("a limit of 0 refuses every request; use at least 1")]
    Zero,
}

/// The quota is used up.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("the limit is used up for {wait:?}")]
pub struct Limited {
    /// Each window: its name, its quota, and how long to wait for it, if it is
    /// used up.
    pub(super) windows: Vec<(String, Quota, Option<Duration>)>,
    pub(super) wait: Duration,
}

impl Limited {
    /// Returns how long to wait until one more request is allowed.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Turns the error into a 429 that says how long to wait.
    #[must_use]
    pub fn into_rejection(self) -> Rejection {
        let windows = self.windows.iter();
        // What is left of a window that did not refuse is not told: it was not
        // asked for.
        let used_up = windows.clone().filter(|(.., wait)| wait.is_some());
        let headers = super::check::header_fields(
            windows.map(|(name, quota, _)| (name.as_str(), *quota)),
            used_up
                .clone()
                .map(|(name, _, wait)| (name.as_str(), 0, *wait)),
        );
        let violated: Vec<_> = used_up.map(|(name, ..)| name.clone()).collect();
        let mut rejection =
            Rejection::new(StatusCode::TOO_MANY_REQUESTS, RejectionCode::RateLimited)
                .type_uri("https://iana.org/assignments/http-problem-types#quota-exceeded")
                .detail("too many requests; wait and try again")
                .member("violated-policies", violated)
                .retry_after(self.wait);
        for (name, value) in headers {
            rejection = rejection.header(name, value);
        }
        rejection
    }
}

/// All problems of a configuration of this module.
pub type ConfigError = Problems<Problem>;

/// A setting that cannot work.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// The table would hold too few clients, or take too much memory.
    #[error("a capacity of {capacity} clients is outside 1,024 to 67,108,864; 262,144 take 4 MiB")]
    Capacity {
        /// The capacity as given.
        capacity: usize,
    },
    /// Windows share a name.
    #[error("two windows are named {name:?}; give each a name of its own")]
    RepeatedName {
        /// The name as given.
        name: String,
    },
    /// There are too many windows.
    #[error("{windows} windows are more than 4; two, a short and a long one, are usual")]
    Windows {
        /// How many there are.
        windows: usize,
    },
    /// The name cannot stand in the `RateLimit` field.
    #[error("limit name {name:?} must be 1 to 64 letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name as given.
        name: String,
    },
}
