//! The codes that clients may match on.

use std::fmt;

/// Names a refusal for a client program. The text is stable.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RejectionCode {
    /// 413: the body is larger than allowed.
    BodyTooLarge,
    /// 403: a page of another site tried to change something.
    CrossSiteRequest,
    /// 403: the caller lacks a role.
    InsufficientRole,
    /// 403: the caller lacks a scope (RFC 6750 §3.1).
    InsufficientScope,
    /// 401: the caller must sign in again first (RFC 9470 §3).
    InsufficientUserAuthentication,
    /// 500: the service failed; the log says how.
    InternalError,
    /// 422: a file name that systems read differently.
    InvalidFilename,
    /// 400: credentials that cannot be read, or several of them.
    InvalidRequest,
    /// 411: the length must be declared.
    LengthRequired,
    /// 400: the multipart body breaks the grammar.
    MalformedMultipart,
    /// 415: declared type, content and extension do not agree.
    MediaTypeMismatch,
    /// 500: a layer that this one relies on is missing.
    Misconfigured,
    /// 422: a required field is missing.
    MissingField,
    /// 403: the origin may not make this request.
    OriginDenied,
    /// 503: too much work is waiting; nothing was tried.
    Overloaded,
    /// 413: one part is larger than its rule allows.
    PartTooLarge,
    /// 429: a limit is used up.
    RateLimited,
    /// 401: the session was ended for everybody's safety.
    ReauthenticationRequired,
    /// 401: the refresh token is not one of ours.
    RefreshInvalid,
    /// 401: the refresh token was used before; the session is over.
    RefreshReused,
    /// 503: nobody could tell for too long which sessions were ended.
    RevocationUnavailable,
    /// 401: the session reached its end.
    SessionExpired,
    /// 401: the session was unused for too long.
    SessionIdleTimeout,
    /// 401: the session was ended.
    SessionRevoked,
    /// 401: the key that signed the token was revoked; refresh.
    SigningKeyRevoked,
    /// 503: a service that must be asked does not answer.
    TemporarilyUnavailable,
    /// 401: the token's time is over.
    TokenExpired,
    /// 401: the token is not valid; which check failed is not told.
    TokenInvalid,
    /// 401: no credentials were sent.
    TokenMissing,
    /// 401: the token's time has not come.
    TokenNotYetValid,
    /// 413: too many parts, files or fields.
    TooManyParts,
    /// 422: a picture that would take too much to unpack.
    TooManyPixels,
    /// 422: a field that the route does not know.
    UnknownField,
    /// 415: the media type is not accepted here.
    UnsupportedMediaType,
    /// 408: the client was silent for too long.
    UploadTimeout,
    /// A code of the application's own.
    Other(&'static str),
}

impl RejectionCode {
    /// Returns the text that clients match on.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "body_too_large",
            Self::CrossSiteRequest => "cross_site_request",
            Self::InsufficientRole => "insufficient_role",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::InternalError => "internal_error",
            Self::InvalidFilename => "invalid_filename",
            Self::InvalidRequest => "invalid_request",
            Self::LengthRequired => "length_required",
            Self::MalformedMultipart => "malformed_multipart",
            Self::MediaTypeMismatch => "media_type_mismatch",
            Self::Misconfigured => "misconfigured",
            Self::MissingField => "missing_field",
            Self::OriginDenied => "origin_denied",
            Self::Overloaded => "overloaded",
            Self::PartTooLarge => "part_too_large",
            Self::RateLimited => "rate_limited",
            Self::ReauthenticationRequired => "reauthentication_required",
            Self::RefreshInvalid => "refresh_invalid",
            Self::RefreshReused => "refresh_reused",
            Self::RevocationUnavailable => "revocation_unavailable",
            Self::SessionExpired => "session_expired",
            Self::SessionIdleTimeout => "session_idle_timeout",
            Self::SessionRevoked => "session_revoked",
            Self::SigningKeyRevoked => "signing_key_revoked",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::TokenExpired => "token_expired",
            Self::TokenInvalid => "token_invalid",
            Self::TokenMissing => "token_missing",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TooManyParts => "too_many_parts",
            Self::TooManyPixels => "too_many_pixels",
            Self::UnknownField => "unknown_field",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::UploadTimeout => "upload_timeout",
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
