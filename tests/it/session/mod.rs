//! Sessions: rotation on every store, and cookies.

mod cookies;
mod rotation;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::secret::Secret;
use tower_rampart::session::{
    MemoryStore, RefreshStore, SqliteStore, TokenIssuer, TokenIssuerBuilder,
};

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
        .clock(clock.clone())
}

/// An issuer on each store, with its clock.
pub(crate) async fn every_issuer() -> Vec<(&'static str, TokenIssuer, ManualClock)> {
    let (memory, sqlite) = (clock(), clock());
    let store = SqliteStore::open(database().await).await.expect("a table");
    vec![
        (
            "memory",
            issuer_with(MemoryStore::new(), &memory)
                .build()
                .expect("valid"),
            memory,
        ),
        (
            "sqlite",
            issuer_with(store, &sqlite).build().expect("valid"),
            sqlite,
        ),
    ]
}

/// A database of its own, in a file that several connections share.
async fn database() -> sqlx::SqlitePool {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
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
