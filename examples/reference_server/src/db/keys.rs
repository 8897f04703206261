//! Keys of access tokens.

use std::fmt;

use tower_rampart::clock::UnixSeconds;

use super::{Db, Result, now, on};

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

impl Db {
    /// Lists the keys of access tokens, oldest first.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<KeyRow>> {
        on!(self, pool => {
            sqlx::query_as(
                "SELECT kid, secret_kid, salt, sign_from, created_at, revoked_at FROM signing_keys \
                 ORDER BY sign_from, kid",
            )
            .fetch_all(pool)
            .await
        })
    }

    /// Marks a key as revoked, and adds another one; both happen, or neither.
    pub(crate) async fn change_signing_keys(
        &self,
        revoked: Option<&str>,
        added: Option<&KeyRow>,
    ) -> Result<()> {
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            if let Some(kid) = revoked {
                // A key of the configuration has no row until it is revoked.
                sqlx::query(
                    "INSERT INTO signing_keys (kid, secret_kid, sign_from, created_at, revoked_at) \
                     VALUES ($1, '', 0, $2, $2) ON CONFLICT (kid) DO UPDATE SET revoked_at = excluded.revoked_at",
                )
                .bind(kid)
                .bind(now())
                .execute(&mut *transaction)
                .await?;
            }
            if let Some(row) = added {
                sqlx::query(
                    "INSERT INTO signing_keys (kid, secret_kid, salt, sign_from, created_at) \
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(&row.kid)
                .bind(&row.secret_kid)
                .bind(&row.salt)
                .bind(row.sign_from)
                .bind(row.created_at)
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await
        })
    }
}
