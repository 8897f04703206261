//! Accounts and records of pictures, in SQLite.
//!
//! Everything the server asks of a database is a method here, so another
//! database only has to answer the same questions.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tower_rampart::clock::{Clock as _, SystemClock, UnixSeconds};
use uuid::Uuid;

/// The database.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    pool: SqlitePool,
}

/// A key of access tokens, as the database knows it.
#[derive(Clone, Eq, PartialEq, sqlx::FromRow)]
pub(crate) struct KeyRow {
    pub(crate) kid: String,
    /// The key that the secret itself makes.
    pub(crate) secret_kid: String,
    /// What makes the key of the secret; `None` if it is only revoked here.
    pub(crate) salt: Option<Vec<u8>>,
    pub(crate) sign_from: i64,
    pub(crate) created_at: i64,
    pub(crate) revoked_at: Option<i64>,
}

impl KeyRow {
    pub(crate) fn sign_from(&self) -> UnixSeconds {
        UnixSeconds::new(u64::try_from(self.sign_from).unwrap_or_default())
    }
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRow")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// What a database answers.
pub(crate) type Result<T> = std::result::Result<T, sqlx::Error>;

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
}

/// A picture's record.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Image {
    pub(crate) id: String,
    #[serde(skip)]
    pub(crate) object_key: String,
    pub(crate) media_type: String,
    pub(crate) bytes: i64,
    pub(crate) width: i64,
    pub(crate) height: i64,
    pub sha256: String,
    pub(crate) title: String,
    pub(crate) created_at: i64,
}

const IMAGE: &str = "SELECT id, object_key, media_type, bytes, width, height, sha256, title, created_at FROM images";

impl Db {
    /// Opens the database, creates it if it is missing, and brings its tables
    /// up to date. Only its owner can read the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be created or opened, or a migration fails.
    pub(crate) async fn open(path: &Path) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        if let Some(folder) = path.parent() {
            private_folder(folder)?;
        }
        // SQLite gives its side files the mode of the main one.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self { pool })
    }

    /// Returns the connections, for stores that keep tables of their own.
    pub(crate) fn pool(&self) -> SqlitePool {
        self.pool.clone()
    }

    /// Tells whether the database answers.
    pub(crate) async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop)
    }

    /// Lists the keys of access tokens, oldest first.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<KeyRow>> {
        sqlx::query_as("SELECT kid, secret_kid, salt, sign_from, created_at, revoked_at FROM signing_keys ORDER BY sign_from, kid")
            .fetch_all(&self.pool)
            .await
    }

    /// Adds a key of access tokens.
    pub(crate) async fn add_signing_key(&self, row: &KeyRow) -> Result<()> {
        insert_key(&self.pool, row).await
    }

    /// Marks a key as revoked, and adds the one that takes its place.
    pub(crate) async fn revoke_signing_key(
        &self,
        kid: &str,
        successor: Option<&KeyRow>,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        // A key of the configuration has no row until it is revoked.
        sqlx::query("INSERT INTO signing_keys (kid, secret_kid, sign_from, created_at, revoked_at) VALUES (?1, '', 0, ?2, ?2) ON CONFLICT (kid) DO UPDATE SET revoked_at = ?2")
            .bind(kid)
            .bind(now())
            .execute(&mut *transaction)
            .await?;
        if let Some(row) = successor {
            insert_key(&mut *transaction, row).await?;
        }
        transaction.commit().await
    }

    /// Adds an account, unless there is one with this address.
    pub(crate) async fn add_user(&self, email: &str, password_hash: &str) -> Result<()> {
        sqlx::query("INSERT INTO users (id, email, password_hash, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (email) DO NOTHING")
            .bind(Uuid::now_v7().to_string())
            .bind(email)
            .bind(password_hash)
            .bind(now())
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Finds an account by its address.
    pub(crate) async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        sqlx::query_as("SELECT * FROM users WHERE email = ?1")
            .bind(email)
            .fetch_optional(&self.pool)
            .await
    }

    /// Finds an account by its identifier.
    pub(crate) async fn user(&self, id: &str) -> Result<Option<User>> {
        sqlx::query_as("SELECT * FROM users WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
    }

    /// Replaces a password's hash, if the old one is still there; tells whether
    /// it was.
    pub(crate) async fn replace_password_hash(
        &self,
        id: &str,
        old: &str,
        new: &str,
    ) -> Result<bool> {
        let done =
            sqlx::query("UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2")
                .bind(id)
                .bind(old)
                .bind(new)
                .execute(&self.pool)
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Changes what an account is called.
    pub(crate) async fn set_display_name(&self, id: &str, name: &str) -> Result<()> {
        sqlx::query("UPDATE users SET display_name = ?2 WHERE id = ?1")
            .bind(id)
            .bind(name)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Makes a picture the one that stands for an account.
    pub(crate) async fn set_avatar(&self, id: &str, image: &str) -> Result<()> {
        sqlx::query("UPDATE users SET avatar_image_id = ?2 WHERE id = ?1")
            .bind(id)
            .bind(image)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Removes an account that has no pictures any more; tells whether it is gone.
    pub(crate) async fn delete_user_without_images(&self, id: &str) -> Result<bool> {
        sqlx::query("DELETE FROM users WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM images WHERE owner_id = ?1)")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(self.user(id).await?.is_none())
    }

    /// Adds a picture's record, unless its owner would then hold more than
    /// `quota` bytes; tells whether it did.
    pub(crate) async fn add_image(&self, owner: &str, image: &Image, quota: u64) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO images (id, owner_id, object_key, media_type, bytes, width, height, sha256, title, created_at) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 \
             WHERE ?5 + (SELECT coalesce(sum(bytes), 0) FROM images WHERE owner_id = ?2) <= ?11",
        )
        .bind(&image.id)
        .bind(owner)
        .bind(&image.object_key)
        .bind(&image.media_type)
        .bind(image.bytes)
        .bind(image.width)
        .bind(image.height)
        .bind(&image.sha256)
        .bind(&image.title)
        .bind(image.created_at)
        .bind(i64::try_from(quota).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lists an owner's pictures, newest first, after a cursor.
    pub(crate) async fn images(
        &self,
        owner: &str,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Image>> {
        let sql = format!(
            "{IMAGE} WHERE owner_id = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(owner)
            .bind(before)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
    }

    /// Finds one of an owner's pictures.
    pub(crate) async fn image(&self, owner: &str, id: &str) -> Result<Option<Image>> {
        let sql = format!("{IMAGE} WHERE owner_id = ?1 AND id = ?2");
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(owner)
            .bind(id)
            .fetch_optional(&self.pool)
            .await
    }

    /// Removes a picture's record, also as an avatar; tells whether it was there.
    pub(crate) async fn delete_image(&self, owner: &str, id: &str) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE users SET avatar_image_id = NULL WHERE id = ?1 AND avatar_image_id = ?2",
        )
        .bind(owner)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        let done = sqlx::query("DELETE FROM images WHERE owner_id = ?1 AND id = ?2")
            .bind(owner)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Creates a folder that only its owner can enter; one that exists stays as it is.
///
/// # Errors
///
/// If it cannot be created.
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Finds out whether others on the machine can read a file or enter a folder.
///
/// # Errors
///
/// If it cannot be looked at.
pub(crate) fn is_open_to_others(path: &Path) -> std::io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// The time as it is stored: seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemClock.unix_now().as_u64()).unwrap_or(i64::MAX)
}

async fn insert_key<'c>(executor: impl sqlx::SqliteExecutor<'c>, row: &KeyRow) -> Result<()> {
    sqlx::query("INSERT INTO signing_keys (kid, secret_kid, salt, sign_from, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(&row.kid)
        .bind(&row.secret_kid)
        .bind(&row.salt)
        .bind(row.sign_from)
        .bind(row.created_at)
        .execute(executor)
        .await
        .map(drop)
}
