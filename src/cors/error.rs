//! What can be wrong with a CORS configuration.

use std::time::Duration;

use thiserror::Error;

use crate::config::Problems;

/// All problems of a [`CorsLayer`](super::CorsLayer).
pub type ConfigError = Problems<Problem>;

/// A setting that browsers ignore or that must not be shared.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// One says all there is to say.
    #[error("any request header is allowed, and some by name as well; remove one of the two")]
    AnyHeaderAndSome,
    /// With credentials `*` is a header of that name.
    #[error("browsers take no `*` for headers of requests with credentials; name the headers")]
    AnyHeaderWithCredentials,
    /// Scripts can never read or send this field.
    #[error("header {name:?} is out of reach of scripts in every browser; remove it")]
    ForbiddenHeader {
        /// The field name.
        name: String,
    },
    /// Scripts can never send this method.
    #[error("method {method:?} is refused by every browser; remove it")]
    ForbiddenMethod {
        /// The method.
        method: String,
    },
    /// Browsers compare methods letter by letter.
    #[error("method {method:?} is not what browsers send; write it in capitals")]
    MethodCase {
        /// The method as given.
        method: String,
    },
    /// `*` is a name like any other here.
    #[error(
        "{setting} has the name `*`, which is no pattern; name each, or use any_request_header()"
    )]
    Star {
        /// The setting.
        setting: &'static str,
    },
    /// Browsers cap the time.
    #[error(
        "a max age of {max_age:?} is over the 24 h that any browser honours; use for instance 10 min"
    )]
    MaxAgeTooLong {
        /// The time as given.
        max_age: Duration,
    },
}
