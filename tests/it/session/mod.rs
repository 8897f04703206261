//! Sessions: rotation on every store, and cookies.

mod cookies;
mod faults;
mod lifecycle;
mod model;
mod rotation;
mod watched;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::secret::Secret;
use tower_rampart::session::{
    MemoryStore, PostgresStore, RedisStore, RefreshStore, SqliteStore, TokenIssuer,
    TokenIssuerBuilder,
};

use crate::services;

pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(UnixSeconds::new(NOW))
}

pub(crate) fn issuer_with(store: impl RefreshStore, clock: &ManualClock) -> TokenIssuerBuilder {
    TokenIssuer::builder(store)
        .secret(&Secret::new(
            "kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi".to_owned(),
        ))
        .issuer("https://api.example")
        .audience("api")
        // Most tests have nobody who feeds revocations.
        .dangerous_accept_stale_revocations()
        .clock(clock.clone())
}

/// Something to keep sessions in, and what it is called.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn RefreshStore>,
}

/// Every store for which there is a service here.
pub(crate) async fn every_store() -> Vec<Case> {
    let case = |name, store: Arc<dyn RefreshStore>| Case { name, store };
    let sqlite = SqliteStore::open(database().await).await.expect("tables");
    let mut cases = vec![
        case("memory", Arc::new(MemoryStore::new())),
        case("sqlite", Arc::new(sqlite)),
    ];
    if let Some(pool) = postgres_database().await {
        PostgresStore::migrate(&pool).await.expect("tables");
        cases.push(case("postgres", Arc::new(PostgresStore::new(pool))));
    }
    if let Some(store) = redis_store().await {
        cases.push(case("redis", Arc::new(store)));
    }
    cases
}

/// An issuer on each store, with its clock.
pub(crate) async fn every_issuer() -> Vec<(&'static str, TokenIssuer, ManualClock)> {
    let mut issuers = Vec::new();
    for Case { name, store } in every_store().await {
        let clock = clock();
        let issuer = issuer_with(store, &clock).build().expect("valid");
        issuers.push((name, issuer, clock));
    }
    issuers
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A database of its own in the tests' Postgres.
pub(crate) async fn postgres_database() -> Option<sqlx::PgPool> {
    let service = services::postgres()?;
    let name = format!("it_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut admin = sqlx::PgConnection::connect(&service.postgres_url("postgres"))
        .await
        .expect("a connection");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut admin)
        .await
        .expect("a database");
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect(&service.postgres_url(&name))
        .await;
    Some(pool.expect("a database"))
}

/// Keys of its own in the tests' Redis.
pub(crate) async fn redis_store() -> Option<RedisStore> {
    let service = services::redis()?;
    let store = RedisStore::connect(&service.redis_url())
        .await
        .expect("a connection");
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Some(store.prefix(format!("{{it-{number}}}")))
}

/// A database of its own, in a file that several connections share.
async fn database() -> sqlx::SqlitePool {
    let name = format!(
        "rampart-it-{}-{}.db",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let options = SqliteConnectOptions::new()
        .filename(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(30));
    SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await
        .expect("a database")
}
