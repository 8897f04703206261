//! Findings that somebody decided to live with for a while.

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

/// Where they are: `RP014 until 2027-01-01: REASON; RP020 until …`.
pub(super) const NAME: &str = "RAMPART_CHECK_ALLOW";

/// A finding that counts for nothing until a day.
#[derive(Debug)]
pub(super) struct Excuse {
    pub(super) id: String,
    until: Date,
    reason: String,
}

impl Excuse {
    pub(super) fn text(&self) -> String {
        format!("until {}: {}", self.until, self.reason)
    }
}

/// Reads excuses that are still good. One whose day has come is as none.
///
/// # Errors
///
/// If one cannot be read, or gives no reason.
pub(super) fn read(text: &str) -> Result<Vec<Excuse>, String> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut excuses = Vec::new();
    for entry in text
        .split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let form = || {
            format!(
                "{NAME}: {entry:?} cannot be read; write RP014 until 2027-01-01: REASON, separated by semicolons"
            )
        };
        let (head, reason) = entry.split_once(':').ok_or_else(form)?;
        let (id, until) = head.split_once(" until ").ok_or_else(form)?;
        let until: Date = until.trim().parse().map_err(|_| form())?;
        if reason.trim().is_empty() {
            return Err(form());
        }
        if until > today {
            excuses.push(Excuse {
                id: id.trim().to_owned(),
                until,
                reason: reason.trim().to_owned(),
            });
        }
    }
    Ok(excuses)
}
