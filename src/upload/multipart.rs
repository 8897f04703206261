//! A push scanner for `multipart/form-data` (RFC 7578, RFC 2046 §5.1.1).
//!
//! Accepts only what all parsers read alike: the body begins with the
//! boundary, lines end with CRLF, nothing stands before the first or after the
//! last part, and a boundary behind a bare CR or LF is an error. Bytes come out
//! unchanged (but for headers that are to be canonical), a part's headers and
//! first bytes only once they are judged, the last delimiter only once the body
//! has ended. The verdict does not depend on how the bytes are cut into chunks.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use memchr::{memchr2, memmem};

use super::canonical;
use super::delimiter::possible_delimiter;
use super::kind::SNIFF_BYTES;
use super::open_part::OpenPart;
use super::part::Part;
use super::report::UploadedPart;
use super::rules::{Content, Field, FieldRule, Rules};
use super::violation::Violation;

/// The most bytes of headers a part may have.
const MAX_HEADER_BYTES: usize = 4 * 1024;

/// The state of the scan.
#[derive(Debug)]
pub(super) struct Multipart {
    rules: Arc<Rules>,
    /// Finds `--boundary`.
    finder: memmem::Finder<'static>,
    state: State,
    /// Bytes that are not judged yet: a delimiter, headers, a file's start.
    held: Vec<u8>,
    /// The end of the last chunk, if a delimiter may begin there.
    carry: Bytes,
    /// The two content bytes before `carry`.
    before: [u8; 2],
    parts: u32,
    /// How often each field occurred.
    counts: Vec<u32>,
    /// How many of them were files, and texts.
    files: u32,
    texts: u32,
    uploaded: Vec<UploadedPart>,
}

#[derive(Debug)]
enum State {
    /// Before the first boundary.
    Start,
    /// A boundary was read; its line goes on.
    Delimiter { from: usize },
    /// In the header block, which begins at `from` in `held`.
    Headers { from: usize },
    /// In a part's content. `start` is where an unjudged file begins in `held`.
    Content {
        part: Box<OpenPart>,
        start: Option<usize>,
    },
    /// After the last boundary.
    End { from: usize },
}

impl Multipart {
    pub(super) fn new(rules: Arc<Rules>, boundary: &str) -> Self {
        let needle = format!("--{boundary}");
        let mut multipart = Self {
            finder: memmem::Finder::new(needle.as_bytes()).into_owned(),
            state: State::Start,
            held: Vec::new(),
            carry: Bytes::new(),
            before: [0; 2],
            parts: 0,
            counts: Vec::new(),
            files: 0,
            texts: 0,
            uploaded: Vec::new(),
            rules,
        };
        multipart.counts = vec![0; multipart.fields().len()];
        multipart
    }

    fn fields(&self) -> &[Field] {
        match &self.rules.content {
            Content::Multipart(fields) => fields,
            Content::Raw(_) => &[],
        }
    }

    /// Takes a chunk and puts what is accepted into `out`.
    pub(super) fn push(
        &mut self,
        chunk: Bytes,
        out: &mut VecDeque<Bytes>,
    ) -> Result<(), Violation> {
        let carry = std::mem::take(&mut self.carry);
        if carry.is_empty() {
            return self.scan(chunk, out);
        }
        // As far as a delimiter that begins in the carry can reach, and no
        // further: the chunk itself is not copied.
        let reach = (self.finder.needle().len() + 1).min(chunk.len());
        let joined = [&carry, &chunk[..reach]].concat();
        self.scan(joined.into(), out)?;
        if reach == chunk.len() {
            return Ok(());
        }
        // What is carried now is part of the chunk, and looked at once more.
        let again = std::mem::take(&mut self.carry).len();
        self.scan(chunk.slice(reach - again..), out)
    }

    fn scan(&mut self, mut input: Bytes, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        while !input.is_empty() {
            match self.state {
                State::Start => self.start(&mut input)?,
                State::Delimiter { from } => self.delimiter(from, &mut input)?,
                State::Headers { from } => self.headers(from, &mut input, out)?,
                State::Content { .. } => self.content(&mut input, out)?,
                State::End { from } => {
                    self.held.extend_from_slice(&input);
                    input.clear();
                    if !b"\r\n".starts_with(&self.held[from..]) {
                        return Err(malformed("the body goes on after its last part"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the parts, if nothing is missing; something may follow yet.
    pub(super) fn complete(&self) -> Option<&[UploadedPart]> {
        matches!(self.state, State::End { .. }).then_some(&self.uploaded)
    }

    /// Ends the body, releases its last delimiter, and tells its parts.
    pub(super) fn finish(
        &mut self,
        out: &mut VecDeque<Bytes>,
    ) -> Result<Vec<UploadedPart>, Violation> {
        match self.state {
            State::End { from } if self.held.len() != from + 1 => {
                self.release(out);
                Ok(std::mem::take(&mut self.uploaded))
            }
            _ => Err(malformed("the body ends before its last boundary")),
        }
    }

    fn start(&mut self, input: &mut Bytes) -> Result<(), Violation> {
        let needle = self.finder.needle();
        let wanted = needle.len() - self.held.len();
        self.held
            .extend_from_slice(&input.split_to(wanted.min(input.len())));
        if !needle.starts_with(&self.held) {
            return Err(malformed("the body does not begin with its boundary"));
        }
        if self.held.len() == needle.len() {
            self.state = State::Delimiter {
                from: self.held.len(),
            };
        }
        Ok(())
    }

    fn delimiter(&mut self, from: usize, input: &mut Bytes) -> Result<(), Violation> {
        self.held.push(input.get_u8());
        match &self.held[from..] {
            b"\r" | b"-" => {}
            b"\r\n" => {
                self.parts += 1;
                if self.parts > self.rules.max_parts {
                    return Err(Violation::TooManyParts {
                        limit: self.rules.max_parts.into(),
                    });
                }
                self.state = State::Headers {
                    from: self.held.len(),
                };
            }
            b"--" => {
                let missing = self
                    .fields()
                    .iter()
                    .zip(&self.counts)
                    .find(|(field, count)| field.rule.required() && **count == 0);
                if let Some((field, _)) = missing {
                    return Err(Violation::MissingField {
                        field: field.name.clone(),
                    });
                }
                self.state = State::End {
                    from: self.held.len(),
                };
            }
            // RFC 2046 §5.1.1: a line that begins like a boundary is one, so
            // the content cannot go on here.
            _ => return Err(malformed("a boundary is followed by text")),
        }
        Ok(())
    }

    fn headers(
        &mut self,
        from: usize,
        input: &mut Bytes,
        out: &mut VecDeque<Bytes>,
    ) -> Result<(), Violation> {
        const END: &[u8] = b"\r\n\r\n";
        let seen = self.held.len();
        let room = (from + MAX_HEADER_BYTES + END.len()).saturating_sub(seen);
        self.held.extend_from_slice(&input[..room.min(input.len())]);
        if self.held[from..].starts_with(b"\r\n") {
            return Err(malformed("a part has no headers"));
        }
        // Only new bytes are looked at, and the three before them.
        let search = seen.saturating_sub(END.len() - 1).max(from);
        let Some(end) = memmem::find(&self.held[search..], END).map(|index| search + index) else {
            input.advance(self.held.len() - seen);
            if self.held.len() - from >= MAX_HEADER_BYTES + END.len() {
                return Err(Violation::PartHeaders {
                    part: self.parts - 1,
                    limit: MAX_HEADER_BYTES as u64,
                });
            }
            return Ok(());
        };
        self.held.truncate(end + END.len());
        input.advance(self.held.len() - seen);
        let block = &self.held[from..end];
        // Some parsers look for boundaries in headers too.
        if block
            .split(|byte| *byte == b'\n')
            .any(|line| line.starts_with(self.finder.needle()))
        {
            return Err(malformed("a boundary stands among a part's headers"));
        }
        let part = Part::parse(self.parts - 1, &self.held[from..end], self.fields())?;
        // An input left empty in a browser is no file; if bytes follow after
        // all, a file without a name is refused.
        if !part.is_unchosen_file() {
            self.count(part.field)?;
        }
        let rules = self.rules.clone();
        let Field { name, rule } = &self.fields()[part.field];
        let is_file = matches!(rule, FieldRule::File(_));
        if rules.canonical {
            let mut written = self.held[..from].to_vec();
            canonical::write(&part, name, &mut written);
            self.held = written;
        }
        let start = is_file.then_some(self.held.len());
        if !is_file {
            self.release(out);
        }
        // An empty part needs a CRLF of its own before the boundary; the one
        // that ends the headers does not count.
        self.before = *b"\n\n";
        self.state = State::Content {
            part: Box::new(OpenPart::new(rules, part, is_file)),
            start,
        };
        Ok(())
    }

    /// Counts a part, of its field and of its sort.
    fn count(&mut self, field: usize) -> Result<(), Violation> {
        let rules = self.rules.clone();
        let Field { name, rule } = &self.fields()[field];
        let limit = rule.max_count();
        if self.counts[field] >= limit {
            return Err(Violation::TooManyOfField {
                field: name.clone(),
                limit: limit.into(),
            });
        }
        let (count, limit, sort) = match rule {
            FieldRule::File(_) => (&mut self.files, rules.max_files, "file-count"),
            FieldRule::Text(_) => (&mut self.texts, rules.max_texts, "text-count"),
        };
        if let Some(limit) = limit.filter(|limit| *count >= *limit) {
            return Err(Violation::TooManyOfSort {
                sort,
                limit: limit.into(),
            });
        }
        *count += 1;
        self.counts[field] += 1;
        Ok(())
    }

    fn content(&mut self, input: &mut Bytes, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        let mut from = 0;
        while let Some(hit) = self.finder.find(&input[from..]).map(|index| from + index) {
            let preceding = match hit {
                0 => self.before,
                1 => [self.before[1], input[0]],
                _ => [input[hit - 2], input[hit - 1]],
            };
            match preceding {
                [b'\r', b'\n'] if hit >= 2 => {
                    self.accept(input.split_to(hit - 2), out)?;
                    self.end_part(out)?;
                    let delimiter = input.split_to(2 + self.finder.needle().len());
                    self.held.extend_from_slice(&delimiter);
                    self.state = State::Delimiter {
                        from: self.held.len(),
                    };
                    return Ok(());
                }
                [_, b'\r' | b'\n'] => {
                    self.accept(input.split_to(hit), out)?;
                    return Err(malformed("a boundary does not follow a line end"));
                }
                // Inside a line; the next that counts is behind the line's end.
                _ => {
                    from = memchr2(b'\r', b'\n', &input[hit..]).map_or(input.len(), |end| hit + end)
                }
            }
        }
        let kept = possible_delimiter(input, self.finder.needle());
        self.accept(input.split_to(input.len() - kept), out)?;
        // A copy, so that a few bytes do not keep the whole chunk alive.
        self.carry = Bytes::copy_from_slice(input);
        input.clear();
        Ok(())
    }

    /// Counts content bytes, judges a file by its first ones, and lets them out.
    fn accept(&mut self, mut content: Bytes, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        match content[..] {
            [.., a, b] => self.before = [a, b],
            [b] => self.before = [self.before[1], b],
            [] => return Ok(()),
        }
        let State::Content { part, start } = &mut self.state else {
            return Ok(());
        };
        if let Some(from) = *start {
            let wanted = (from + SNIFF_BYTES - self.held.len()).min(content.len());
            let first = content.split_to(wanted);
            part.take(&first)?;
            self.held.extend_from_slice(&first);
            if self.held.len() - from == SNIFF_BYTES {
                part.judge(&self.held[from..])?;
                *start = None;
                release(&mut self.held, out);
            }
        }
        part.take(&content)?;
        if !content.is_empty() {
            out.push_back(content);
        }
        Ok(())
    }

    fn end_part(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), Violation> {
        let State::Content { part, start } = &mut self.state else {
            return Ok(());
        };
        if let Some(from) = *start {
            if !part.is_unchosen_file() {
                part.judge(&self.held[from..])?;
            }
            release(&mut self.held, out);
        }
        if !part.is_unchosen_file() {
            self.uploaded.push(part.end()?);
        }
        Ok(())
    }

    fn release(&mut self, out: &mut VecDeque<Bytes>) {
        release(&mut self.held, out);
    }
}

fn release(held: &mut Vec<u8>, out: &mut VecDeque<Bytes>) {
    if !held.is_empty() {
        out.push_back(std::mem::take(held).into());
    }
}

fn malformed(reason: &'static str) -> Violation {
    Violation::Malformed { reason }
}
