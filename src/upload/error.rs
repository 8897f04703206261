//! What can be wrong with the rules of a route.

use thiserror::Error;

use crate::config::Problems;

/// All problems of an [`UploadLayer`](super::UploadLayer).
pub type ConfigError = Problems<Problem>;

/// A rule that could never be kept, or never be broken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// Passing bytes on as they came leaves nothing for a setting to do.
    #[error("{setting} has no effect with dangerous_log_only; remove one of them")]
    ChangesNothing {
        /// The setting.
        setting: &'static str,
    },
    /// The fields may hold, or need, more parts than the form may have.
    #[error(
        "{setting} is {limit}, and the fields ask for {wanted}; raise it, or lower their max_count"
    )]
    CountAboveTotal {
        /// The setting.
        setting: &'static str,
        /// What it is.
        limit: u32,
        /// What it would have to be.
        wanted: u32,
    },
    /// Two rules for one field.
    #[error("field {field:?} has two rules; keep one")]
    DuplicateField {
        /// The field.
        field: String,
    },
    /// A field name that no form can send.
    #[error(
        "field name {field:?} must be 1 to 100 bytes without quotes, backslashes and control characters"
    )]
    FieldName {
        /// The field.
        field: String,
    },
    /// A body that is one file has no fields and no parts.
    #[error(
        "{setting} has no effect on a body that is one file; set the limit on the FileRule, or use a form"
    )]
    FormsOnly {
        /// The setting.
        setting: &'static str,
    },
    /// A multipart route without fields refuses everything.
    #[error("the form has no fields, so every part would be refused; add .file(..) or .text(..)")]
    NoFields,
    /// A file rule without kinds refuses every file.
    #[error("{field}: no kind of file is accepted; name at least one")]
    NoKinds {
        /// The field, or `body`.
        field: String,
    },
    /// No kind of file that is accepted has pixels.
    #[error("{field}: no kind that is accepted has pixels; remove max_pixels, or accept pictures")]
    NoPixels {
        /// The field, or `body`.
        field: String,
    },
    /// One part may be larger than the whole.
    #[error(
        "{field}: {max_bytes} bytes are more than the whole body may have, {max_total_bytes}; raise max_total_bytes"
    )]
    PartAboveTotal {
        /// The field, or `body`.
        field: String,
        /// The limit of the part.
        max_bytes: u64,
        /// The limit of the body.
        max_total_bytes: u64,
    },
    /// A limit of zero refuses everything.
    #[error("{field}: a limit of 0 refuses everything; use at least 1")]
    Zero {
        /// The field or setting.
        field: String,
    },
}
