//! How an upload breaks the rules, and what is answered.

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderValue, StatusCode};

use crate::rejection::{Rejection, RejectionCode};

/// A broken rule. The parts are counted from 0.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Violation {
    BodyTooLarge {
        limit: u64,
    },
    ContentEncoding,
    Deadline,
    Filename {
        part: u32,
        reason: &'static str,
    },
    Idle,
    LengthRequired,
    Malformed {
        reason: &'static str,
    },
    MediaType {
        accept: String,
    },
    MissingField {
        field: String,
    },
    PartHeaders {
        part: u32,
        limit: u64,
    },
    PartTooLarge {
        part: u32,
        field: Option<String>,
        limit: u64,
    },
    PartType {
        part: u32,
        reason: &'static str,
    },
    TooSlow,
    TooManyParts {
        limit: u64,
    },
    TooManyPixels {
        part: u32,
        limit: u64,
    },
    /// One field occurs too often.
    TooManyOfField {
        field: String,
        limit: u64,
    },
    /// There are too many files, or texts, in all.
    TooManyOfSort {
        /// The name of the rule.
        sort: &'static str,
        limit: u64,
    },
    UnknownField {
        part: u32,
    },
    WrongFieldKind {
        part: u32,
        field: String,
    },
}

impl Violation {
    /// Tells whether the client stopped sending, so that reading on is no use.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Deadline | Self::Idle | Self::TooSlow)
    }

    /// Writes the answer. It never repeats a file name or content; a field
    /// name only if it is one of the configured ones.
    pub(super) fn into_rejection(self) -> Rejection {
        use RejectionCode as Code;
        let refuse = |status: StatusCode, code: Code, rule: &'static str| {
            Rejection::new(status, code).kind(rule).member("rule", rule)
        };
        let too_large = StatusCode::PAYLOAD_TOO_LARGE;
        let unsupported = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::BodyTooLarge { limit } => refuse(too_large, Code::BodyTooLarge, "body-size")
                .detail("the body is larger than allowed")
                .member("limit", limit),
            Self::ContentEncoding => {
                refuse(unsupported, Code::UnsupportedMediaType, "content-encoding")
                    .detail("send the body without content encoding")
                    .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            }
            Self::Filename { part, reason } => {
                refuse(unprocessable, Code::InvalidFilename, "filename")
                    .detail(reason)
                    .member("part", part)
            }
            Self::Idle => refuse(StatusCode::REQUEST_TIMEOUT, Code::UploadTimeout, "idle")
                .detail("nothing arrived for too long"),
            Self::TooSlow => refuse(StatusCode::REQUEST_TIMEOUT, Code::UploadTimeout, "rate")
                .detail("the body arrived too slowly"),
            Self::Deadline => refuse(StatusCode::REQUEST_TIMEOUT, Code::UploadTimeout, "deadline")
                .detail("the body took too long to arrive"),
            Self::LengthRequired => refuse(
                StatusCode::LENGTH_REQUIRED,
                Code::LengthRequired,
                "length-required",
            )
            .detail("declare the length of the body"),
            Self::Malformed { reason } => {
                refuse(StatusCode::BAD_REQUEST, Code::MalformedMultipart, "syntax").detail(reason)
            }
            Self::MediaType { accept } => {
                let rejection = refuse(unsupported, Code::UnsupportedMediaType, "media-type")
                    .detail("this media type is not accepted here");
                match HeaderValue::try_from(accept) {
                    Ok(accept) => rejection.header(ACCEPT, accept),
                    Err(_) => rejection,
                }
            }
            Self::MissingField { field } => {
                refuse(unprocessable, Code::MissingField, "required-field")
                    .detail("a required field is missing")
                    .member("field", field)
            }
            Self::PartHeaders { part, limit } => {
                refuse(too_large, Code::PartTooLarge, "part-headers")
                    .detail("the headers of a part are larger than allowed")
                    .member("limit", limit)
                    .member("part", part)
            }
            Self::PartTooLarge { part, field, limit } => {
                let rejection = refuse(too_large, Code::PartTooLarge, "part-size")
                    .detail("a part is larger than allowed")
                    .member("limit", limit)
                    .member("part", part);
                match field {
                    Some(field) => rejection.member("field", field),
                    None => rejection,
                }
            }
            Self::PartType { part, reason } => {
                refuse(unsupported, Code::MediaTypeMismatch, "part-type")
                    .detail(reason)
                    .member("part", part)
            }
            Self::TooManyParts { limit } => refuse(too_large, Code::TooManyParts, "part-count")
                .detail("the form has too many parts")
                .member("limit", limit),
            Self::TooManyPixels { part, limit } => {
                refuse(unprocessable, Code::TooManyPixels, "pixels")
                    .detail("the picture has more pixels than allowed")
                    .member("limit", limit)
                    .member("part", part)
            }
            Self::TooManyOfSort { sort, limit } => refuse(too_large, Code::TooManyParts, sort)
                .detail("the form has too many files, or too many texts")
                .member("limit", limit),
            Self::TooManyOfField { field, limit } => {
                refuse(unprocessable, Code::TooManyParts, "field-count")
                    .detail("the field occurs too often")
                    .member("limit", limit)
                    .member("field", field)
            }
            Self::UnknownField { part } => {
                refuse(unprocessable, Code::UnknownField, "unknown-field")
                    .detail("the form has a field that is not known here")
                    .member("part", part)
            }
            Self::WrongFieldKind { part, field } => {
                refuse(unprocessable, Code::UnknownField, "field-kind")
                    .detail("a file was sent as text, or a text as file")
                    .member("part", part)
                    .member("field", field)
            }
        }
    }
}
