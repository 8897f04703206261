//! Following the chain.

use std::path::Path;

use serde::Serialize;

use super::proof::{Provers, Worth};
use super::writer::{anchor_path, read_anchor};
use crate::db::{AuditHead, Db};

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    /// Whether nothing is wrong.
    pub(crate) ok: bool,
    /// How many rows there are.
    pub(crate) rows: u64,
    /// The number of the last row.
    pub(crate) last_seq: i64,
    /// The digest of the last row.
    pub(crate) head: String,
    /// Whether somebody who has the secret wrote that row; `None` if this cannot be told
    /// without the secret that they had.
    pub(crate) proved: Option<bool>,
    /// The last row that this machine wrote, as it remembers outside of the database.
    pub(crate) remembered: Option<i64>,
    /// The first row that is wrong, if one is.
    pub(crate) broken_at: Option<i64>,
    /// What is wrong with it.
    pub(crate) problem: Option<String>,
}

/// Follows the chain from its first row, and compares its end with what is kept
/// outside: in the database, with its proof, and in this machine's file, if it has one.
///
/// # Errors
///
/// If the database does not answer, or the file cannot be read.
pub(crate) async fn verify(
    db: &Db,
    data_dir: &Path,
    provers: &Provers,
) -> Result<Verdict, Box<dyn std::error::Error + Send + Sync>> {
    // Before the rows: what it names must be among them.
    let anchor = read_anchor(&anchor_path(data_dir))?;
    let mut found = Findings {
        anchor: anchor.as_ref(),
        last: AuditHead::default(),
        rows: 0,
        broken: None,
    };
    let head = db.walk_audit(|row| found.take(row)).await?;
    let Findings {
        last,
        rows,
        mut broken,
        ..
    } = found;
    let head_is_gone = head.is_none();
    let (head, proof) = head.unwrap_or_default();
    let worth = provers.judge(&head, &proof);
    if let (None, true) = (&broken, head_is_gone) {
        broken = Some((
            last.seq,
            "the row that remembers the end is missing".to_owned(),
        ));
    }
    if broken.is_none() && last != head {
        broken = Some(match last.seq < head.seq {
            true => (
                last.seq + 1,
                format!(
                    "rows from {} to {} are missing from the end",
                    last.seq + 1,
                    head.seq
                ),
            ),
            false => (
                last.seq,
                "the last row is not the one that the head names".to_owned(),
            ),
        });
    }
    if let (None, Some(anchor)) = (&broken, &anchor)
        && anchor.seq > last.seq
    {
        broken = Some((
            last.seq + 1,
            format!(
                "rows up to {} are missing from the end, which this machine wrote",
                anchor.seq
            ),
        ));
    }
    if broken.is_none() && worth == Worth::Forged {
        broken = Some((
            last.seq,
            "the end is not proved: who wrote it did not have the secret of this server".to_owned(),
        ));
    }
    Ok(Verdict {
        ok: broken.is_none(),
        rows,
        last_seq: last.seq,
        head: last.hash,
        proved: match worth {
            Worth::Proved => Some(true),
            Worth::Forged => Some(false),
            Worth::Unknown => None,
        },
        remembered: anchor.map(|anchor| anchor.seq),
        broken_at: broken.as_ref().map(|(seq, _)| *seq),
        problem: broken.map(|(_, problem)| problem),
    })
}

struct Findings<'a> {
    anchor: Option<&'a AuditHead>,
    last: AuditHead,
    rows: u64,
    broken: Option<(i64, String)>,
}

impl Findings<'_> {
    fn take(&mut self, row: &crate::db::AuditRow) {
        let expected = self.last.seq + 1;
        let anchored = self.anchor.filter(|anchor| anchor.seq == row.seq);
        let problem = if row.seq != expected {
            Some(format!(
                "row {expected} is missing; the next one is {}",
                row.seq
            ))
        } else if row.hash != row.expected_hash() {
            Some(format!("row {} was changed", row.seq))
        } else if row.prev_hash != self.last.hash {
            Some(format!("row {} does not follow the one before it", row.seq))
        } else if anchored.is_some_and(|anchor| anchor.hash != row.hash) {
            Some(format!(
                "row {} is not the one that this machine wrote",
                row.seq
            ))
        } else {
            None
        };
        if let (None, Some(problem)) = (&self.broken, problem) {
            self.broken = Some((row.seq.min(expected), problem));
        }
        self.rows += 1;
        self.last = AuditHead {
            seq: row.seq,
            hash: row.hash.clone(),
        };
    }
}
