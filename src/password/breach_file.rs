//! A list of leaked passwords that is searched where it lies.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::breach::{BreachAnswer, BreachChecker, BreachError, BreachErrorKind, digest, read_line};
use super::scheme::Password;

/// More than the longest line, in bytes.
const LINE: u64 = 96;

/// How many places of a list are looked at before it is believed to be one.
const PLACES: u64 = 256;

/// How many searches run at a time. A file that hangs must not take all threads.
const AT_ONCE: usize = 4;

const UNREADABLE: &str = "the list of leaked passwords cannot be read";
const NO_LIST: &str = "the list of leaked passwords has no lines of a SHA-1 in 40 hexadecimal digits, \
                       and perhaps :COUNT, in ascending order";

/// A list of leaked passwords in a file, as the downloader of Have I Been Pwned
/// writes it: lines of `SHA1:COUNT`, ordered by the SHA-1. A search reads some forty
/// places of it, however large it is.
///
/// Replace the file by renaming another one into its place. One that is written to
/// meanwhile may lack what it is asked for.
///
/// # Examples
///
/// ```no_run
/// use tower_rampart::password::{BreachChecker as _, BreachFile, Password};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let leaked = BreachFile::open("/srv/pwned-passwords.txt")?;
/// let refused = leaked.is_breached(&Password::new("correct horse battery staple")?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BreachFile {
    path: PathBuf,
    turns: Arc<Semaphore>,
}

impl BreachFile {
    /// Opens a list, and looks whether it is one, at 256 places. Needs a Tokio runtime
    /// when it is asked.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, BreachError> {
        let path = path.into();
        let (mut file, length) = open(&path)?;
        let mut last = None;
        for place in 0..=PLACES {
            let place =
                u128::from(length.saturating_sub(1)) * u128::from(place) / u128::from(PLACES);
            let place = u64::try_from(place).unwrap_or(length);
            let line = line_at(&mut file, place, length)?;
            let after =
                last.is_none_or(|(start, digest)| start == line.start || digest < line.digest);
            if !after {
                return Err(no_list());
            }
            last = Some((line.start, line.digest));
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self { path, turns })
    }
}

impl BreachChecker for BreachFile {
    fn is_breached<'a>(&'a self, password: &'a Password) -> BreachAnswer<'a> {
        Box::pin(async move {
            let turn = self.turns.clone().acquire_owned().await;
            let (path, digest) = (self.path.clone(), digest(password));
            let search = tokio::task::spawn_blocking(move || {
                // Until the file has answered, whoever still waits.
                let _turn = turn;
                search(&path, &digest)
            });
            search
                .await
                .map_err(|error| BreachError::unavailable(UNREADABLE, error))?
        })
    }
}

fn search(path: &Path, wanted: &[u8; 20]) -> Result<bool, BreachError> {
    let (mut file, length) = open(path)?;
    let (mut low, mut high) = (0, length);
    // What the lines around the rest say: in a list that is in order, all others lie
    // between.
    let (mut above, mut below) = ([0; 20], [0xff; 20]);
    while low < high {
        let line = line_at(&mut file, low.midpoint(high), length)?;
        if line.digest < above || line.digest > below {
            return Err(no_list());
        }
        match line.digest.cmp(wanted) {
            // Padding of the service that such lists come from is counted 0 times.
            std::cmp::Ordering::Equal => return Ok(line.count != Some(0)),
            std::cmp::Ordering::Less => (low, above) = (line.end, line.digest),
            std::cmp::Ordering::Greater => (high, below) = (line.start, line.digest),
        }
    }
    Ok(false)
}

/// Opens a file that is not empty.
fn open(path: &Path) -> Result<(File, u64), BreachError> {
    let file = File::open(path).map_err(unreadable)?;
    match file.metadata().map_err(unreadable)?.len() {
        0 => Err(no_list()),
        length => Ok((file, length)),
    }
}

fn unreadable(error: io::Error) -> BreachError {
    BreachError::unavailable(UNREADABLE, error)
}

fn no_list() -> BreachError {
    BreachError::new(BreachErrorKind::Malformed, NO_LIST)
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
    let (before, after) = near.split_at_checked(at).ok_or_else(no_list)?;
    let start = before.iter().rposition(|byte| *byte == b'\n');
    let start = start.map_or(0, |newline| newline + 1);
    let end = after.iter().position(|byte| *byte == b'\n');
    let end = end.map_or(near.len(), |newline| at + newline);
    let text = std::str::from_utf8(&near[start..end]).unwrap_or_default();
    let (digest, count) = read_line(text).ok_or_else(no_list)?;
    let absolute = |index: usize| from + index as u64;
    Ok(Line {
        digest,
        count,
        start: absolute(start),
        end: (absolute(end) + 1).min(length),
    })
}
