//! Sessions in Postgres: several processes, on several machines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgRow};

use super::sql::{self, answer_with_sql};
use super::{
    EndReason, EndSessions, Epochs, REMEMBER, RefreshId, RefreshStore, Revocation, Rotation,
    SessionRecord, StoreError, StoreFuture,
};
use crate::clock::UnixSeconds;
use crate::jwt::Revoked;

/// Keeps sessions in a Postgres database, version 12 or later.
///
/// Each operation is one statement or one transaction, at the default isolation
/// `READ COMMITTED`: a second rotation of a row waits for the first, looks at
/// the row again, and finds another generation. Set the pool's acquire timeout
/// to what a request may wait, and `lock_timeout` and `statement_timeout` on
/// the role.
///
/// The role needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on
/// `rampart_session`, `SELECT`, `INSERT` and `UPDATE` on `rampart_epoch`,
/// `SELECT` on `rampart_session_seen`, and nothing else.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
    /// The second of the last sweep, shared by clones.
    swept_at: Arc<AtomicU64>,
}

impl PostgresStore {
    /// Uses a database whose tables [`migrate`](Self::migrate) has made.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            swept_at: Arc::default(),
        }
    }

    /// Brings the tables `rampart_session` and `rampart_epoch` up to date, as a
    /// role that may. What was done is recorded in `rampart_migration`; of
    /// several processes at once, one works and the others wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a table cannot be created or changed.
    pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
        Ok(sql::migrator(MIGRATIONS).run(pool).await?)
    }
}

answer_with_sql!(PostgresStore, PgRow);

/// A step that was published is never changed; another one follows it.
///
/// Rotation changes no indexed column, so Postgres can keep the new row on the
/// page of the old one (a heap-only tuple); the fill factor leaves room for it.
const MIGRATIONS: &[(&str, &str)] = &[(
    "sessions and epochs",
    "CREATE TABLE rampart_session (
        rid_hash bytea PRIMARY KEY CHECK (length(rid_hash) = 32),
        sid text NOT NULL UNIQUE,
        subject text NOT NULL,
        generation bigint NOT NULL CHECK (generation >= 0),
        replays bigint NOT NULL CHECK (replays >= 0),
        receipt bigint NOT NULL CHECK (receipt BETWEEN 0 AND 2),
        epoch bigint NOT NULL CHECK (epoch >= 0),
        common_epoch bigint NOT NULL CHECK (common_epoch >= 0),
        created_at bigint NOT NULL,
        authenticated_at bigint NOT NULL,
        rotated_at bigint NOT NULL,
        idle_until bigint NOT NULL,
        absolute_until bigint NOT NULL CHECK (idle_until <= absolute_until),
        ended_at bigint,
        end_reason text CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
        client text NOT NULL,
        address text NOT NULL,
        claims text NOT NULL CHECK (claims::json IS NOT NULL)
    ) WITH (fillfactor = 80);
    CREATE INDEX rampart_session_live ON rampart_session (subject) WHERE ended_at IS NULL;
    CREATE INDEX rampart_session_ended ON rampart_session (ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE rampart_epoch (
        subject text PRIMARY KEY,
        epoch bigint NOT NULL CHECK (epoch > 0),
        reason text NOT NULL,
        kept text,
        changed_at bigint NOT NULL
    );
    CREATE INDEX rampart_epoch_changed ON rampart_epoch (changed_at);
    CREATE VIEW rampart_session_seen AS SELECT s.*, coalesce(
        (SELECT e.reason FROM rampart_epoch e WHERE e.subject = s.subject AND e.epoch > s.epoch),
        (SELECT e.reason FROM rampart_epoch e WHERE e.subject = '' AND e.epoch > s.common_epoch)
    ) AS seen_reason FROM rampart_session s;",
)];
