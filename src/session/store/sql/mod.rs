//! What SQLite and Postgres have in common: the statements, and who runs them.
//!
//! Each operation is one statement, or one transaction where two tables change
//! together. Times are whole seconds since 1970. A row of `rampart_session` is
//! read through the view `rampart_session_seen`, which also knows the epochs.

mod answer;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

pub(super) use answer::answer_with_sql;

use super::{EndReason, Receipt, StoreError, UnixSeconds};
use crate::jwt::{Revocation, Revoked};

/// How often what is long over is deleted. It reads the whole table.
pub(super) const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// The subject under which everybody's epoch is kept; no token names it.
pub(super) const EVERYONE: &str = "";

/// How many rows it deletes at a time, so that nobody waits for its locks.
pub(super) const SWEEP_ROWS: u64 = 1_000;

pub(super) const SWEEP: &str = "DELETE FROM rampart_session WHERE rid_hash IN \
    (SELECT rid_hash FROM rampart_session WHERE coalesce(ended_at, idle_until) < $1 LIMIT 1000)";

pub(super) const CREATE: &str = "INSERT INTO rampart_session (rid_hash, sid, subject, generation, \
    replays, receipt, epoch, common_epoch, created_at, authenticated_at, rotated_at, idle_until, \
    absolute_until, client, address, claims) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

pub(super) const EPOCHS: &str =
    "SELECT subject, epoch FROM rampart_epoch WHERE subject = $1 OR subject = $2";

macro_rules! live {
    ($now:literal) => {
        concat!(
            "ended_at IS NULL AND idle_until > ",
            $now,
            " AND absolute_until > ",
            $now,
            " AND epoch >= coalesce((SELECT e.epoch FROM rampart_epoch e WHERE e.subject = rampart_session.subject), 0)",
            " AND common_epoch >= coalesce((SELECT e.epoch FROM rampart_epoch e WHERE e.subject = ''), 0)"
        )
    };
}

pub(super) const ROTATE: &str = concat!(
    "UPDATE rampart_session SET generation = generation + 1, rotated_at = $3, replays = 0, \
     receipt = CASE WHEN receipt = 1 THEN 2 ELSE 0 END, \
     idle_until = CASE WHEN $4 < absolute_until THEN $4 ELSE absolute_until END \
     WHERE rid_hash = $1 AND generation = $2 AND ",
    live!("$3"),
    " RETURNING *, NULL AS seen_reason"
);

pub(super) const FIND_BY_ID: &str = "SELECT * FROM rampart_session_seen WHERE rid_hash = $1";

pub(super) const FIND: &str = "SELECT * FROM rampart_session_seen WHERE sid = $1";

pub(super) const NOTE_REPLAY: &str = "UPDATE rampart_session SET replays = replays + 1 \
    WHERE rid_hash = $1 AND generation = $2 AND replays < $3 AND ended_at IS NULL";

pub(super) const REPEAT: &str = "UPDATE rampart_session SET receipt = 1, rotated_at = $3, replays = 0 \
    WHERE rid_hash = $1 AND generation = $2 AND receipt = 0 AND ended_at IS NULL";

pub(super) const CONFIRM: &str = "UPDATE rampart_session SET receipt = 2 \
    WHERE sid = $1 AND generation = $2 AND receipt = 0 AND ended_at IS NULL";

pub(super) const REAUTHENTICATE: &str = concat!(
    "UPDATE rampart_session SET authenticated_at = $2 WHERE sid = $1 AND ",
    live!("$2"),
    " RETURNING *, NULL AS seen_reason"
);

pub(super) const END_BY_ID: &str = "UPDATE rampart_session SET ended_at = $2, end_reason = $3 \
    WHERE rid_hash = $1 AND ended_at IS NULL RETURNING sid, subject";

pub(super) const END_ONE: &str = "UPDATE rampart_session SET ended_at = $2, end_reason = $3 \
    WHERE sid = $1 AND subject = $4 AND ended_at IS NULL RETURNING sid, subject";

pub(super) const RAISE_EPOCH: &str = "INSERT INTO rampart_epoch (subject, epoch, reason, changed_at) \
    VALUES ($1, 1, $2, $3) ON CONFLICT (subject) DO UPDATE SET epoch = rampart_epoch.epoch + 1, \
    reason = excluded.reason, kept = NULL, changed_at = excluded.changed_at RETURNING epoch";

pub(super) const TAKE_ALONG: &str = "UPDATE rampart_session SET epoch = $4 \
    WHERE sid = $1 AND subject = $2 AND epoch = $4 - 1 AND ended_at IS NULL \
    AND idle_until > $3 AND absolute_until > $3 \
    AND common_epoch >= coalesce((SELECT e.epoch FROM rampart_epoch e WHERE e.subject = ''), 0)";

pub(super) const KEEP: &str = "UPDATE rampart_epoch SET kept = $2 WHERE subject = $1";

pub(super) const LIST: &str = "SELECT * FROM rampart_session_seen WHERE subject = $1 \
    AND ended_at IS NULL AND seen_reason IS NULL AND idle_until > $2 AND absolute_until > $2 \
    ORDER BY created_at DESC, sid DESC";

pub(super) const ENDED_SINCE: &str = "SELECT sid, subject, end_reason, ended_at FROM rampart_session \
    WHERE ended_at >= $1";

pub(super) const RAISED_SINCE: &str = "SELECT subject, epoch, kept, reason, changed_at FROM rampart_epoch \
    WHERE changed_at >= $1";

/// The crate's own migrations, in a table of their own beside the application's.
pub(super) fn migrator(steps: &[(&'static str, &'static str)]) -> Migrator {
    let steps = (1..).zip(steps).map(|(version, (description, sql))| {
        let kind = MigrationType::Simple;
        Migration::new(
            version,
            (*description).into(),
            kind,
            sql.into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    // Nothing is recorded under the usual name yet, so nothing is lost.
    migrator.dangerous_set_table_name("rampart_migration");
    migrator
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn seconds(time: UnixSeconds) -> i64 {
    signed(time.as_u64())
}

pub(super) fn receipt(number: i64) -> Receipt {
    match number {
        0 => Receipt::Unconfirmed,
        1 => Receipt::Repeated,
        _ => Receipt::Confirmed,
    }
}

pub(super) fn receipt_number(receipt: Receipt) -> i64 {
    match receipt {
        Receipt::Unconfirmed => 0,
        Receipt::Repeated => 1,
        Receipt::Confirmed => 2,
    }
}

pub(super) fn raised(
    subject: &str,
    epoch: i64,
    keep: Option<String>,
    reason: EndReason,
    at: UnixSeconds,
) -> Revocation {
    let epoch = epoch.unsigned_abs();
    let what = match subject {
        EVERYONE => Revoked::Everyone { epoch },
        subject => Revoked::Subject {
            subject: subject.to_owned(),
            epoch,
            keep,
        },
    };
    Revocation { what, reason, at }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::new(error)
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::new(error)
    }
}
