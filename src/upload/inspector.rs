//! Judging a body as it comes in, whatever its form.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::kind::{Kind, SNIFF_BYTES};
use super::multipart::Multipart;
use super::part;
use super::reading::Reading;
use super::report::{UploadSummary, UploadedFile, UploadedPart};
use super::rules::{FileRule, Rules};
use super::violation::Violation;

/// Takes chunks and gives back what is accepted. Knows no I/O.
#[derive(Debug)]
pub(super) struct Inspector {
    form: Form,
    max_bytes: u64,
    seen: u64,
}

#[derive(Debug)]
enum Form {
    Multipart(Box<Multipart>),
    Raw(Box<Raw>),
}

impl Inspector {
    pub(super) fn multipart(rules: Arc<Rules>, boundary: &str) -> Self {
        let max_bytes = rules.max_total_bytes;
        Self {
            form: Form::Multipart(Box::new(Multipart::new(rules, boundary))),
            max_bytes,
            seen: 0,
        }
    }

    /// `declared` is the request's media type in lower case.
    pub(super) fn raw(rule: FileRule, declared: String, sha256: bool) -> Self {
        let max_bytes = rule.max_bytes;
        Self {
            form: Form::Raw(Box::new(Raw {
                rule,
                declared,
                sha256,
                held: Vec::new(),
                known: None,
                last: Bytes::new(),
            })),
            max_bytes,
            seen: 0,
        }
    }

    /// Takes a chunk. What lies before the first broken rule is judged first,
    /// so that the verdict does not depend on how the bytes are cut.
    pub(super) fn push(
        &mut self,
        mut chunk: Bytes,
        out: &mut VecDeque<Bytes>,
    ) -> Result<(), Violation> {
        let room = self.max_bytes - self.seen;
        let too_large = chunk.len() as u64 > room;
        if too_large {
            chunk.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        self.seen += chunk.len() as u64;
        match &mut self.form {
            Form::Multipart(multipart) => multipart.push(chunk, out)?,
            Form::Raw(raw) => raw.push(chunk, out)?,
        }
        if too_large {
            Err(Violation::BodyTooLarge {
                limit: self.max_bytes,
            })
        } else {
            Ok(())
        }
    }

    /// Tells what a form has in it, if it is complete unless something follows.
    pub(super) fn complete(&self) -> Option<UploadSummary> {
        let Form::Multipart(multipart) = &self.form else {
            return None;
        };
        let parts = multipart.complete()?.to_vec();
        let bytes = self.seen;
        Some(UploadSummary { bytes, parts })
    }

    /// Ends the body, and tells what was in it.
    pub(super) fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Result<UploadSummary, Violation> {
        let parts = match &mut self.form {
            Form::Multipart(multipart) => multipart.finish(out)?,
            Form::Raw(raw) => {
                let file = raw.finish(out)?;
                vec![UploadedPart {
                    field: None,
                    bytes: self.seen,
                    file: Some(file),
                }]
            }
        };
        let bytes = self.seen;
        Ok(UploadSummary { bytes, parts })
    }
}

/// A body that is one file.
#[derive(Debug)]
struct Raw {
    rule: FileRule,
    declared: String,
    sha256: bool,
    held: Vec<u8>,
    /// What the file is, once its first bytes are known.
    known: Option<(Kind, Reading)>,
    /// What came last, held back until more comes or the body ends: whoever has
    /// read it all knows that all of it was judged.
    last: Bytes,
}

impl Raw {
    fn push(&mut self, mut chunk: Bytes, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        if self.known.is_none() {
            let wanted = (SNIFF_BYTES - self.held.len()).min(chunk.len());
            self.held.extend_from_slice(&chunk.split_to(wanted));
            if self.held.len() < SNIFF_BYTES {
                return Ok(());
            }
        }
        let (_, reading) = self.known()?;
        reading.push(&chunk)?;
        self.let_out(chunk, out);
        Ok(())
    }

    /// Lets out what was held back, and holds back what came.
    fn let_out(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) {
        if !self.held.is_empty() {
            let first = std::mem::take(&mut self.held).into();
            let before = std::mem::replace(&mut self.last, first);
            out.extend(Some(before).filter(|before| !before.is_empty()));
        }
        if !chunk.is_empty() {
            let before = std::mem::replace(&mut self.last, chunk);
            out.extend(Some(before).filter(|before| !before.is_empty()));
        }
    }

    fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Result<UploadedFile, Violation> {
        let (kind, reading) = self.known()?;
        let file = UploadedFile {
            name: None,
            kind: *kind,
            sha256: reading.finish()?,
        };
        self.let_out(Bytes::new(), out);
        let last = std::mem::take(&mut self.last);
        out.extend(Some(last).filter(|last| !last.is_empty()));
        Ok(file)
    }

    /// Judges the file by its first bytes, unless that was done.
    fn known(&mut self) -> Result<&mut (Kind, Reading), Violation> {
        if self.known.is_none() {
            let judged = part::judge(&self.rule, &self.held, Some(&self.declared), None);
            let kind = judged.map_err(|reason| Violation::PartType { part: 0, reason })?;
            let mut reading = Reading::file(0, &self.rule, kind, self.sha256);
            reading.push(&self.held)?;
            return Ok(self.known.insert((kind, reading)));
        }
        Ok(self.known.as_mut().expect("just looked"))
    }
}
