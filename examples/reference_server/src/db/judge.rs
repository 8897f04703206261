//! Whether the role of a server may do no more than it has to.

use sqlx::postgres::{PgConnectOptions, PgPool};

use super::Result;

/// What the role may do that it should not, one line each; and whether the line to the
/// server is encrypted.
pub(super) async fn excesses(pool: &PgPool) -> Result<Vec<String>> {
    const ASK: &str = "SELECT text FROM ( \
        SELECT 'is a superuser' AS text FROM pg_roles WHERE rolname = current_user AND rolsuper \
        UNION ALL SELECT 'may make databases' FROM pg_roles WHERE rolname = current_user AND rolcreatedb \
        UNION ALL SELECT 'may make roles' FROM pg_roles WHERE rolname = current_user AND rolcreaterole \
        UNION ALL SELECT 'may copy the whole server (REPLICATION)' \
            FROM pg_roles WHERE rolname = current_user AND rolreplication \
        UNION ALL SELECT 'ignores row security (BYPASSRLS)' \
            FROM pg_roles WHERE rolname = current_user AND rolbypassrls \
        UNION ALL SELECT DISTINCT 'owns tables, or is a member of ' || quote_ident(tableowner::text) || ', who does' \
            FROM pg_tables \
            WHERE schemaname = current_schema() AND pg_has_role(current_user, tableowner, 'MEMBER') \
        UNION ALL SELECT 'may make tables in the schema ' || quote_ident(nspname::text) FROM pg_namespace \
            WHERE nspname IN (current_schema(), 'public') AND has_schema_privilege(current_user, oid, 'CREATE') \
        UNION ALL SELECT 'may change the audit log (' || privilege || ')' \
            FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) privilege \
            WHERE has_table_privilege(current_user, 'audit', privilege) \
    ) found";
    sqlx::query_scalar(ASK).fetch_all(pool).await
}

/// Whether the connection is encrypted, as the server sees it.
pub(super) async fn is_encrypted(pool: &PgPool) -> Result<bool> {
    sqlx::query_scalar(
        "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)",
    )
    .fetch_one(pool)
    .await
}

/// Whether the server is on this machine.
pub(super) fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some() || host.starts_with('/') || crate::reader::is_this_machine(host)
}
