//! Whether a password is among those that were leaked somewhere.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use sha1::{Digest as _, Sha1};
use thiserror::Error;

use super::scheme::Password;

/// Whether a password was leaked, or why nobody knows.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<bool, BreachError>> + Send + 'a>>;

/// Knows which passwords were leaked. To be asked when one is set, after
/// [`PasswordPolicy`](super::PasswordPolicy), and never at sign-in.
pub trait BreachChecker: fmt::Debug + Send + Sync + 'static {
    /// Tells whether a password is known from a leak.
    fn is_breached<'a>(&'a self, password: &'a Password) -> Asked<'a>;
}

/// It could not be found out whether a password was leaked.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct BreachError {
    what: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BreachError {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, source: None }
    }

    pub(super) fn of(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self { what, source }
    }
}

const UNREADABLE: &str = "the list of leaked passwords cannot be read";
const NO_LINE: &str = "the list of leaked passwords has no lines of a SHA-1 in 40 hexadecimal \
                       digits, and perhaps :COUNT, in ascending order";

/// A list of leaked passwords in a file, as the downloader of Have I Been Pwned
/// writes it: lines of `SHA1:COUNT`, in ascending order. A sign-up reads some forty
/// places of it, however large it is; the file may be replaced by renaming.
#[derive(Clone, Debug)]
pub struct BreachFile(PathBuf);

/// More than the longest line.
const LINE: u64 = 96;

impl BreachFile {
    /// Opens a list, and looks at its first and its last line.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, BreachError> {
        let path = path.into();
        let (mut file, length) = Self::file(&path)?;
        let first = line_at(&mut file, 0, length)?;
        let last = line_at(&mut file, length.saturating_sub(1), length)?;
        if first.digest > last.digest {
            return Err(BreachError::new(NO_LINE));
        }
        Ok(Self(path))
    }

    fn file(path: &Path) -> Result<(File, u64), BreachError> {
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        Ok((file, length))
    }

    fn search(path: &Path, wanted: [u8; 20]) -> Result<bool, BreachError> {
        let (mut file, length) = Self::file(path)?;
        let (mut low, mut high) = (0, length);
        while low < high {
            let line = line_at(&mut file, low.midpoint(high), length)?;
            match line.digest.cmp(&wanted) {
                // Padding of the service that such lists come from is counted 0 times.
                std::cmp::Ordering::Equal => return Ok(line.count != Some(0)),
                std::cmp::Ordering::Less => low = line.end,
                std::cmp::Ordering::Greater => high = line.start,
            }
        }
        Ok(false)
    }
}

impl BreachChecker for BreachFile {
    fn is_breached<'a>(&'a self, password: &'a Password) -> Asked<'a> {
        let (path, digest) = (self.0.clone(), digest(password));
        Box::pin(async move {
            let search = tokio::task::spawn_blocking(move || Self::search(&path, digest));
            search
                .await
                .map_err(|error| BreachError::of(UNREADABLE, error))?
        })
    }
}

fn unreadable(error: io::Error) -> BreachError {
    BreachError::of(UNREADABLE, error)
}

/// A line of a list, and the places where it starts and where the next one does.
struct Line {
    digest: [u8; 20],
    count: Option<u64>,
    start: u64,
    end: u64,
}

/// Reads the line that a place is in.
fn line_at(file: &mut File, place: u64, length: u64) -> Result<Line, BreachError> {
    let from = place.saturating_sub(LINE);
    file.seek(SeekFrom::Start(from)).map_err(unreadable)?;
    let mut near = Vec::new();
    file.take(2 * LINE)
        .read_to_end(&mut near)
        .map_err(unreadable)?;
    let at = usize::try_from(place - from).unwrap_or(near.len());
    let (before, after) = near.split_at_checked(at).ok_or(BreachError::new(NO_LINE))?;
    let start = before.iter().rposition(|byte| *byte == b'\n');
    let start = start.map_or(0, |newline| newline + 1);
    let end = after.iter().position(|byte| *byte == b'\n');
    let end = end.map_or(near.len(), |newline| at + newline);
    let text = std::str::from_utf8(&near[start..end]).unwrap_or_default();
    let (digest, count) = read_line(text).ok_or(BreachError::new(NO_LINE))?;
    let absolute = |index: usize| from + index as u64;
    Ok(Line {
        digest,
        count,
        start: absolute(start),
        end: (absolute(end) + 1).min(length),
    })
}

/// Reads `SHA1` or `SHA1:COUNT`.
pub(super) fn read_line(line: &str) -> Option<([u8; 20], Option<u64>)> {
    let line = line.trim_end_matches('\r');
    let (digits, count) = match line.split_once(':') {
        Some((digits, count)) => (digits, Some(count.parse().ok()?)),
        None => (line, None),
    };
    let plain = digits.len() == 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let mut digest = [0; 20];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    plain.then_some((digest, count))
}

/// What leaked passwords are listed by.
pub(super) fn digest(password: &Password) -> [u8; 20] {
    Sha1::digest(password.bytes()).into()
}
