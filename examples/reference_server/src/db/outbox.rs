//! Mails to be sent, and the tokens that some of them carry.

use uuid::Uuid;

use super::{Db, Result, now, on};
use crate::mail::CANARIES;

/// A mail whose turn it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Mail {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) template: String,
    pub(crate) token_id: Option<String>,
    pub(crate) incident_id: Option<String>,
    pub(crate) attempts: i64,
}

/// How many mails of an incident are in which state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct MailCounts {
    pub(crate) queued: i64,
    pub(crate) sent: i64,
    pub(crate) failed: i64,
}

/// A token that sets a new password.
#[derive(Clone, Debug)]
pub(crate) struct NewToken<'a> {
    pub(crate) id: &'a str,
    pub(crate) hash: &'a str,
    pub(crate) expires_at: i64,
    /// Whether an operator sends it: strangers cannot use up how many there may be.
    pub(crate) by_operator: bool,
    /// About which incident it is.
    pub(crate) incident: Option<&'a str>,
}

/// How many tokens an account gets in an hour, so that nobody fills its mailbox.
const TOKENS_AN_HOUR: i64 = 5;

impl Db {
    /// Notes a mail to an account.
    pub(crate) async fn add_mail(&self, user: &str, template: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query("INSERT INTO outbox (id, user_id, template, next_attempt_at, created_at) VALUES ($1, $2, $3, $4, $4)")
                .bind(Uuid::now_v7().to_string())
                .bind(user)
                .bind(template)
                .bind(now())
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Notes a token and the mail that brings it; both, or neither. Tells whether
    /// the account had fewer than it may have in an hour.
    pub(crate) async fn add_token_mail(
        &self,
        user: &str,
        template: &str,
        token: &NewToken<'_>,
    ) -> Result<bool> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            // Several requests at once wait for the account.
            sqlx::query("UPDATE users SET id = id WHERE id = $1").bind(user).execute(&mut *transaction).await?;
            let added = sqlx::query(
                "INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, created_at, expires_at) \
                 SELECT $1, $2, 'password_reset', $3, $4, $5 WHERE \
                 (SELECT count(*) FROM one_time_tokens WHERE user_id = $2 AND created_at > $4 - 3600 AND used_at IS NULL) < $6",
            )
            .bind(token.id)
            .bind(user)
            .bind(token.hash)
            .bind(now())
            .bind(token.expires_at)
            .bind(if token.by_operator { i64::MAX } else { TOKENS_AN_HOUR })
            .execute(&mut *transaction)
            .await?;
            if added.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO outbox (id, user_id, template, token_id, incident_id, next_attempt_at, created_at) VALUES ($1, $2, $3, $1, $5, $4, $4)",
            )
            .bind(token.id)
            .bind(user)
            .bind(template)
            .bind(now())
            .bind(token.incident)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(true)
        })
    }

    /// Notes a token that no mail brings, good for some minutes.
    pub(crate) async fn add_token(&self, user: &str, id: &str, hash: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query(
                "INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, created_at, expires_at) \
                 VALUES ($1, $2, 'password_reset', $3, $4, $4 + 300)",
            )
            .bind(id)
            .bind(user)
            .bind(hash)
            .bind(now())
            .execute(pool)
            .await
            .map(drop)
        })
    }

    /// Gives a token that was not used its digest and its time anew; tells whether
    /// there is one.
    pub(crate) async fn renew_token(&self, token: &NewToken<'_>) -> Result<bool> {
        on!(self, pool => {
            let done = sqlx::query("UPDATE one_time_tokens SET token_hash = $2, expires_at = $3 WHERE id = $1 AND used_at IS NULL")
                .bind(token.id)
                .bind(token.hash)
                .bind(token.expires_at)
                .execute(pool)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Finds the account of a token that is still good.
    pub(crate) async fn token_owner(&self, hash: &str) -> Result<Option<String>> {
        on!(self, pool => {
            sqlx::query_scalar(
                "SELECT user_id FROM one_time_tokens WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2",
            )
            .bind(hash)
            .bind(now())
            .fetch_optional(pool)
            .await
        })
    }

    /// Uses a token to set a password; every other token of the account is used
    /// up with it. Tells whether the token was still good.
    pub(crate) async fn reset_password(
        &self,
        token_hash: &str,
        user: &str,
        password_hash: &str,
    ) -> Result<bool> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            // Two links at once wait for each other here.
            sqlx::query("UPDATE users SET id = id WHERE id = $1").bind(user).execute(&mut *transaction).await?;
            let used = sqlx::query(
                "UPDATE one_time_tokens SET used_at = $2 WHERE token_hash = $1 AND user_id = $3 AND used_at IS NULL AND expires_at > $2",
            )
            .bind(token_hash)
            .bind(now())
            .bind(user)
            .execute(&mut *transaction)
            .await?;
            if used.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("UPDATE one_time_tokens SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL")
                .bind(user)
                .bind(now())
                .execute(&mut *transaction)
                .await?;
            // An account that was disabled meanwhile keeps its password.
            let set = sqlx::query("UPDATE users SET password_hash = $2, must_reset_at = NULL WHERE id = $1 AND disabled_at IS NULL")
                .bind(user)
                .bind(password_hash)
                .execute(&mut *transaction)
                .await?;
            if set.rows_affected() == 0 {
                return Ok(false);
            }
            transaction.commit().await?;
            Ok(true)
        })
    }

    /// Uses up the tokens of an account.
    pub(crate) async fn discard_tokens(&self, user: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query("UPDATE one_time_tokens SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL")
                .bind(user)
                .bind(now())
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Notes a mail about an incident to every account that has none yet. Tells how
    /// many were noted now.
    pub(crate) async fn add_mails_to_everyone(
        &self,
        incident: &str,
        template: &str,
        except: Option<&str>,
    ) -> Result<u64> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            if self.is_postgres() {
                // As many accounts as there are.
                sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *transaction).await?;
            }
            let done = sqlx::query(
                "INSERT INTO outbox (id, user_id, template, incident_id, next_attempt_at, created_at) \
                 SELECT $1 || '.' || id || '.' || $2, id, $2, $1, $3, $3 FROM users WHERE id <> $4 \
                 AND email NOT LIKE $5 ON CONFLICT DO NOTHING",
            )
            .bind(incident)
            .bind(template)
            .bind(now())
            .bind(except.unwrap_or_default())
            .bind(format!("%{CANARIES}"))
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(done.rows_affected())
        })
    }

    /// Counts accounts that were there when an incident was opened and that no mail about
    /// it was noted for.
    pub(crate) async fn count_untold(
        &self,
        incident: &str,
        template: &str,
        except: &str,
    ) -> Result<i64> {
        on!(self, pool => {
            sqlx::query_scalar(
                "SELECT count(*) FROM users WHERE id <> $3 AND email NOT LIKE $4 \
                 AND created_at <= (SELECT opened_at FROM incidents WHERE id = $1) AND NOT EXISTS \
                 (SELECT 1 FROM outbox WHERE user_id = users.id AND incident_id = $1 AND template = $2)",
            )
            .bind(incident)
            .bind(template)
            .bind(except)
            .bind(format!("%{CANARIES}"))
            .fetch_one(pool)
            .await
        })
    }

    /// Lists mails whose turn it is, of one incident or all, oldest first.
    pub(crate) async fn due_mails(&self, incident: Option<&str>, limit: i64) -> Result<Vec<Mail>> {
        on!(self, pool => {
            sqlx::query_as(
                "SELECT outbox.id, user_id, email, template, token_id, incident_id, attempts \
                 FROM outbox JOIN users ON users.id = user_id WHERE status = 'queued' AND next_attempt_at <= $1 \
                 AND ($3 IS NULL OR incident_id = $3) ORDER BY incident_id IS NOT NULL, next_attempt_at, outbox.id LIMIT $2",
            )
            .bind(now())
            .bind(limit)
            .bind(incident)
            .fetch_all(pool)
            .await
        })
    }

    /// Takes a mail, so that nobody else sends it until a time; tells whether nobody
    /// was faster.
    pub(crate) async fn take_mail(&self, mail: &Mail, until: i64) -> Result<bool> {
        on!(self, pool => {
            let done = sqlx::query(
                "UPDATE outbox SET next_attempt_at = $3, attempts = attempts + 1, error = NULL \
                 WHERE id = $1 AND attempts = $2 AND status = 'queued'",
            )
            .bind(&mail.id)
            .bind(mail.attempts)
            .bind(until)
            .execute(pool)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Notes that a mail will not be tried again: it was sent, or why it was not.
    pub(crate) async fn finish_mail(&self, id: &str, error: Option<&str>) -> Result<()> {
        let status = if error.is_none() { "sent" } else { "failed" };
        on!(self, pool => {
            sqlx::query("UPDATE outbox SET status = $2, error = $3, finished_at = $4 WHERE id = $1")
                .bind(id)
                .bind(status)
                .bind(error)
                .bind(now())
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Notes when a mail is tried again, and why.
    pub(crate) async fn postpone_mail(&self, id: &str, until: i64, error: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query("UPDATE outbox SET next_attempt_at = $2, error = $3 WHERE id = $1")
                .bind(id)
                .bind(until)
                .bind(error)
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Forgets tokens that were over before a time, and mails that were finished before
    /// it; those about incidents stay, so that nobody is told twice. Tells how many.
    pub(crate) async fn forget_old_mail(&self, before: i64) -> Result<u64> {
        on!(self, pool => {
            let mails = "DELETE FROM outbox WHERE status <> 'queued' AND incident_id IS NULL AND finished_at < $1";
            let mails = sqlx::query(mails).bind(before).execute(pool).await?.rows_affected();
            let tokens = "DELETE FROM one_time_tokens WHERE expires_at < $1";
            let tokens = sqlx::query(tokens).bind(before).execute(pool).await?.rows_affected();
            Ok(mails + tokens)
        })
    }

    /// Takes a mail away that nobody waits for any more.
    pub(crate) async fn drop_mail(&self, id: &str) -> Result<()> {
        on!(self, pool => sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id).execute(pool).await.map(drop))
    }

    /// Lets mails of an incident that could not be delivered wait again.
    pub(crate) async fn retry_failed_mails(&self, incident: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query(
                "UPDATE outbox SET status = 'queued', attempts = 0, next_attempt_at = $2 WHERE incident_id = $1 AND status = 'failed'",
            )
            .bind(incident)
            .bind(now())
            .execute(pool)
            .await
            .map(drop)
        })
    }

    /// Makes it the turn of every mail of an incident that still waits.
    pub(crate) async fn hurry_mails(&self, incident: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query("UPDATE outbox SET next_attempt_at = $2 WHERE incident_id = $1 AND status = 'queued' AND error IS NOT NULL")
                .bind(incident)
                .bind(now())
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Counts mails, of one incident or all, with one template or any.
    pub(crate) async fn mail_counts(
        &self,
        incident: Option<&str>,
        template: Option<&str>,
    ) -> Result<MailCounts> {
        on!(self, pool => {
            let rows: Vec<(String, i64)> = sqlx::query_as(
                "SELECT status, count(*) FROM outbox WHERE ($1 IS NULL OR incident_id = $1) AND ($2 IS NULL OR template = $2) \
                 GROUP BY status",
            )
            .bind(incident)
            .bind(template)
            .fetch_all(pool)
            .await?;
            let count = |name: &str| rows.iter().find(|(status, _)| status == name).map_or(0, |(_, count)| *count);
            Ok(MailCounts { queued: count("queued"), sent: count("sent"), failed: count("failed") })
        })
    }
}
