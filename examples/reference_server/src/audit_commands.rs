//! `audit verify` and `audit tail`.

use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use crate::admin::described;
use crate::audit::{self, Verdict};
use crate::cli::say;
use crate::config::Config;
use crate::db::{AuditFilter, Db};
use crate::keys::Configured;

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Finds out whether a row was changed, taken away or put elsewhere.
    Verify {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the last rows.
    Tail {
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        rows: u16,
        /// Goes on with those that come.
        #[arg(long, short)]
        follow: bool,
        /// Prints a JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

/// How often new rows are asked for.
const EVERY: Duration = Duration::from_millis(500);

/// Runs a command.
///
/// # Errors
///
/// If the database fails, or the log is not what was written.
pub(crate) fn run(
    config: &Config,
    command: &AuditCommand,
) -> Result<(), Box<dyn std::error::Error>> {
    config.database.must_be_there()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let db = Db::open(&config.database).await?;
            match *command {
                AuditCommand::Verify { json } => {
                    let provers = Configured::provers(config)?;
                    let verdict = audit::verify(&db, &config.data_dir, &provers).await;
                    let verdict = verdict.map_err(|error| error as Box<dyn std::error::Error>)?;
                    match json {
                        true => say(&serde_json::to_string(&verdict)?),
                        false if verdict.ok => told(&verdict),
                        false => {}
                    }
                    // Somebody who forges an end may name any secret.
                    if config.production && verdict.ok && verdict.proved.is_none() {
                        return Err("the end of the audit log is proved with a secret that is not configured: list the one before \
                                    in SECRET_KEY_PREVIOUS, or somebody else wrote it".into());
                    }
                    match verdict.problem {
                        Some(problem) => Err(format!("the audit log is broken: {problem}").into()),
                        None => Ok(()),
                    }
                }
                AuditCommand::Tail { rows, follow, json } => {
                    tail(&db, rows.into(), follow, json).await
                }
            }
        })
}

/// Says that nothing is wrong, and what could not be looked at.
fn told(verdict: &Verdict) {
    say(&format!(
        "{} rows follow each other, up to {}",
        verdict.rows, verdict.head
    ));
    if verdict.proved.is_none() {
        say("who wrote the last one cannot be told without the SECRET_KEY of the server");
    }
    match verdict.remembered {
        Some(seq) => say(&format!("this machine remembers row {seq} as its last one")),
        None => say(
            "this machine remembers no row (there is no audit-head in its data folder), so a cut end is not noticed here",
        ),
    }
}

async fn tail(
    db: &Db,
    rows: i64,
    follow: bool,
    json: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut rows = db.audit(AuditFilter::default(), rows).await?;
    rows.reverse();
    let mut last = 0;
    loop {
        for row in &rows {
            last = row.seq;
            let row = described(row);
            say(&if json { row.to_string() } else { line(&row) });
        }
        let gone = crate::terminal::lost();
        if let Some(error) = gone {
            return match error.kind() {
                std::io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(format!("standard output: {error}").into()),
            };
        }
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
        rows = db
            .audit(
                AuditFilter {
                    after: Some(last),
                    ..AuditFilter::default()
                },
                1_000,
            )
            .await?;
    }
}

/// A row on a line, without what it does not have.
fn line(row: &Value) -> String {
    let mut text = format!(
        "{:>6}  {}  {:<8}  {}",
        row["seq"],
        plain(&row["datetime"]),
        plain(&row["level"]),
        plain(&row["event"])
    );
    for name in [
        "actor",
        "subject",
        "session",
        "incident",
        "address",
        "request_id",
        "detail",
    ] {
        if !row[name].is_null() {
            text += &format!("  {name}={}", plain(&row[name]));
        }
    }
    text
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
