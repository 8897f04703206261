//! Whole copies of the database, and what is in them.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};

use super::Result;
use crate::audit::hex;

/// What is in a table: how many rows, and a digest of them in an order of their own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct TableDigest {
    pub(crate) rows: i64,
    pub(crate) digest: String,
}

/// What is in every table.
pub(crate) type Digests = BTreeMap<String, TableDigest>;

/// Copies a database in a file into another file, as it is at one moment; servers go
/// on meanwhile.
pub(crate) async fn copy_sqlite(from: &Path, to: &Path) -> Result<()> {
    let mut source =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(from)).await?;
    sqlx::query("VACUUM INTO $1")
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut source)
        .await?;
    source.close().await
}

/// Looks into a copy that nobody writes to: whether it is whole, and what is in it.
pub(crate) async fn look_into_sqlite(path: &Path) -> Result<(String, Digests)> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(true);
    let mut copy = SqliteConnection::connect_with(&options).await?;
    let whole: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut copy)
        .await?;
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
            .fetch_all(&mut copy)
            .await?;
    let mut digests = Digests::new();
    for name in names {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
                .bind(&name)
                .fetch_all(&mut copy)
                .await?;
        let quoted: Vec<_> = columns
            .iter()
            .map(|column| format!("quote({})", quote(column)))
            .collect();
        let sql = format!(
            "SELECT {} AS row FROM {} ORDER BY row",
            quoted.join(" || ',' || "),
            quote(&name)
        );
        let (mut hash, mut count) = (Sha256::new(), 0);
        let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch(&mut copy);
        while let Some(row) = rows.try_next().await? {
            hash.update(row.as_bytes());
            hash.update(b"\n");
            count += 1;
        }
        drop(rows);
        digests.insert(
            name,
            TableDigest {
                rows: count,
                digest: hex(&hash.finalize()),
            },
        );
    }
    copy.close().await?;
    Ok((whole, digests))
}

/// Writes a name so that it is one, whatever it contains.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(feature = "postgres")]
pub(crate) use postgres::{Snapshot, at_server, look_into_postgres, protections};

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::postgres::{PgConnectOptions, PgConnection};
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

    use super::{Digests, TableDigest, quote};
    use crate::db::Result;

    /// A moment that others can look at too, as long as this exists.
    pub(crate) struct Snapshot {
        connection: PgConnection,
        pub(crate) id: String,
    }

    impl Snapshot {
        /// Holds the moment.
        pub(crate) async fn take(options: &PgConnectOptions) -> Result<Self> {
            let mut connection = PgConnection::connect_with(options).await?;
            connection
                .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await?;
            let id = sqlx::query_scalar("SELECT pg_export_snapshot()")
                .fetch_one(&mut connection)
                .await?;
            Ok(Self { connection, id })
        }

        /// Looks at what is in the tables at that moment, and lets it go.
        pub(crate) async fn look(mut self) -> Result<Digests> {
            let digests = digests(&mut self.connection).await?;
            self.connection.close().await?;
            Ok(digests)
        }
    }

    /// Looks at what is in the tables now.
    pub(crate) async fn look_into_postgres(options: &PgConnectOptions) -> Result<Digests> {
        let mut connection = PgConnection::connect_with(options).await?;
        let digests = digests(&mut connection).await?;
        connection.close().await?;
        Ok(digests)
    }

    async fn digests(connection: &mut PgConnection) -> Result<Digests> {
        let tables: Vec<(String, String)> = sqlx::query_as(
            "SELECT schemaname::text, tablename::text FROM pg_tables \
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut digests = Digests::new();
        for (schema, table) in tables {
            let name = format!("{}.{}", quote(&schema), quote(&table));
            let sql = format!(
                "SELECT count(*), \
                 coalesce(sum(('x' || left(m, 15))::bit(60)::bigint), 0) || '-' || \
                 coalesce(sum(('x' || right(m, 15))::bit(60)::bigint), 0) \
                 FROM (SELECT md5(t::text) AS m FROM {name} t) rows"
            );
            let (rows, digest) = sqlx::query_as(AssertSqlSafe(sql))
                .fetch_one(&mut *connection)
                .await?;
            digests.insert(format!("{schema}.{table}"), TableDigest { rows, digest });
        }
        Ok(digests)
    }

    /// Lists who may do what with each table, and which rows are kept apart: one text a
    /// fact, so that a copy can be compared.
    pub(crate) async fn protections(options: &PgConnectOptions) -> Result<Vec<String>> {
        let mut connection = PgConnection::connect_with(options).await?;
        let facts = sqlx::query_scalar(
            "SELECT c.relname || ': ' || coalesce(a::text, 'no grants') FROM pg_class c \
             LEFT JOIN LATERAL unnest(c.relacl) a ON true \
             WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text NOT LIKE 'pg\\_%' \
               AND c.relnamespace::regnamespace::text <> 'information_schema' \
             UNION ALL SELECT relname || ': row security ' || relrowsecurity || ', forced ' || relforcerowsecurity \
             FROM pg_class \
             WHERE relkind = 'r' AND relnamespace::regnamespace::text NOT LIKE 'pg\\_%' \
               AND relnamespace::regnamespace::text <> 'information_schema' \
             UNION ALL SELECT tablename || ': policy ' || policyname || ' ' || coalesce(qual, '') FROM pg_policies \
             UNION ALL SELECT event_object_table || ': trigger ' || trigger_name FROM information_schema.triggers ORDER BY 1",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        Ok(facts)
    }

    /// Runs statements that are about databases.
    pub(crate) async fn at_server(options: &PgConnectOptions, statement: String) -> Result<()> {
        let mut connection = PgConnection::connect_with(options).await?;
        connection.execute(AssertSqlSafe(statement)).await?;
        connection.close().await
    }
}
