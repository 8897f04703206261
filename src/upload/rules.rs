//! What a route accepts.

use std::time::Duration;

use super::kind::Kind;
use super::pace::Pace;

/// A rule for files.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct FileRule {
    pub(super) kinds: Vec<Kind>,
    pub(super) max_bytes: u64,
    pub(super) max_pixels: Option<u64>,
    pub(super) max_count: u32,
    pub(super) required: bool,
}

impl FileRule {
    /// Accepts one optional file of these kinds, up to 5 MiB.
    pub fn kinds(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self {
            kinds: kinds.into_iter().collect(),
            max_bytes: 5 * 1024 * 1024,
            max_pixels: None,
            max_count: 1,
            required: false,
        }
    }

    /// Accepts one optional picture, up to 5 MiB and 40 million pixels.
    pub fn images() -> Self {
        Self::kinds([Kind::Gif, Kind::Jpeg, Kind::Png, Kind::WebP]).max_pixels(40_000_000)
    }

    /// Sets the size of one file, in bytes.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how many pixels a picture may have, width times height as its header
    /// says: what it takes to unpack it, whatever its size in bytes. A picture that
    /// does not say so is refused. Without this pictures are not measured.
    pub fn max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = Some(pixels);
        self
    }

    /// Sets how many files the field may hold.
    pub fn max_count(mut self, files: u32) -> Self {
        self.max_count = files;
        self
    }

    /// Demands at least one file.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// A rule for text fields. A text is UTF-8 without NUL.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct TextRule {
    pub(super) max_bytes: u64,
    pub(super) max_count: u32,
    pub(super) required: bool,
}

impl TextRule {
    /// Accepts one optional text of so many bytes.
    pub fn max_bytes(bytes: u64) -> Self {
        Self {
            max_bytes: bytes,
            max_count: 1,
            required: false,
        }
    }

    /// Sets how often the field may occur; once by default.
    pub fn max_count(mut self, texts: u32) -> Self {
        self.max_count = texts;
        self
    }

    /// Demands the field.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// What a form field holds.
#[derive(Clone, Debug)]
pub(super) enum FieldRule {
    File(FileRule),
    Text(TextRule),
}

impl FieldRule {
    pub(super) fn max_bytes(&self) -> u64 {
        match self {
            Self::File(rule) => rule.max_bytes,
            Self::Text(rule) => rule.max_bytes,
        }
    }

    pub(super) fn max_count(&self) -> u32 {
        match self {
            Self::File(rule) => rule.max_count,
            Self::Text(rule) => rule.max_count,
        }
    }

    pub(super) fn required(&self) -> bool {
        match self {
            Self::File(rule) => rule.required,
            Self::Text(rule) => rule.required,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) rule: FieldRule,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Raw(FileRule),
    Multipart(Vec<Field>),
}

/// All rules of a route, checked.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) content: Content,
    pub(super) max_total_bytes: u64,
    pub(super) max_parts: u32,
    pub(super) max_files: Option<u32>,
    pub(super) max_texts: Option<u32>,
    pub(super) pace: Pace,
    pub(super) require_length: bool,
    pub(super) sha256: bool,
    pub(super) canonical: bool,
    pub(super) log_only: bool,
    /// How long a handler may go on after a violation.
    pub(super) respite: Duration,
}
