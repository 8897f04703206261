//! What revocation costs on each request, and renewal in each store.
//!
//! `session/check, N revoked` is what the access path adds. Each store's
//! `refresh` stands beside a bare update of one row of the same store, over the
//! same connections and in the same run; `-- session` runs all of it.

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::runtime::Runtime;
use tower_rampart::clock::{Clock as _, SystemClock};
use tower_rampart::secret::Secret;
use tower_rampart::session::{
    EndReason, MemoryStore, NewSession, PostgresStore, RedisStore, RefreshStore, SqliteStore,
    TokenIssuer,
};

use crate::services::Service;

fn issuer(store: Arc<dyn RefreshStore>) -> TokenIssuer {
    TokenIssuer::builder(store)
        .secret(&Secret::random(48))
        .issuer("https://api.example")
        .audience("api")
        .build()
        .expect("valid")
}

/// Measures.
pub(crate) fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    check(criterion, &runtime);
    memory(criterion, &runtime);
    sqlite(criterion, &runtime);
    postgres(criterion, &runtime);
    redis(criterion, &runtime);
}

fn check(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("session");
    for revoked in [0, 10_000] {
        let issuer = issuer(Arc::new(MemoryStore::new()));
        let tokens = runtime
            .block_on(issuer.start(NewSession::of("user-1")))
            .expect("started");
        let now = SystemClock.unix_now();
        let claims = issuer
            .verifier()
            .verify(tokens.access_token().as_str(), now)
            .expect("ours");
        let revocations = issuer.revocations();
        for session in 0..revoked {
            revocations.revoke(&format!("{session:032x}"), EndReason::Logout, now);
        }
        group.bench_function(format!("check, {revoked} revoked"), |bencher| {
            bencher.iter(|| revocations.check(black_box(&claims), now).is_ok());
        });
    }
    group.finish();
}

/// Renews one session again and again, and does something bare as often.
fn pair<F: Future<Output = ()>>(
    criterion: &mut Criterion,
    runtime: &Runtime,
    name: &str,
    store: Arc<dyn RefreshStore>,
    bare: impl Fn() -> F,
) {
    let mut group = criterion.benchmark_group(format!("session/{name}"));
    let issuer = issuer(store);
    let first = runtime
        .block_on(issuer.start(NewSession::of("user-1")))
        .expect("started");
    let mut token = first.refresh_token().to_owned();
    group.bench_function("refresh", |bencher| {
        bencher.iter(|| {
            let renewed = runtime.block_on(issuer.refresh(&token)).expect("renewed");
            renewed.refresh_token().clone_into(&mut token);
        });
    });
    group.bench_function("bare update", |bencher| {
        bencher.iter(|| runtime.block_on(bare()))
    });
    group.finish();
}

fn memory(criterion: &mut Criterion, runtime: &Runtime) {
    let rows = std::sync::Mutex::new(std::collections::HashMap::from([([7_u8; 32], 0_u64)]));
    pair(
        criterion,
        runtime,
        "memory",
        Arc::new(MemoryStore::new()),
        || async {
            if let Some(row) = rows.lock().expect("unpoisoned").get_mut(&[7; 32]) {
                *row += 1;
            }
        },
    );
}

const TABLE: &str =
    "CREATE TABLE bare (id integer PRIMARY KEY, n bigint NOT NULL); INSERT INTO bare VALUES (1, 0)";
const UPDATE: &str = "UPDATE bare SET n = n + 1 WHERE id = $1";

fn sqlite(criterion: &mut Criterion, runtime: &Runtime) {
    let file = std::env::temp_dir().join(format!("rampart-bench-{}.db", std::process::id()));
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let (pool, store) = runtime.block_on(async {
        let pool = SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .expect("a database");
        sqlx::raw_sql(TABLE).execute(&pool).await.expect("a table");
        (pool.clone(), SqliteStore::open(pool).await.expect("tables"))
    });
    pair(criterion, runtime, "sqlite", Arc::new(store), || async {
        sqlx::query(UPDATE)
            .bind(1_i64)
            .execute(&pool)
            .await
            .expect("updated");
    });
    runtime.block_on(pool.close());
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
}

fn postgres(criterion: &mut Criterion, runtime: &Runtime) {
    let Some(service) = Service::postgres() else {
        return;
    };
    let (pool, store) = runtime.block_on(async {
        let url = service.postgres_url("postgres");
        let pool = PgPoolOptions::new()
            .connect(&url)
            .await
            .expect("a database");
        sqlx::raw_sql(TABLE).execute(&pool).await.expect("a table");
        PostgresStore::migrate(&pool).await.expect("tables");
        (pool.clone(), PostgresStore::new(pool))
    });
    pair(criterion, runtime, "postgres", Arc::new(store), || async {
        sqlx::query(UPDATE)
            .bind(1_i32)
            .execute(&pool)
            .await
            .expect("updated");
    });
}

fn redis(criterion: &mut Criterion, runtime: &Runtime) {
    let Some(service) = Service::redis() else {
        return;
    };
    let url = service.redis_url();
    let store = runtime
        .block_on(RedisStore::connect(&url))
        .expect("a connection");
    let connection = runtime.block_on(async {
        let client = ::redis::Client::open(url).expect("a URL");
        client.get_connection_manager().await.expect("a connection")
    });
    pair(criterion, runtime, "redis", Arc::new(store), || async {
        let mut connection = connection.clone();
        let mut command = ::redis::cmd("HINCRBY");
        let command = command.arg("bare").arg("n").arg(1);
        let _: i64 = command.query_async(&mut connection).await.expect("updated");
    });
}
