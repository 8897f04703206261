//! Sessions in SQLite: one file, one node, and restarts sign nobody out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::sql::{self, answer_with_sql};
use super::{
    EndReason, EndSessions, Epochs, REMEMBER, RefreshId, RefreshStore, Revocation, Rotation,
    SessionRecord, StoreError, StoreFuture,
};
use crate::clock::UnixSeconds;
use crate::jwt::Revoked;

/// Keeps sessions in a SQLite database, version 3.35 or later.
///
/// Each operation is one statement or one transaction, so SQLite's own write
/// lock makes it atomic. Give the pool a busy timeout, and the journal mode WAL
/// if several processes share the file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
    /// The second of the last sweep, shared by clones.
    swept_at: Arc<AtomicU64>,
}

impl SqliteStore {
    /// Uses a database, after bringing the tables `rampart_session` and
    /// `rampart_epoch` up to date. What was done is recorded in
    /// `rampart_migration`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a table cannot be created or changed.
    pub async fn open(pool: SqlitePool) -> Result<Self, StoreError> {
        sql::migrator(MIGRATIONS).run(&pool).await?;
        Ok(Self {
            pool,
            swept_at: Arc::default(),
        })
    }
}

answer_with_sql!(SqliteStore, SqliteRow);

/// A step that was published is never changed; another one follows it.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "sessions",
        "CREATE TABLE IF NOT EXISTS rampart_session (
            rid_hash BLOB PRIMARY KEY NOT NULL CHECK (length(rid_hash) = 32),
            sid TEXT NOT NULL UNIQUE,
            subject TEXT NOT NULL,
            generation INTEGER NOT NULL CHECK (generation >= 0),
            replays INTEGER NOT NULL CHECK (replays >= 0),
            created_at INTEGER NOT NULL,
            authenticated_at INTEGER NOT NULL,
            rotated_at INTEGER NOT NULL,
            idle_until INTEGER NOT NULL,
            absolute_until INTEGER NOT NULL CHECK (idle_until <= absolute_until),
            ended_at INTEGER,
            end_reason TEXT CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
            client TEXT NOT NULL,
            address TEXT NOT NULL,
            claims TEXT NOT NULL CHECK (json_valid(claims))
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS rampart_session_live ON rampart_session (subject) WHERE ended_at IS NULL;
        CREATE INDEX IF NOT EXISTS rampart_session_ended ON rampart_session (ended_at) WHERE ended_at IS NOT NULL;",
    ),
    (
        "epochs and receipts",
        "ALTER TABLE rampart_session ADD COLUMN receipt INTEGER NOT NULL DEFAULT 0 CHECK (receipt BETWEEN 0 AND 2);
        ALTER TABLE rampart_session ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0);
        ALTER TABLE rampart_session ADD COLUMN common_epoch INTEGER NOT NULL DEFAULT 0 CHECK (common_epoch >= 0);
        CREATE TABLE rampart_epoch (
            subject TEXT PRIMARY KEY NOT NULL,
            epoch INTEGER NOT NULL CHECK (epoch > 0),
            reason TEXT NOT NULL,
            kept TEXT,
            changed_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX rampart_epoch_changed ON rampart_epoch (changed_at);
        CREATE VIEW rampart_session_seen AS SELECT s.*, coalesce(
            (SELECT e.reason FROM rampart_epoch e WHERE e.subject = s.subject AND e.epoch > s.epoch),
            (SELECT e.reason FROM rampart_epoch e WHERE e.subject = '' AND e.epoch > s.common_epoch)
        ) AS seen_reason FROM rampart_session s;",
    ),
];
