//! Locks for objects, which several records may share.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Db, Pool, Result};

/// Locks of this process: with SQLite there is no other. Keys that share one
/// wait for each other for nothing, which does no harm.
#[derive(Clone, Debug)]
pub(super) struct Locks(Arc<[Arc<Mutex<()>>; 64]>);

impl Default for Locks {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Arc::default())))
    }
}

/// Until it is released or dropped nobody else adds or removes the object.
#[derive(Debug)]
#[must_use]
pub(crate) enum ObjectLock {
    Here {
        _guard: OwnedMutexGuard<()>,
    },
    #[cfg(feature = "postgres")]
    There(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl ObjectLock {
    /// Lets others go on.
    ///
    /// # Errors
    ///
    /// If the database went away, and the lock with it, meanwhile.
    pub(crate) async fn release(self) -> Result<()> {
        match self {
            Self::Here { .. } => Ok(()),
            #[cfg(feature = "postgres")]
            Self::There(transaction) => transaction.commit().await,
        }
    }
}

impl Db {
    /// Waits until nobody else adds or removes an object.
    pub(crate) async fn lock_object(&self, key: &str) -> Result<ObjectLock> {
        match &self.pool {
            Pool::Sqlite(_) => {
                let place = key
                    .bytes()
                    .fold(0_usize, |sum, byte| sum * 31 % 65_521 + usize::from(byte));
                let lock = self.locks.0[place % self.locks.0.len()].clone();
                Ok(ObjectLock::Here {
                    _guard: lock.lock_owned().await,
                })
            }
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                // Longer than an object store takes, which is waited for meanwhile.
                sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '60s'")
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                    .bind(key)
                    .execute(&mut *transaction)
                    .await?;
                Ok(ObjectLock::There(transaction))
            }
        }
    }
}
