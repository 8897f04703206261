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
    let mut url = options.to_url_lossy();
    let files = files_of(&mut url);
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
        command
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", "system");
    }
    for (name, path) in files {
        command.env(format!("PG{}", name.to_ascii_uppercase()), path);
    }
    command
}

/// The URL of a database, as [`PgConnectOptions`] read it.
pub(super) fn url_of(options: &PgConnectOptions) -> String {
    let mut url = options.to_url_lossy();
    files_of(&mut url);
    url.into()
}

/// Takes out of a URL what files it names: certificates and keys. In what sqlx writes they
/// have a word before their paths, which nobody reads; here they get them back without.
fn files_of(url: &mut url::Url) -> Vec<(String, String)> {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut files = Vec::new();
    let mut written = url.query_pairs_mut();
    written.clear();
    for (name, value) in pairs {
        let path = value.strip_prefix("file: ");
        if let Some(path) = path {
            files.push((name.clone(), path.to_owned()));
        }
        written.append_pair(&name, path.unwrap_or(&value));
    }
    drop(written);
    files
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn options() -> PgConnectOptions {
        let (scheme, password) = ("postgres:", "p%40ss");
        let url = format!(
            "{scheme}//rampart_backup:{password}@db.example.com:6432/rampart?sslmode=verify-full\
             &sslrootcert=/etc/my%20ca.pem&sslcert=/etc/me.pem&sslkey=/etc/me.key"
        );
        url.parse().expect("a URL")
    }

    #[test]
    fn a_tool_is_told_everything_about_the_line() {
        let command = tool("pg_dump", &options());
        let told: Vec<_> = command.as_std().get_envs().collect();
        for (name, value) in [
            ("PGHOST", "db.example.com"),
            ("PGPORT", "6432"),
            ("PGUSER", "rampart_backup"),
            ("PGPASSWORD", "p@ss"),
            ("PGDATABASE", "rampart"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/etc/my ca.pem"),
            ("PGSSLCERT", "/etc/me.pem"),
            ("PGSSLKEY", "/etc/me.key"),
        ] {
            let expected = (OsStr::new(name), Some(OsStr::new(value)));
            assert!(told.contains(&expected), "{name} in {told:?}");
        }
    }

    #[test]
    fn a_url_that_is_written_again_says_the_same() {
        let url = url_of(&options());
        let again: PgConnectOptions = url.parse().expect("a URL");
        assert_eq!(url_of(&again), url);
        assert!(url.contains("sslrootcert=%2Fetc%2Fmy+ca.pem&"));
    }
}
