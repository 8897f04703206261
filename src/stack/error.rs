//! What only the whole stack can see.

use thiserror::Error;

use crate::config::Problems;

/// All problems of a [`Rampart`](super::Rampart).
pub type ConfigError = Problems<Problem>;

/// A combination of layers that cannot be safe.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// Browsers attach cookies to requests of any page.
    #[error("tokens in cookies need protection against cross-site requests; add .csrf(..)")]
    CookiesWithoutCsrf,
    /// Pages that may read and never send a token.
    #[error(
        "tokens come in `Authorization`, which CORS lets no page send; add AUTHORIZATION to .request_headers(..)"
    )]
    CorsWithoutAuthorization,
    /// Pages that may read, and whose every change is refused.
    #[error(
        "CORS lets pages of other origins send credentials, and CSRF refuses what they change; give the same list to CsrfLayer's .origins(..), or say .own_pages_only()"
    )]
    CsrfWithoutOrigins,
    /// Pages whose sessions are never renewed.
    #[error(
        "CORS lets pages of other origins send credentials, and their tokens are not renewed; give the same list to SessionLayer's .origins(..), or say .own_pages_only()"
    )]
    SessionWithoutOrigins,
    /// Without authentication there is nobody to have anything.
    #[error("what a caller must have needs a JWT layer to know the caller; add .jwt(..)")]
    RequireWithoutJwt,
    /// Refreshed tokens that nobody verifies.
    #[error(
        "a session layer without a JWT layer refreshes tokens that nobody verifies; add .jwt(..)"
    )]
    SessionWithoutJwt,
    /// Without authentication there is no session to ask about.
    #[error("a strict session layer needs a JWT layer to know the session; add .jwt(..)")]
    StrictSessionWithoutJwt,
    /// Before authentication there is no subject.
    #[error(
        "the limit by address is decided before anybody is known; give the one by subject to .rate_limit_subject(..)"
    )]
    SubjectBeforeJwt,
    /// Without authentication there is no subject.
    #[error("a limit by subject needs a JWT layer to know the subject; add .jwt(..)")]
    SubjectWithoutJwt,
    /// Two sizes that disagree.
    #[error(
        "an upload layer takes {upload} bytes, but .max_content_length({cap}) refuses them first; raise it to {upload} at least"
    )]
    UploadOverCap {
        /// The cap on declared lengths.
        cap: u64,
        /// What the upload layer takes.
        upload: u64,
    },
}
