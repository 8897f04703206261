//! A part whose content comes in.

use std::sync::Arc;

use super::part::Part;
use super::reading::Reading;
use super::report::{UploadedFile, UploadedPart};
use super::rules::{Content, Field, FieldRule, Rules};
use super::violation::Violation;
use crate::upload::Kind;

/// Counts and reads the content of a part, and in the end tells what it was.
#[derive(Debug)]
pub(super) struct OpenPart {
    rules: Arc<Rules>,
    part: Part,
    bytes: u64,
    reading: Reading,
    /// What a file is, once its first bytes are known.
    kind: Option<Kind>,
}

impl OpenPart {
    pub(super) fn new(rules: Arc<Rules>, part: Part, is_file: bool) -> Self {
        let reading = if is_file {
            Reading::nothing(part.index)
        } else {
            Reading::text(part.index, part.ascii)
        };
        Self {
            rules,
            part,
            bytes: 0,
            reading,
            kind: None,
        }
    }

    fn field(&self) -> &Field {
        match &self.rules.content {
            Content::Multipart(fields) => &fields[self.part.field],
            Content::Raw(_) => unreachable!("a body that is one file has no parts"),
        }
    }

    /// Tells whether this is a file input left empty in a browser.
    pub(super) fn is_unchosen_file(&self) -> bool {
        self.part.is_unchosen_file() && self.bytes == 0
    }

    /// Counts content, and reads as much of it as may be there: what comes
    /// first is judged first, however it is cut.
    pub(super) fn take(&mut self, more: &[u8]) -> Result<(), Violation> {
        let limit = self.field().rule.max_bytes();
        let room = usize::try_from(limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        self.reading.push(&more[..room.min(more.len())])?;
        self.bytes += more.len() as u64;
        if self.bytes > limit {
            return Err(Violation::PartTooLarge {
                part: self.part.index,
                field: Some(self.field().name.clone()),
                limit,
            });
        }
        Ok(())
    }

    /// Judges a file by its first bytes, which were taken already.
    pub(super) fn judge(&mut self, first: &[u8]) -> Result<(), Violation> {
        let FieldRule::File(rule) = &self.field().rule else {
            return Ok(());
        };
        let kind = self.part.judge(rule, first)?;
        let mut reading = Reading::file(self.part.index, rule, kind, self.rules.sha256);
        reading.push(first)?;
        (self.reading, self.kind) = (reading, Some(kind));
        Ok(())
    }

    /// Ends the content.
    pub(super) fn end(&mut self) -> Result<UploadedPart, Violation> {
        if self.part.length.is_some_and(|length| length != self.bytes) {
            return Err(Violation::Malformed {
                reason: "a part is not as long as it says",
            });
        }
        let sha256 = self.reading.finish()?;
        let file = self.kind.map(|kind| UploadedFile {
            name: self.part.filename.take(),
            kind,
            sha256,
        });
        Ok(UploadedPart {
            field: Some(self.field().name.clone()),
            bytes: self.bytes,
            file,
        })
    }
}
