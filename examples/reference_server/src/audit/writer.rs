//! Writing the log without keeping anybody waiting.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Entry, Level, Provers};
use crate::db::{AuditHead, Db};

/// How many events may wait for the database.
const WAITING: usize = 4_096;

/// How many are written at once.
const BATCH: usize = 128;

/// How long until a database that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Where the end of the log is remembered outside the database.
pub(super) fn anchor_path(data_dir: &Path) -> PathBuf {
    data_dir.join("audit-head")
}

/// Takes events, and writes them behind the back of whoever had them.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    db: Db,
    anchor: PathBuf,
    provers: Provers,
    sender: mpsc::Sender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Audit {
    /// Starts writing, until every copy is gone. Must run inside the runtime.
    pub(crate) fn start(
        db: Db,
        data_dir: &Path,
        provers: Provers,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let audit = Self {
            db,
            anchor: anchor_path(data_dir),
            provers,
            sender,
            dropped: Arc::default(),
        };
        let writer = Writer {
            db: audit.db.clone(),
            anchor: audit.anchor.clone(),
            provers: audit.provers.clone(),
            receiver,
            dropped: Arc::clone(&audit.dropped),
        };
        (audit, tokio::spawn(writer.run()))
    }

    /// What proves the end of the log.
    pub(crate) fn provers(&self) -> &Provers {
        &self.provers
    }

    /// Writes an event soon. When too many wait for the database further ones are
    /// counted, and told to the operator's log only.
    pub(crate) fn note(&self, entry: Entry) {
        entry.log();
        metrics::counter!("rampart_audit_events_total", "event" => entry.event).increment(1);
        // The last part is for what matters most, whoever floods the rest.
        let reserved = if entry.level == Level::Critical {
            0
        } else {
            WAITING / 4
        };
        if self.sender.capacity() <= reserved || self.sender.try_send(entry).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("rampart_audit_dropped_total").increment(1);
        }
    }

    /// Writes an event before anything goes on.
    ///
    /// # Errors
    ///
    /// If the database does not answer: then it must not go on.
    pub(crate) async fn write(&self, entry: Entry) -> Result<(), sqlx::Error> {
        entry.log();
        metrics::counter!("rampart_audit_events_total", "event" => entry.event).increment(1);
        append(&self.db, &self.anchor, &self.provers, &[entry]).await
    }
}

struct Writer {
    db: Db,
    anchor: PathBuf,
    provers: Provers,
    receiver: mpsc::Receiver<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut told = 0;
        while self.receiver.recv_many(&mut batch, BATCH).await > 0 {
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > told {
                let lost =
                    Entry::critical("sys_monitor_disabled").detail("lost_events", dropped - told);
                lost.log();
                batch.push(lost);
                told = dropped;
            }
            let mut silent = false;
            loop {
                match append(&self.db, &self.anchor, &self.provers, &batch).await {
                    Ok(()) => break,
                    Err(error) => {
                        if !silent {
                            tracing::error!(%error, waiting = batch.len(), "the audit log cannot be written yet");
                            silent = true;
                        }
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
            batch.clear();
        }
    }
}

/// Adds rows, and remembers the end; not if what was remembered is not there any more,
/// so that `audit verify` goes on saying so.
async fn append(
    db: &Db,
    anchor: &Path,
    provers: &Provers,
    entries: &[Entry],
) -> Result<(), sqlx::Error> {
    // Before the rows: what it names was written before.
    let remembered = read_anchor(anchor).unwrap_or_else(|error| {
        tracing::error!(%error, path = %anchor.display(), "the end of the audit log cannot be read");
        None
    });
    let (head, intact) = db
        .append_audit(entries, remembered.as_ref(), provers)
        .await?;
    if intact {
        keep_anchor(anchor, &head);
    } else {
        tracing::error!(
            target: "security",
            event = "sys_monitor_disabled",
            path = %anchor.display(),
            "rows that this machine wrote are not in the audit log any more; if the database was restored on purpose, remove the file"
        );
    }
    Ok(())
}

fn keep_anchor(path: &Path, head: &AuditHead) {
    // One at a time: they write to the same new file.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = write_anchor(path, head) {
        tracing::error!(%error, path = %path.display(), "the end of the audit log cannot be remembered");
    }
}

/// Remembers the end of the log, unless a later one is remembered.
///
/// # Errors
///
/// If the file cannot be read or written.
fn write_anchor(path: &Path, head: &AuditHead) -> std::io::Result<()> {
    if read_anchor(path)?.is_some_and(|known| known.seq >= head.seq) {
        return Ok(());
    }
    // Renamed into place: never half of one.
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(file, "{} {}", head.seq, head.hash)?;
    file.sync_data()?;
    fs::rename(new, path)
}

/// Reads what was remembered, if anything was.
///
/// # Errors
///
/// If the file cannot be read, or holds something else.
pub(super) fn read_anchor(path: &Path) -> std::io::Result<Option<AuditHead>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let parsed = text.trim().split_once(' ').and_then(|(seq, hash)| {
        Some(AuditHead {
            seq: seq.parse().ok()?,
            hash: hash.to_owned(),
        })
    });
    match parsed {
        Some(head) => Ok(Some(head)),
        None => Err(std::io::Error::other(format!(
            "{} holds no end of an audit log",
            path.display()
        ))),
    }
}
