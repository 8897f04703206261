//! What is read of a part's content while it passes.

use sha2::{Digest as _, Sha256};

use super::kind::Kind;
use super::pixels::Measure;
use super::rules::FileRule;
use super::utf8::{NotText, Utf8};
use super::violation::Violation;

/// Reads along, and stops what does not belong there.
#[derive(Debug)]
pub(super) struct Reading {
    part: u32,
    look: Look,
    hash: Option<Sha256>,
}

#[derive(Debug)]
enum Look {
    /// Nothing is asked of the content.
    Away,
    Picture(Measure),
    Text(Utf8),
}

impl Reading {
    /// Looks at nothing yet: the content is not known.
    pub(super) fn nothing(part: u32) -> Self {
        Self {
            part,
            look: Look::Away,
            hash: None,
        }
    }

    /// Reads a text field.
    pub(super) fn text(part: u32, ascii: bool) -> Self {
        Self {
            part,
            look: Look::Text(Utf8::new(ascii)),
            hash: None,
        }
    }

    /// Reads a file of a kind.
    pub(super) fn file(part: u32, rule: &FileRule, kind: Kind, hash: bool) -> Self {
        let limit = rule.max_pixels.filter(|_| kind.has_pixels());
        let look = match limit {
            Some(limit) => Look::Picture(Measure::new(part, kind, limit)),
            None if kind.is_text() => Look::Text(Utf8::new(false)),
            None => Look::Away,
        };
        let hash = hash.then(Sha256::new);
        Self { part, look, hash }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        match &mut self.look {
            Look::Away => Ok(()),
            Look::Picture(measure) => measure.push(bytes),
            Look::Text(text) => text.push(bytes).map_err(|fault| no_text(self.part, &fault)),
        }
    }

    /// Ends the content, and tells its SHA-256 if that was asked for.
    pub(super) fn finish(&mut self) -> Result<Option<[u8; 32]>, Violation> {
        match &mut self.look {
            Look::Away => {}
            Look::Picture(measure) => measure.finish()?,
            Look::Text(text) => text.finish().map_err(|fault| no_text(self.part, &fault))?,
        }
        Ok(self.hash.take().map(|hash| hash.finalize().into()))
    }
}

fn no_text(part: u32, _: &NotText) -> Violation {
    Violation::PartType {
        part,
        reason: "a text is not UTF-8, or has a NUL",
    }
}
