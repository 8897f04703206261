//! What Postgres brings for copies: `pg_dump` and `pg_restore`.

use std::path::Path;
use std::process::Stdio;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::process::Command;

use super::Result;
use crate::db::{Digests, Location, Snapshot, protections};

/// Dumps a database as it is at one moment, and looks at it at the same.
pub(super) async fn dump(from: &Location, to: &Path) -> Result<(Digests, Vec<String>)> {
    let Location::Postgres(options) = from else {
        return Err("BACKUP_DATABASE_URL is of another kind than DATABASE_URL".into());
    };
    let snapshot = Snapshot::take(options).await?;
    let mut command = tool("pg_dump", options);
    command
        .args(["--format=custom", "--snapshot", &snapshot.id, "--file"])
        .arg(to);
    run(command).await.map_err(|error| {
        let role = options.get_username();
        format!("{error}; BACKUP_DATABASE_URL (here as {role}) has to name a role that may read everything, see deploy/postgres/roles.sql")
    })?;
    Ok((snapshot.look().await?, protections(options).await?))
}

/// Restores a dump into an empty database.
pub(super) async fn restore(from: &Path, into: &PgConnectOptions) -> Result<()> {
    let mut command = tool("pg_restore", into);
    command
        .args([
            "--exit-on-error",
            "--dbname",
            into.get_database().unwrap_or_default(),
        ])
        .arg(from);
    run(command).await
}

/// Where tools are, unless the environment says otherwise.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A tool that knows where the database is, and nothing else of the environment. The
/// password is not on the command line, which everybody can read.
fn tool(name: &str, options: &PgConnectOptions) -> Command {
    let url = options.to_url_lossy();
    let mut command = Command::new(name);
    command
        .env_clear()
        .env(
            "PATH",
            std::env::var_os("PATH").unwrap_or_else(|| PATH.into()),
        )
        .env(
            "PGHOST",
            options.get_socket().map_or_else(
                || options.get_host().into(),
                |path| path.as_os_str().to_owned(),
            ),
        )
        .env("PGPORT", options.get_port().to_string())
        .env("PGUSER", options.get_username())
        .env("PGDATABASE", options.get_database().unwrap_or_default())
        .stdin(Stdio::null());
    if let Some(password) = url.password() {
        let password = percent_encoding::percent_decode_str(password);
        command.env("PGPASSWORD", &*password.decode_utf8_lossy());
    }
    if matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        let root = url
            .query_pairs()
            .find(|(name, _)| name == "sslrootcert")
            .map(|(_, path)| path.into_owned());
        command
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", root.unwrap_or_else(|| "system".to_owned()));
    }
    command
}

async fn run(mut command: Command) -> Result<()> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let output = command
        .output()
        .await
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} failed: {}", said.trim().replace('\n', "; ")).into())
}
