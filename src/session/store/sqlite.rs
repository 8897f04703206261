//! Sessions in SQLite: one file, one node, and restarts sign nobody out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Row as _, Sqlite};

use super::{
    EndReason, EndSessions, EndedSession, RefreshId, RefreshStore, Rotation, SessionRecord,
    StoreError, StoreFuture,
};
use crate::clock::UnixSeconds;

/// Keeps sessions in a SQLite database.
///
/// Each operation is one statement, so SQLite's own write lock makes it atomic.
///
/// A session that has been over for a day is forgotten.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
    /// The second of the last sweep, shared by clones.
    swept_at: Arc<AtomicU64>,
}

/// How long a session that is over is remembered, so that a late replay is
/// still told apart from a token that never existed.
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

impl SqliteStore {
    /// Uses a database, after creating the table `rampart_session` if it is
    /// missing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be created.
    pub async fn open(pool: SqlitePool) -> Result<Self, StoreError> {
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self {
            pool,
            swept_at: Arc::default(),
        })
    }

    /// Forgets what nobody can ask about any more, once a minute.
    async fn sweep(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let last = UnixSeconds::new(self.swept_at.load(Ordering::Relaxed));
        if now.since(last) < Duration::from_secs(60) {
            return Ok(());
        }
        self.swept_at.store(now.as_u64(), Ordering::Relaxed);
        sqlx::query("DELETE FROM rampart_session WHERE coalesce(ended_at, idle_until) < ?1")
            .bind(seconds(now.minus(REMEMBER)))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn find(&self, id: RefreshId) -> Result<Option<SessionRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM rampart_session WHERE rid_hash = ?1")
            .bind(&id.as_bytes()[..])
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(record).transpose()
    }
}

impl RefreshStore for SqliteStore {
    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.sweep(record.created_at).await?;
            sqlx::query(
                "INSERT INTO rampart_session (rid_hash, sid, subject, generation, replays, created_at, authenticated_at, \
                 rotated_at, idle_until, absolute_until, client, address, claims) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )
            .bind(&id.as_bytes()[..])
            .bind(record.sid)
            .bind(record.subject)
            .bind(signed(record.generation))
            .bind(i64::from(record.replays))
            .bind(seconds(record.created_at))
            .bind(seconds(record.authenticated_at))
            .bind(seconds(record.rotated_at))
            .bind(seconds(record.idle_until))
            .bind(seconds(record.absolute_until))
            .bind(record.client)
            .bind(record.address)
            .bind(record.claims)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
    }

    fn rotate(
        &self,
        id: RefreshId,
        expected: u64,
        now: UnixSeconds,
        idle: Duration,
    ) -> StoreFuture<'_, Rotation> {
        Box::pin(async move {
            let won = sqlx::query(
                "UPDATE rampart_session SET generation = generation + 1, rotated_at = ?3, replays = 0, \
                 idle_until = min(?4, absolute_until) \
                 WHERE rid_hash = ?1 AND generation = ?2 AND ended_at IS NULL \
                 AND idle_until > ?3 AND absolute_until > ?3 RETURNING *",
            )
            .bind(&id.as_bytes()[..])
            .bind(signed(expected))
            .bind(seconds(now))
            .bind(seconds(now.plus(idle)))
            .fetch_optional(&self.pool)
            .await?;
            match won {
                Some(row) => Ok(Rotation::Won(record(&row)?)),
                None => Ok(Rotation::Lost(self.find(id).await?)),
            }
        })
    }

    fn note_replay(&self, id: RefreshId, generation: u64, max: u32) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let done = sqlx::query(
                "UPDATE rampart_session SET replays = replays + 1 \
                 WHERE rid_hash = ?1 AND generation = ?2 AND replays < ?3 AND ended_at IS NULL",
            )
            .bind(&id.as_bytes()[..])
            .bind(signed(generation))
            .bind(i64::from(max))
            .execute(&self.pool)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>> {
        Box::pin(async move {
            let row = sqlx::query(
                "UPDATE rampart_session SET authenticated_at = ?2 WHERE sid = ?1 AND ended_at IS NULL \
                 AND idle_until > ?2 AND absolute_until > ?2 RETURNING *",
            )
            .bind(sid)
            .bind(seconds(now))
            .fetch_optional(&self.pool)
            .await?;
            row.as_ref().map(record).transpose()
        })
    }

    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<String>> {
        Box::pin(async move {
            let query = match which {
                EndSessions::Refresh(id) => {
                    ending("rid_hash = ?3", reason, now).bind(&id.as_bytes()[..])
                }
                EndSessions::One { subject, sid } => {
                    ending("subject = ?3 AND sid = ?4", reason, now)
                        .bind(subject)
                        .bind(sid)
                }
                EndSessions::Subject { subject, keep } => {
                    ending("subject = ?3 AND sid IS NOT ?4", reason, now)
                        .bind(subject)
                        .bind(keep)
                }
            };
            let rows = query.fetch_all(&self.pool).await?;
            rows.iter().map(|row| Ok(row.try_get("sid")?)).collect()
        })
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT * FROM rampart_session WHERE subject = ?1 AND ended_at IS NULL AND idle_until > ?2 \
                 AND absolute_until > ?2 ORDER BY created_at DESC, sid DESC",
            )
            .bind(subject)
            .bind(seconds(now))
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(record).collect()
        })
    }

    fn ended_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<EndedSession>> {
        Box::pin(async move {
            let rows =
                sqlx::query("SELECT sid, ended_at FROM rampart_session WHERE ended_at >= ?1")
                    .bind(seconds(since))
                    .fetch_all(&self.pool)
                    .await?;
            rows.iter()
                .map(|row| {
                    Ok(EndedSession {
                        sid: row.try_get("sid")?,
                        at: time(row, "ended_at")?,
                    })
                })
                .collect()
        })
    }
}

/// One statement for every way to end sessions; only the condition differs.
fn ending(
    condition: &'static str,
    reason: EndReason,
    now: UnixSeconds,
) -> Query<'static, Sqlite, SqliteArguments> {
    let sql = format!(
        "UPDATE rampart_session SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL AND {condition} RETURNING sid"
    );
    // The condition is one of three literals above; values are always bound.
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(seconds(now))
        .bind(reason.as_str())
}

fn record(row: &SqliteRow) -> Result<SessionRecord, StoreError> {
    let ended: Option<String> = row.try_get("end_reason")?;
    Ok(SessionRecord {
        sid: row.try_get("sid")?,
        subject: row.try_get("subject")?,
        generation: row.try_get::<i64, _>("generation")?.unsigned_abs(),
        replays: row.try_get::<u32, _>("replays")?,
        created_at: time(row, "created_at")?,
        authenticated_at: time(row, "authenticated_at")?,
        rotated_at: time(row, "rotated_at")?,
        idle_until: time(row, "idle_until")?,
        absolute_until: time(row, "absolute_until")?,
        ended: ended.as_deref().map(EndReason::from_name),
        client: row.try_get("client")?,
        address: row.try_get("address")?,
        claims: row.try_get("claims")?,
    })
}

fn time(row: &SqliteRow, column: &str) -> Result<UnixSeconds, StoreError> {
    Ok(UnixSeconds::new(
        row.try_get::<i64, _>(column)?.unsigned_abs(),
    ))
}

fn seconds(time: UnixSeconds) -> i64 {
    signed(time.as_u64())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::new(error)
    }
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS rampart_session (
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
CREATE INDEX IF NOT EXISTS rampart_session_ended ON rampart_session (ended_at) WHERE ended_at IS NOT NULL;
";
