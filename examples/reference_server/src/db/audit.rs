//! The audit log.

use serde::Serialize;
use sqlx::FromRow;

use super::{Db, Pool, Result, on};
use crate::audit::{Entry, Provers, Worth, digest};

/// A row of the audit log.
#[derive(Clone, Debug, FromRow, Serialize)]
pub(crate) struct AuditRow {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) event: String,
    pub(crate) level: String,
    pub(crate) actor: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) incident: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) address: Option<String>,
    /// A JSON object.
    pub(crate) detail: String,
    pub(crate) prev_hash: String,
    pub(crate) hash: String,
}

/// The last row, as something outside the log remembers it.
#[derive(Clone, Debug, Default, Eq, FromRow, PartialEq)]
pub(crate) struct AuditHead {
    pub(crate) seq: i64,
    pub(crate) hash: String,
}

/// The last row, and the proof that it is.
#[derive(Debug, FromRow)]
struct ProvedHead {
    #[sqlx(flatten)]
    head: AuditHead,
    proof: String,
}

/// Which rows are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AuditFilter<'a> {
    pub(crate) before: Option<i64>,
    pub(crate) after: Option<i64>,
    pub(crate) event: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) incident: Option<&'a str>,
}

const ROW: &str = "SELECT seq, at, event, level, actor, subject, session, incident, request_id, address, detail, \
                   prev_hash, hash FROM audit";

impl Db {
    /// Adds rows to the end; all of them, or none. Whoever else adds waits. Returns the
    /// new end, and whether a row that is remembered elsewhere is still there.
    pub(crate) async fn append_audit(
        &self,
        entries: &[Entry],
        remembered: Option<&AuditHead>,
        provers: &Provers,
    ) -> Result<(AuditHead, bool)> {
        const ADD: &str = "INSERT INTO audit (seq, at, event, level, actor, subject, session, incident, request_id, \
                           address, detail, prev_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            // Takes the lock before anything is read.
            let found: Option<ProvedHead> =
                sqlx::query_as("UPDATE audit_head SET seq = seq WHERE id = 1 RETURNING seq, hash, proof")
                    .fetch_optional(&mut *transaction)
                    .await?;
            let mut rows = entries.to_vec();
            // Somebody took it away or wrote it. What happens is written down all the same,
            // and that it was gone first: this write puts it back, so `audit verify` would
            // find nothing wrong any more.
            let mut disturbed = |reason: &str| {
                rows.insert(0, Entry::critical("sys_monitor_disabled").detail("reason", reason));
            };
            let mut head = match found {
                Some(ProvedHead { head, proof }) => {
                    if provers.judge(&head, &proof) != Worth::Proved {
                        disturbed("audit_head_unproved");
                    }
                    head
                }
                None => {
                    disturbed("audit_head_missing");
                    let last = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
                    let last: Option<AuditHead> =
                        sqlx::query_as(last).fetch_optional(&mut *transaction).await?;
                    sqlx::query("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '')")
                        .execute(&mut *transaction)
                        .await?;
                    last.unwrap_or_default()
                }
            };
            let found: Option<String> = match remembered {
                Some(remembered) => sqlx::query_scalar("SELECT hash FROM audit WHERE seq = $1")
                    .bind(remembered.seq)
                    .fetch_optional(&mut *transaction)
                    .await?,
                None => None,
            };
            let intact = remembered.is_none_or(|remembered| found.as_ref() == Some(&remembered.hash));
            for entry in rows {
                let row = entry.into_row(&head);
                sqlx::query(ADD)
                    .bind(row.seq)
                    .bind(row.at)
                    .bind(&row.event)
                    .bind(&row.level)
                    .bind(&row.actor)
                    .bind(&row.subject)
                    .bind(&row.session)
                    .bind(&row.incident)
                    .bind(&row.request_id)
                    .bind(&row.address)
                    .bind(&row.detail)
                    .bind(&row.prev_hash)
                    .bind(&row.hash)
                    .execute(&mut *transaction)
                    .await?;
                head = AuditHead { seq: row.seq, hash: row.hash };
            }
            sqlx::query("UPDATE audit_head SET seq = $1, hash = $2, proof = $3 WHERE id = 1")
                .bind(head.seq)
                .bind(&head.hash)
                .bind(provers.prove(&head))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok((head, intact))
        })
    }

    /// Lists rows, newest first; with `after`, oldest first.
    pub(crate) async fn audit(&self, filter: AuditFilter<'_>, limit: i64) -> Result<Vec<AuditRow>> {
        let order = if filter.after.is_some() {
            "ASC"
        } else {
            "DESC"
        };
        let sql = format!(
            "{ROW} WHERE ($1 IS NULL OR seq < $1) AND ($2 IS NULL OR seq > $2) AND ($3 IS NULL OR event = $3) \
             AND ($4 IS NULL OR actor = $4) AND ($5 IS NULL OR subject = $5) AND ($6 IS NULL OR incident = $6) \
             ORDER BY seq {order} LIMIT $7"
        );
        on!(self, pool => {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(filter.before)
                .bind(filter.after)
                .bind(filter.event)
                .bind(filter.actor)
                .bind(filter.subject)
                .bind(filter.incident)
                .bind(limit)
                .fetch_all(pool)
                .await
        })
    }

    /// Reads the end of the log, with its proof.
    pub(crate) async fn audit_head(&self) -> Result<Option<(AuditHead, String)>> {
        on!(self, pool => {
            let head: Option<ProvedHead> = sqlx::query_as("SELECT seq, hash, proof FROM audit_head WHERE id = 1")
                .fetch_optional(pool)
                .await?;
            Ok(head.map(|ProvedHead { head, proof }| (head, proof)))
        })
    }

    /// Follows the chain from its first row to its last, and hands each one to
    /// `check`; all rows and the head are of one moment. Returns the head and its proof.
    pub(crate) async fn walk_audit(
        &self,
        mut check: impl FnMut(&AuditRow),
    ) -> Result<Option<(AuditHead, String)>> {
        const BATCH: i64 = 1_000;
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            if self.is_postgres() {
                sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    .execute(&mut *transaction)
                    .await?;
            }
            let head: Option<ProvedHead> = sqlx::query_as("SELECT seq, hash, proof FROM audit_head WHERE id = 1")
                .fetch_optional(&mut *transaction)
                .await?;
            let sql = format!("{ROW} WHERE seq > $1 ORDER BY seq LIMIT $2");
            let mut last = i64::MIN;
            loop {
                let rows: Vec<AuditRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))
                    .bind(last)
                    .bind(BATCH)
                    .fetch_all(&mut *transaction)
                    .await?;
                let Some(end) = rows.last() else { break };
                last = end.seq;
                rows.iter().for_each(&mut check);
            }
            transaction.commit().await?;
            Ok(head.map(|ProvedHead { head, proof }| (head, proof)))
        })
    }

    /// Tells whether the database is at a server, with roles and other processes.
    pub(crate) fn is_postgres(&self) -> bool {
        !matches!(self.pool, Pool::Sqlite(_))
    }
}

impl AuditRow {
    /// Computes what the row's digest must be.
    pub(crate) fn expected_hash(&self) -> String {
        digest(self)
    }
}
