//! What can go wrong with a session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use super::store::StoreError;
use crate::config::Problems;
use crate::jwt::{EndReason, SignError};
use crate::rejection::{Rejection, RejectionCode};

/// A refresh token was not exchanged.
#[derive(Clone, Debug)]
pub struct RefreshError {
    kind: RefreshErrorKind,
    reason: Option<EndReason>,
    /// Shared by everybody who waited for the same renewal.
    source: Option<Arc<IssueError>>,
}

impl RefreshError {
    pub(super) fn new(kind: RefreshErrorKind) -> Self {
        Self {
            kind,
            reason: None,
            source: None,
        }
    }

    pub(super) fn ended(reason: EndReason) -> Self {
        let kind = match reason {
            EndReason::SecurityIncident => RefreshErrorKind::ReauthenticationRequired,
            _ => RefreshErrorKind::Revoked,
        };
        Self {
            kind,
            reason: Some(reason),
            source: None,
        }
    }

    /// Returns what happened.
    #[must_use]
    pub fn kind(&self) -> RefreshErrorKind {
        self.kind
    }

    /// Returns why the session was ended, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<EndReason> {
        self.reason
    }

    /// Turns the error into an answer: 401 with a code of its own, or 503 if
    /// the store did not answer and nothing is known.
    #[must_use]
    pub fn into_rejection(self) -> Rejection {
        use RefreshErrorKind as Kind;
        let (code, detail) = match self.kind {
            Kind::Expired => (
                RejectionCode::SessionExpired,
                "the session reached its end; sign in again",
            ),
            Kind::IdleTimeout => (
                RejectionCode::SessionIdleTimeout,
                "the session was unused for too long; sign in again",
            ),
            Kind::Invalid => (
                RejectionCode::RefreshInvalid,
                "the refresh token is not valid",
            ),
            Kind::ReauthenticationRequired => {
                (RejectionCode::ReauthenticationRequired, "sign in again")
            }
            Kind::Reused => (
                RejectionCode::RefreshReused,
                "the refresh token was used before, so the session was ended",
            ),
            Kind::Revoked => (
                RejectionCode::SessionRevoked,
                "the session was ended; sign in again",
            ),
            Kind::Unavailable => {
                return Rejection::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    RejectionCode::TemporarilyUnavailable,
                )
                .kind("session-store")
                .retry_after(Duration::from_secs(1));
            }
        };
        let rejection = Rejection::new(StatusCode::UNAUTHORIZED, code)
            .kind(self.kind.as_str())
            .detail(detail);
        match self.reason {
            Some(reason) => rejection.member("reason", reason.as_str()),
            None => rejection,
        }
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refresh refused: {}", self.kind.as_str())
    }
}

impl std::error::Error for RefreshError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl<E: Into<IssueError>> From<E> for RefreshError {
    fn from(error: E) -> Self {
        Self {
            kind: RefreshErrorKind::Unavailable,
            reason: None,
            source: Some(Arc::new(error.into())),
        }
    }
}

/// Why a refresh token was not exchanged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RefreshErrorKind {
    /// The session reached its absolute end.
    Expired,
    /// The session was unused for too long.
    IdleTimeout,
    /// Not a token of ours, or of a session that never was.
    Invalid,
    /// An incident ended the session.
    ReauthenticationRequired,
    /// A superseded token; the session was ended now.
    Reused,
    /// The session had been ended.
    Revoked,
    /// The store or the signing key failed; nothing is known.
    Unavailable,
}

impl RefreshErrorKind {
    /// Returns the name used in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::IdleTimeout => "idle-timeout",
            Self::Invalid => "invalid",
            Self::ReauthenticationRequired => "reauthentication-required",
            Self::Reused => "reused",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Tokens could not be issued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A session is somebody's.
    #[error("a session needs a subject that is not empty")]
    EmptySubject,
    /// The key set did not sign.
    #[error("the access token could not be signed")]
    Sign(#[from] SignError),
    /// The store did not answer.
    #[error("the session could not be stored")]
    Store(#[from] StoreError),
}

/// All problems of a configuration of this module.
pub type ConfigError = Problems<Problem>;

/// A setting that cannot work.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// Access tokens would live too long.
    #[error("an access lifetime of {lifetime:?} is outside 1 s to 24 h; use for instance 10 min")]
    AccessLifetime {
        /// The lifetime as given.
        lifetime: Duration,
    },
    /// A cookie breaks a rule of its prefix.
    #[error("cookie {name:?} {reason}")]
    Cookie {
        /// The cookie's name.
        name: String,
        /// What is wrong, and the fix.
        reason: &'static str,
    },
    /// The grace period is too long.
    #[error("a grace period of {grace:?} helps thieves more than tabs; use at most 60 s")]
    Grace {
        /// The period as given.
        grace: Duration,
    },
    /// A problem of the tokens.
    #[error(transparent)]
    Jwt(#[from] crate::jwt::Problem),
    /// The lifetimes contradict each other.
    #[error(
        "an idle lifetime of {idle:?} must be at least the access lifetime and at most the absolute one, {absolute:?}"
    )]
    Lifetimes {
        /// The idle lifetime.
        idle: Duration,
        /// The absolute lifetime.
        absolute: Duration,
    },
    /// A lost reply would be forgiven for too long.
    #[error(
        "a lost reply forgiven for {window:?} helps thieves more than commuters; use at most 7 d, or 0"
    )]
    LostReply {
        /// The window as given.
        window: Duration,
    },
    /// The keys only verify.
    #[error(
        "the key set has no signing key, so every refresh would fail; add one with .signing(key)"
    )]
    NoSigningKey,
    /// No secret is set.
    #[error("no secret is set; write .secret(&secret) with 48 random bytes")]
    SecretMissing,
}
