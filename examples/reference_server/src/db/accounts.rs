//! Accounts.

use uuid::Uuid;

use super::pictures::only_of;
use super::{Db, Result, now, on};
use crate::mail::CANARIES;

/// An account.
#[derive(Clone, sqlx::FromRow)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) role: String,
    pub(crate) display_name: String,
    pub(crate) avatar_image_id: Option<String>,
    pub(crate) created_at: i64,
    /// Since when an operator keeps it from signing in.
    pub(crate) disabled_at: Option<i64>,
    /// Since when its password opens nothing, until another one is set.
    pub(crate) must_reset_at: Option<i64>,
}

impl User {
    /// Whether its password opens nothing, however right it is.
    pub(crate) fn is_locked(&self) -> bool {
        self.disabled_at.is_some() || self.must_reset_at.is_some()
    }
}

impl Db {
    /// Adds an account, unless there is one with this address; returns its identifier.
    pub(crate) async fn add_user(&self, email: &str, hash: &str) -> Result<Option<String>> {
        self.add_account(email, hash, "user").await
    }

    /// Adds an account of an administrator, unless there is one with this address;
    /// returns its identifier.
    pub(crate) async fn add_admin(&self, email: &str, hash: &str) -> Result<Option<String>> {
        self.add_account(email, hash, "admin").await
    }

    async fn add_account(&self, email: &str, hash: &str, role: &str) -> Result<Option<String>> {
        let id = Uuid::now_v7().to_string();
        on!(self, pool => {
            let done = sqlx::query("INSERT INTO users (id, email, password_hash, role, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING")
                .bind(&id)
                .bind(email)
                .bind(hash)
                .bind(role)
                .bind(now())
                .execute(pool)
                .await?;
            Ok((done.rows_affected() == 1).then_some(id))
        })
    }

    /// Finds an account by its address.
    pub(crate) async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        on!(self, pool => {
            sqlx::query_as("SELECT * FROM users WHERE email = $1")
                .bind(email)
                .fetch_optional(pool)
                .await
        })
    }

    /// Finds an account by its identifier.
    pub(crate) async fn user(&self, id: &str) -> Result<Option<User>> {
        on!(self, pool => {
            sqlx::query_as("SELECT * FROM users WHERE id = $1")
                .bind(id)
                .fetch_optional(pool)
                .await
        })
    }

    /// Replaces a password's hash, if the old one is still there; tells whether
    /// it was.
    pub(crate) async fn replace_password_hash(
        &self,
        id: &str,
        old: &str,
        new: &str,
    ) -> Result<bool> {
        on!(self, pool => {
            let done =
                sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 \
                 AND disabled_at IS NULL AND must_reset_at IS NULL")
                    .bind(id)
                    .bind(old)
                    .bind(new)
                    .execute(pool)
                    .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Changes what an account is called.
    pub(crate) async fn set_display_name(&self, id: &str, name: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query("UPDATE users SET display_name = $2 WHERE id = $1")
                .bind(id)
                .bind(name)
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Makes a picture the one that stands for an account.
    pub(crate) async fn set_avatar(&self, id: &str, image: &str) -> Result<()> {
        on!(self, pool => {
            sqlx::query("UPDATE users SET avatar_image_id = $2 WHERE id = $1")
                .bind(id)
                .bind(image)
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Keeps an account from signing in, and uses up the tokens that would set another
    /// password; or lets it sign in again. Tells whether there is one.
    pub(crate) async fn set_disabled(&self, id: &str, disabled: bool) -> Result<bool> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            let done = sqlx::query("UPDATE users SET disabled_at = $2 WHERE id = $1")
                .bind(id)
                .bind(disabled.then(now))
                .execute(&mut *transaction)
                .await?;
            if disabled {
                sqlx::query("UPDATE one_time_tokens SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL")
                    .bind(id)
                    .bind(now())
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Makes the passwords of an account, or of all, open nothing until another one is
    /// set, and uses up the tokens that are on their way; tells of how many accounts.
    pub(crate) async fn force_reset(&self, id: Option<&str>) -> Result<u64> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            if self.is_postgres() {
                // As many accounts as there are.
                sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *transaction).await?;
            }
            let done = sqlx::query("UPDATE users SET must_reset_at = $2 WHERE ($1 IS NULL OR id = $1)")
                .bind(id)
                .bind(now())
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE one_time_tokens SET used_at = $2 WHERE used_at IS NULL AND ($1 IS NULL OR user_id = $1)")
                .bind(id)
                .bind(now())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected())
        })
    }

    /// Lists accounts by their identifiers, after a cursor.
    pub(crate) async fn users(&self, after: Option<&str>, limit: i64) -> Result<Vec<User>> {
        on!(self, pool => {
            sqlx::query_as("SELECT * FROM users WHERE ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2")
                .bind(after)
                .bind(limit)
                .fetch_all(pool)
                .await
        })
    }

    /// Counts administrators beside an account, who can sign in.
    pub(crate) async fn count_other_admins(&self, id: &str) -> Result<i64> {
        on!(self, pool => {
            let others = "SELECT count(*) FROM users WHERE role = 'admin' AND id <> $1 AND disabled_at IS NULL";
            sqlx::query_scalar(others).bind(id).fetch_one(pool).await
        })
    }

    /// Counts accounts.
    pub(crate) async fn count_users(&self) -> Result<i64> {
        on!(self, pool => {
            sqlx::query_scalar("SELECT count(*) FROM users WHERE email NOT LIKE $1")
                .bind(format!("%{CANARIES}"))
                .fetch_one(pool)
                .await
        })
    }

    /// Removes accounts that were there to prove something, and that are older than they
    /// ever get.
    pub(crate) async fn remove_canaries(&self, before: i64) -> Result<u64> {
        on!(self, pool => {
            let done = sqlx::query("DELETE FROM users WHERE email LIKE $1 AND created_at < $2")
                .bind(format!("%{CANARIES}"))
                .bind(before)
                .execute(pool)
                .await?;
            Ok(done.rows_affected())
        })
    }

    /// Removes an account that has no pictures any more; tells whether it is gone.
    pub(crate) async fn delete_user_without_images(&self, id: &str) -> Result<bool> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            only_of!(self, transaction, id);
            sqlx::query("DELETE FROM users WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM images WHERE owner_id = $1)")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(self.user(id).await?.is_none())
        })
    }
}
