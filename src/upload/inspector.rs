//! Judging a body as it comes in, whatever its form.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::kind::SNIFF_BYTES;
use super::multipart::Multipart;
use super::part::{accepted_kind, measure};
use super::pixels::Measure;
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
    Raw(Raw),
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
    pub(super) fn raw(rule: FileRule, declared: String) -> Self {
        let max_bytes = rule.max_bytes;
        Self {
            form: Form::Raw(Raw {
                rule,
                declared,
                held: Vec::new(),
                judged: false,
                measure: None,
            }),
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

    /// Ends the body.
    pub(super) fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        match &mut self.form {
            Form::Multipart(multipart) => multipart.finish(out),
            Form::Raw(raw) => raw.finish(out),
        }
    }
}

/// A body that is one file.
#[derive(Debug)]
struct Raw {
    rule: FileRule,
    declared: String,
    held: Vec<u8>,
    judged: bool,
    measure: Option<Measure>,
}

impl Raw {
    fn push(&mut self, mut chunk: Bytes, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        if !self.judged {
            let wanted = (SNIFF_BYTES - self.held.len()).min(chunk.len());
            self.held.extend_from_slice(&chunk.split_to(wanted));
            if self.held.len() == SNIFF_BYTES {
                self.judge(out)?;
            }
        }
        if !chunk.is_empty() {
            self.measure
                .as_mut()
                .map_or(Ok(()), |measure| measure.push(&chunk))?;
            out.push_back(chunk);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        if !self.judged {
            self.judge(out)?;
        }
        self.measure.as_mut().map_or(Ok(()), Measure::finish)
    }

    fn judge(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        let mismatch = |reason| Violation::PartType { part: 0, reason };
        let kind = accepted_kind(&self.rule, &self.held)
            .ok_or(mismatch("the content is no accepted kind of file"))?;
        if !kind.is_declared_as(&self.declared) {
            return Err(mismatch("the declared type and the content do not agree"));
        }
        self.judged = true;
        self.measure = measure(0, &self.rule, kind);
        let measured = self.measure.as_mut();
        measured.map_or(Ok(()), |measure| measure.push(&self.held))?;
        out.push_back(std::mem::take(&mut self.held).into());
        Ok(())
    }
}
