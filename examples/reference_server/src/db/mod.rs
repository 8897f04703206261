//! What the server asks of its database, SQLite or Postgres.
//!
//! Every question is a method, in one text that both understand.

mod accounts;
mod audit;
mod copies;
mod files;
mod incidents;
#[cfg(feature = "postgres")]
mod judge;
mod keys;
mod locks;
mod outbox;
mod pictures;

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "postgres")]
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tower_rampart::clock::{Clock as _, SystemClock};
#[cfg(feature = "postgres")]
use tower_rampart::session::PostgresStore;
use tower_rampart::session::{RefreshStore, SqliteStore};

use crate::cli::Unusable;

pub(crate) use accounts::User;
pub(crate) use audit::{AuditFilter, AuditHead, AuditRow};
pub(crate) use copies::{Digests, copy_sqlite, look_into_sqlite};
#[cfg(feature = "postgres")]
pub(crate) use copies::{Snapshot, at_server, look_into_postgres, protections};
pub(crate) use files::{is_open_to_others, private_folder};
pub(crate) use incidents::Incident;
pub(crate) use keys::KeyRow;
use locks::Locks;
pub(crate) use outbox::{Mail, MailCounts, NewToken};
pub(crate) use pictures::Image;

/// How long a request waits for a connection. A renewal asks twice.
const ACQUIRE: Duration = Duration::from_secs(2);

/// Where the database is.
#[derive(Clone)]
pub(crate) enum Location {
    /// In a file of this machine.
    Sqlite(PathBuf),
    /// At a server. Never printed: it may hold a password.
    #[cfg(feature = "postgres")]
    Postgres(Box<PgConnectOptions>),
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            #[cfg(feature = "postgres")]
            Self::Postgres(options) => write!(
                f,
                "postgres at {}, {}",
                options.get_host(),
                options.get_database().unwrap_or_default()
            ),
        }
    }
}

impl Location {
    /// What only looks, or acts on what is there, makes no database: an empty one would
    /// say that all is well.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn must_be_there(&self) -> std::result::Result<(), Unusable> {
        match self {
            Self::Sqlite(path) => match std::fs::metadata(path) {
                Ok(file) if file.len() > 0 => Ok(()),
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Unusable(format!(
                        "RAMPART_DATA_DIR: {} cannot be looked at: {error}; run this as the user of the server",
                        path.display()
                    )))
                }
                _ => Err(Unusable(format!(
                    "RAMPART_DATA_DIR: there is no database at {}; write the folder of the server, which makes one at its \
                     first start",
                    path.display()
                ))),
            },
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Ok(()),
        }
    }
}

/// The database.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    pool: Pool,
    /// For objects, where the database has no locks of its own.
    locks: Locks,
}

#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
}

/// Does the same with whichever pool there is.
macro_rules! on {
    ($db:expr, $pool:ident => $work:expr) => {
        match &$db.pool {
            $crate::db::Pool::Sqlite($pool) => $work,
            #[cfg(feature = "postgres")]
            $crate::db::Pool::Postgres($pool) => $work,
        }
    };
}
use on;

/// What a database answers.
pub(crate) type Result<T> = std::result::Result<T, sqlx::Error>;

/// What can fail when a database is opened.
type Opened<T> = std::result::Result<T, Box<dyn std::error::Error>>;

impl Db {
    /// Opens the database. One in a file is created if it is missing, its tables
    /// are brought up to date, and only its owner can read it; at a server the
    /// tables must be there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or its tables are not those of this version.
    pub(crate) async fn open(location: &Location) -> Opened<Self> {
        let db = match location {
            Location::Sqlite(path) => {
                let opened = async {
                    let db = Self::open_file(path).await?;
                    db.migrate().await?;
                    Ok::<_, Box<dyn std::error::Error>>(db)
                };
                opened
                    .await
                    .map_err(|error| format!("{} cannot be opened: {error}", path.display()))?
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(options) => Self::connect(options.as_ref().clone()).await?,
        };
        db.check_version().await?;
        db.ping().await.map_err(|error| match location {
            // Its tables were made when it was opened, so somebody took one away since.
            Location::Sqlite(path) => format!(
                "{} lacks a table that it had, or is damaged: {error}; keep it as it is, and restore a copy (`restore-drill` proves which is good)",
                path.display()
            ),
            #[cfg(feature = "postgres")]
            Location::Postgres(_) => {
                format!("the database lacks tables; run `reference-server migrate`: {error}")
            }
        })?;
        Ok(db)
    }

    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or a table cannot be made.
    pub(crate) async fn open_and_migrate(location: &Location) -> Opened<Self> {
        let db = match location {
            Location::Sqlite(path) => Self::open_file(path).await?,
            #[cfg(feature = "postgres")]
            Location::Postgres(options) => {
                Self::connect_patiently(options.as_ref().clone()).await?
            }
        };
        db.migrate().await?;
        Ok(db)
    }

    /// Lists the steps that would bring the tables up to date, and changes nothing.
    ///
    /// # Errors
    ///
    /// If the database cannot be opened.
    pub(crate) async fn pending(location: &Location) -> Opened<Vec<String>> {
        let (db, known) = match location {
            Location::Sqlite(path) => {
                let there = path.exists();
                let db = match there {
                    true => Some(Self::open_file(path).await?),
                    false => None,
                };
                (db, sqlx::migrate!("./migrations/sqlite"))
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(options) => {
                let db = Self::connect_patiently(options.as_ref().clone()).await?;
                (Some(db), sqlx::migrate!("./migrations/postgres"))
            }
        };
        // Without the table nothing was done yet.
        let done: Vec<i64> = match &db {
            Some(db) => on!(db, pool => {
                sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(pool).await
            })
            .unwrap_or_default(),
            None => Vec::new(),
        };
        let steps = known.iter().filter(|step| !done.contains(&step.version));
        Ok(steps
            .map(|step| format!("{:04} {}", step.version, step.description))
            .collect())
    }

    async fn open_file(path: &Path) -> Opened<Self> {
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
            .acquire_timeout(ACQUIRE)
            .connect_with(options)
            .await?;
        let pool = Pool::Sqlite(pool);
        let locks = Locks::default();
        Ok(Self { pool, locks })
    }

    #[cfg(feature = "postgres")]
    async fn connect(options: PgConnectOptions) -> Opened<Self> {
        // A lock or a statement that takes longer than a request may is given up.
        let options = options.application_name("reference-server").options([
            ("lock_timeout", "3s"),
            ("statement_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "10s"),
        ]);
        Self::connect_with(options, 10).await
    }

    /// Connects to change tables, which takes as long as it takes; but nobody else waits
    /// for long because of it.
    #[cfg(feature = "postgres")]
    async fn connect_patiently(options: PgConnectOptions) -> Opened<Self> {
        let options = options
            .application_name("reference-server migrate")
            .options([("lock_timeout", "10s")]);
        Self::connect_with(options, 2).await
    }

    #[cfg(feature = "postgres")]
    async fn connect_with(options: PgConnectOptions, connections: u32) -> Opened<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .connect_with(options.clone())
            .await
            .map_err(|error| {
                let (host, port) = (options.get_host(), options.get_port());
                format!("the database at {host}, port {port}, cannot be reached: {error}")
            })?;
        let pool = Pool::Postgres(pool);
        let locks = Locks::default();
        Ok(Self { pool, locks })
    }

    async fn migrate(&self) -> Opened<()> {
        match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::migrate!("./migrations/sqlite").run(pool).await?;
                SqliteStore::open(pool.clone()).await?;
            }
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => {
                sqlx::migrate!("./migrations/postgres").run(pool).await?;
                PostgresStore::migrate(pool).await?;
            }
        }
        Ok(())
    }

    /// Lists what is wrong with the way a server reaches its database: what its role may
    /// do beyond its work, a line that is not encrypted, tables of another version.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub(crate) async fn misgivings(&self, location: &Location) -> Result<Vec<String>> {
        match (&self.pool, location) {
            #[cfg(feature = "postgres")]
            (Pool::Postgres(pool), Location::Postgres(options)) => {
                let mut found: Vec<_> = judge::excesses(pool)
                    .await?
                    .into_iter()
                    .map(|text| {
                        format!(
                            "the role {} {text}; use one of deploy/postgres/roles.sql",
                            options.get_username()
                        )
                    })
                    .collect();
                if !judge::is_local(options) && !judge::is_encrypted(pool).await? {
                    found.push("the connection to the database is not encrypted, although that was asked for".to_owned());
                }
                Ok(found)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Compares the tables with those of this version.
    pub(crate) async fn check_version(&self) -> Opened<()> {
        let known = match &self.pool {
            Pool::Sqlite(_) => sqlx::migrate!("./migrations/sqlite"),
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => sqlx::migrate!("./migrations/postgres"),
        };
        let newest = known
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or_default();
        let found: Result<Option<i64>> = on!(self, pool => {
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(pool).await
        });
        let found = found.map_err(|error| {
            format!(
                "the database lacks tables, or hides them; run `reference-server migrate`, and see that the role may use \
                 them (deploy/postgres/roles.sql): {error}"
            )
        })?;
        match found.unwrap_or_default().cmp(&newest) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less => {
                Err("the database lacks tables; run `reference-server migrate`".into())
            }
            std::cmp::Ordering::Greater => {
                Err("the database was made by a later version of this program; run that one".into())
            }
        }
    }

    /// Returns the sessions that are kept in this database.
    ///
    /// # Errors
    ///
    /// If their tables cannot be brought up to date.
    pub(crate) async fn sessions(&self) -> Opened<Arc<dyn RefreshStore>> {
        Ok(match &self.pool {
            Pool::Sqlite(pool) => Arc::new(SqliteStore::open(pool.clone()).await?),
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => Arc::new(PostgresStore::new(pool.clone())),
        })
    }

    /// Tells whether the database answers, with the tables that are needed.
    pub(crate) async fn ping(&self) -> Result<()> {
        on!(self, pool => {
            let tables = "SELECT 1 FROM users, images, objects, signing_keys, one_time_tokens, outbox, audit, audit_head, incidents, switches, rampart_session, rampart_epoch WHERE 1 = 0";
            sqlx::query(tables).execute(pool).await.map(drop)
        })
    }
}

/// The time as it is stored: seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemClock.unix_now().as_u64()).unwrap_or(i64::MAX)
}
