//! Records of pictures.

use serde::Serialize;

use super::{Db, Result, now, on};

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

/// Says in a transaction for whom it asks; the database shows no rows of others
/// (row security, where there is a server). It ends with the transaction.
macro_rules! only_of {
    ($db:expr, $transaction:expr, $owner:expr) => {
        if $db.is_postgres() {
            sqlx::query("SELECT set_config('rampart.user_id', $1, true)")
                .bind($owner)
                .execute(&mut *$transaction)
                .await?;
        }
    };
}
pub(super) use only_of;

/// Says in a transaction that it looks after the objects of everybody.
macro_rules! of_everybody {
    ($db:expr, $transaction:expr) => {
        if $db.is_postgres() {
            sqlx::query("SELECT set_config('rampart.housekeeping', 'on', true)")
                .execute(&mut *$transaction)
                .await?;
        }
    };
}

impl Db {
    /// Adds a picture's record, unless its owner would then hold more than
    /// `quota` bytes; tells whether it did. However many are added at once,
    /// together they stay within the quota.
    pub(crate) async fn add_image(&self, owner: &str, image: &Image, quota: u64) -> Result<bool> {
        const ADD: &str = "INSERT INTO images (id, owner_id, object_key, media_type, bytes, width, height, sha256, title, created_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 \
             WHERE $5 + (SELECT coalesce(sum(bytes), 0) FROM images WHERE owner_id = $2) <= $11";
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            only_of!(self, transaction, owner);
            // The others wait for the account; SQLite has one writer anyway.
            sqlx::query("UPDATE users SET id = id WHERE id = $1")
                .bind(owner)
                .execute(&mut *transaction)
                .await?;
            let done = sqlx::query(ADD)
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
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Notes that an object is about to be kept, so that it is found again whatever
    /// happens next.
    pub(crate) async fn expect_object(&self, key: &str) -> Result<()> {
        on!(self, pool => {
            let note = "INSERT INTO objects (object_key, kept_at) VALUES ($1, $2) \
                        ON CONFLICT (object_key) DO UPDATE SET kept_at = excluded.kept_at";
            sqlx::query(note).bind(key).bind(now()).execute(pool).await.map(drop)
        })
    }

    /// Forgets an object that is gone.
    pub(crate) async fn forget_object(&self, key: &str) -> Result<()> {
        on!(self, pool => {
            let forget = "DELETE FROM objects WHERE object_key = $1";
            sqlx::query(forget).bind(key).execute(pool).await.map(drop)
        })
    }

    /// Tells whether the records of everybody can be seen, so that an object without one
    /// is one that nobody needs: the tables are those of this version, and the policy that
    /// shows them is there.
    pub(crate) async fn sees_every_picture(&self) -> bool {
        if self.check_version().await.is_err() {
            return false;
        }
        if !self.is_postgres() {
            return true;
        }
        let shown: Result<bool> = on!(self, pool => {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM pg_policies WHERE schemaname = current_schema() AND tablename = 'images' \
                 AND policyname = 'housekeeping')",
            )
            .fetch_one(pool)
            .await
        });
        shown.unwrap_or(false)
    }

    /// Lists objects that were noted before a time and that no picture is stored as.
    pub(crate) async fn unused_objects(&self, before: i64, limit: i64) -> Result<Vec<String>> {
        on!(self, pool => {
            let unused = "SELECT object_key FROM objects WHERE kept_at < $1 AND NOT EXISTS \
                          (SELECT 1 FROM images WHERE images.object_key = objects.object_key) LIMIT $2";
            let mut transaction = pool.begin().await?;
            of_everybody!(self, transaction);
            let keys = sqlx::query_scalar(unused).bind(before).bind(limit).fetch_all(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(keys)
        })
    }

    /// Tells whether a picture is stored as this object.
    pub(crate) async fn is_object_used(&self, key: &str) -> Result<bool> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            of_everybody!(self, transaction);
            let found = sqlx::query("SELECT 1 FROM images WHERE object_key = $1 LIMIT 1")
                .bind(key)
                .fetch_optional(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(found.is_some())
        })
    }

    /// Lists an owner's pictures, newest first, after a cursor.
    pub(crate) async fn images(
        &self,
        owner: &str,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Image>> {
        on!(self, pool => {
            let sql = format!(
                "{IMAGE} WHERE owner_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
            );
            let mut transaction = pool.begin().await?;
            only_of!(self, transaction, owner);
            let images = sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(owner)
                .bind(before)
                .bind(limit)
                .fetch_all(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(images)
        })
    }

    /// Finds one of an owner's pictures.
    pub(crate) async fn image(&self, owner: &str, id: &str) -> Result<Option<Image>> {
        on!(self, pool => {
            let sql = format!("{IMAGE} WHERE owner_id = $1 AND id = $2");
            let mut transaction = pool.begin().await?;
            only_of!(self, transaction, owner);
            let image = sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(owner)
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(image)
        })
    }

    /// Removes a picture's record, also as an avatar; tells whether it was there.
    pub(crate) async fn delete_image(&self, owner: &str, id: &str) -> Result<bool> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            only_of!(self, transaction, owner);
            sqlx::query(
                "UPDATE users SET avatar_image_id = NULL WHERE id = $1 AND avatar_image_id = $2",
            )
            .bind(owner)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
            let done = sqlx::query("DELETE FROM images WHERE owner_id = $1 AND id = $2")
                .bind(owner)
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() == 1)
        })
    }
}
