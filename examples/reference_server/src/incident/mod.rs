//! `incident respond`, `notify`, `report`, `drill`, `list` and `close`.

mod drill;
mod inside;
mod notify;
mod report;
mod respond;

use std::num::NonZeroU32;

use clap::Subcommand;
use serde_json::json;

use crate::cli::{complain, confirm, say};
use crate::config::Config;
use crate::db::{Db, Incident};
use crate::desk::{By, Desk};
use respond::{Plan, Scenario};

pub(crate) use inside::{Canary, Inside};
pub(crate) use respond::Step;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What to do about an incident.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// Does what a scenario asks for, and proves that it was done.
    Respond {
        /// What happened.
        #[arg(long, value_enum)]
        scenario: Scenario,
        /// Whose account, for admin-account; all administrators' otherwise.
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// Only says what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tells everybody by mail, and waits until all mails left. Each account is told
    /// once of an incident, however often this runs.
    Notify {
        /// What they are told: breach, signed-out or all-clear.
        #[arg(long)]
        template: String,
        /// The incident; the last open one otherwise.
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
        /// Mails in a second.
        #[arg(long, default_value = "20")]
        rate: NonZeroU32,
        /// Goes on with what was noted before, and notes nothing.
        #[arg(long)]
        resume: bool,
        /// Tries those again that could not be delivered.
        #[arg(long)]
        retry_failed: bool,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the timeline of an incident in Markdown.
    Report {
        /// Its identifier.
        id: String,
    },
    /// Lists incidents, newest first.
    List {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Closes an incident.
    Close {
        /// Its identifier.
        id: String,
    },
    /// Runs every scenario on a database of its own, and removes it. Touches nothing
    /// else.
    Drill {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a command.
///
/// # Errors
///
/// If something could not be done, or was not proved.
pub(crate) fn run(config: &Config, command: &IncidentCommand) -> Result<()> {
    match command {
        IncidentCommand::Respond {
            scenario,
            user,
            dry_run,
            reason,
            yes,
            json,
        } => {
            if user.is_some() && *scenario != Scenario::AdminAccount {
                let text =
                    "--user is for --scenario admin-account; other scenarios concern everybody\n";
                clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, text).exit();
            }
            let plan = Plan {
                scenario: *scenario,
                reason: reason.as_deref(),
                user: user.as_deref(),
            };
            block_on(respond_to(config, &plan, *dry_run, *yes, *json))
        }
        IncidentCommand::Notify {
            template,
            incident,
            rate,
            resume,
            retry_failed,
            yes,
            json,
        } => Desk::run(config, async |desk| {
            let incident = which(&desk.db, incident.as_deref()).await?;
            if !resume {
                let accounts = desk.db.count_users().await?;
                if !yes {
                    confirm(&format!("write to the owners of {accounts} accounts?"))?;
                }
                desk.notify(By::operator(None), &incident.id, template, None)
                    .await?;
            }
            if *retry_failed {
                desk.db.retry_failed_mails(&incident.id).await?;
            }
            let counts = notify::send(desk, &incident.id, *rate).await?;
            say(&match json {
                true => json!({"incident": incident.id, "sent": counts.sent, "failed": counts.failed, "queued": counts.queued}).to_string(),
                false => format!("{} mails sent, {} failed", counts.sent, counts.failed),
            });
            match counts.sent == 0 && counts.failed > 0 {
                true => Err(
                    "no mail could be delivered; mend that, and come back with --retry-failed"
                        .into(),
                ),
                false => Ok(()),
            }
        }),
        IncidentCommand::Report { id } => block_on(async {
            let db = Db::open(&config.database).await?;
            let incident = which(&db, Some(id)).await?;
            say(report::markdown(&db, &incident).await?.trim_end());
            Ok(())
        }),
        IncidentCommand::List { json } => block_on(async {
            let incidents = Db::open(&config.database).await?.incidents(1_000).await?;
            if *json {
                say(&json!({"incidents": incidents}).to_string());
                return Ok(());
            }
            for incident in incidents {
                let state = if incident.closed_at.is_some() {
                    "closed"
                } else {
                    "open"
                };
                let opened = crate::audit::datetime(incident.opened_at);
                say(&format!(
                    "{}  {opened}  {state:<6}  {}",
                    incident.id, incident.title
                ));
            }
            Ok(())
        }),
        IncidentCommand::Close { id } => Desk::run(config, async |desk| {
            let incident = which(&desk.db, Some(id)).await?;
            desk.close_incident(By::operator(None), &incident.id)
                .await?;
            say(&format!("{id} is closed"));
            Ok(())
        }),
        IncidentCommand::Drill { json } => block_on(drill::run(*json)),
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Finds the incident that is meant: the last open one, unless one is named.
async fn which(db: &Db, id: Option<&str>) -> Result<Incident> {
    match id {
        Some(id) => Ok(db
            .incident(id)
            .await?
            .ok_or_else(|| format!("there is no incident {id}"))?),
        None => {
            let open = db
                .incidents(1_000)
                .await?
                .into_iter()
                .find(|incident| incident.closed_at.is_none());
            Ok(open.ok_or("no incident is open; `incident respond` opens one")?)
        }
    }
}

async fn respond_to(
    config: &Config,
    plan: &Plan<'_>,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> Result<()> {
    let inside = Inside::open(config).await?;
    if dry_run {
        let rehearsed = respond::rehearse(&inside, plan).await?;
        if json {
            say(&rehearsed.to_string());
            return Ok(());
        }
        say(&format!(
            "{} would touch {} accounts:",
            plan.scenario.as_str(),
            rehearsed["accounts"]
        ));
        plan.scenario
            .steps()
            .iter()
            .for_each(|step| say(&format!("  {step}")));
        plan.scenario
            .by_hand()
            .iter()
            .for_each(|step| say(&format!("  by hand: {step}")));
        return Ok(());
    }
    if !yes {
        confirm(&format!(
            "respond to {}? This does: {}.",
            plan.scenario.as_str(),
            plan.scenario.steps().join(", ")
        ))?;
    }
    let tell = |step: &Step| {
        if !json {
            say(&line(step));
        }
    };
    let response = respond::respond(&inside, config, plan, tell).await?;
    inside.close().await;
    if json {
        say(&serde_json::to_string(&response)?);
    } else {
        response
            .by_hand
            .iter()
            .for_each(|step| say(&format!("by hand   {step}")));
        say(&format!(
            "incident {}; `incident report {}` tells its story",
            response.incident, response.incident
        ));
    }
    match response.ok {
        true => Ok(()),
        false => Err("not every step was proved".into()),
    }
}

/// A step on a line.
pub(crate) fn line(step: &Step) -> String {
    let mark = if step.ok { "ok" } else { "FAILED" };
    let found = if step.found.is_null() {
        String::new()
    } else {
        step.found.to_string()
    };
    format!("{mark:<8}{:>7.3} s  {}  {found}", step.seconds, step.step)
}

/// Shows how far something is, to whoever sits at a terminal.
pub(super) fn progress(done: i64, all: i64) {
    use std::io::IsTerminal as _;
    if std::io::stderr().is_terminal() {
        let full = usize::try_from(done * 30 / all.max(1))
            .unwrap_or_default()
            .min(30);
        complain(&format!(
            "\x1b[1A\x1b[2K[{:<30}] {done} of {all}",
            "#".repeat(full)
        ));
    }
}
