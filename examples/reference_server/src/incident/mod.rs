//! `incident respond`, `notify`, `open`, `close`, `list`, `report` and `drill`.

mod drill;
mod inside;
mod notify;
mod report;
mod respond;

use std::num::NonZeroU32;

use clap::Subcommand;
use serde_json::json;

use crate::cli::{complain, say};
use crate::config::Config;
use crate::db::{Db, Incident};
use crate::desk::Desk;
use crate::how::How;
use crate::terminal::Concerns;
use respond::Plan;

pub(crate) use inside::{Canary, Inside};
pub(crate) use report::json as told;
pub(crate) use respond::{Scenario, Step};

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
        #[command(flatten)]
        how: How,
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
        #[command(flatten)]
        how: How,
    },
    /// Opens an incident without doing anything about it yet.
    Open {
        /// What happened, in a few words.
        #[arg(long, value_parser = title)]
        title: String,
        /// What it is like.
        #[arg(long, value_enum)]
        scenario: Option<Scenario>,
        #[command(flatten)]
        how: How,
    },
    /// Prints the timeline of an incident in Markdown.
    Report {
        /// Its identifier.
        id: String,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
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
        #[command(flatten)]
        how: How,
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
            how,
        } => {
            if user.is_some() && *scenario != Scenario::AdminAccount {
                let text =
                    "--user is for --scenario admin-account; other scenarios concern everybody\n";
                clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, text).exit();
            }
            let plan = Plan {
                scenario: *scenario,
                by: how.by(),
                user: user.as_deref(),
            };
            config.database.must_be_there()?;
            block_on(respond_to(config, &plan, how))
        }
        IncidentCommand::Notify {
            template,
            incident,
            rate,
            resume,
            retry_failed,
            how,
        } => Desk::run(config, async |desk| {
            let incident = which(&desk.db, incident.as_deref()).await?;
            if incident.closed_at.is_some() {
                return Err(format!("incident {} is closed; open another one", incident.id).into());
            }
            desk.mail_leaves()?;
            if !resume {
                let accounts = desk.db.count_untold(&incident.id, template, "").await?;
                let action = format!("write to the owners of {accounts} accounts");
                let would = json!({"incident": incident.id, "accounts": accounts});
                if !how.goes_on(Concerns::Everybody, &action, would)? {
                    return Ok(());
                }
                desk.notify(how.by(), &incident.id, template, None).await?;
            }
            if *retry_failed {
                desk.db.retry_failed_mails(&incident.id).await?;
            }
            let counts = notify::send(desk, &incident.id, *rate).await?;
            how.tell(
                &json!({"incident": incident.id, "sent": counts.sent, "failed": counts.failed, "queued": counts.queued}),
                || format!("{} mails sent, {} failed", counts.sent, counts.failed),
            );
            match counts.sent == 0 && counts.failed > 0 {
                true => Err(
                    "no mail could be delivered; mend that, and come back with --retry-failed"
                        .into(),
                ),
                false => Ok(()),
            }
        }),
        IncidentCommand::Open {
            title,
            scenario,
            how,
        } => Desk::run(config, async |desk| {
            let scenario = scenario.map(Scenario::as_str);
            if how.goes_on(Concerns::One, "open an incident", json!({"title": title}))? {
                let incident = desk.open_incident(how.by(), title, scenario).await?;
                how.tell(&json!(incident), || incident.id.clone());
            }
            Ok(())
        }),
        IncidentCommand::Report { id, json } => looking(config, async |db| {
            let incident = which(db, Some(id)).await?;
            say(&match json {
                true => told(db, &incident, report::ROWS).await?.to_string(),
                false => report::markdown(db, &incident).await?.trim_end().to_owned(),
            });
            Ok(())
        }),
        IncidentCommand::List { json } => looking(config, async |db| {
            let incidents = db.incidents(1_000).await?;
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
        IncidentCommand::Close { id, how } => Desk::run(config, async |desk| {
            let incident = which(&desk.db, Some(id)).await?;
            let action = format!("close incident {id}, {}", incident.title);
            if how.goes_on(Concerns::One, &action, json!({"incident": id}))? {
                desk.close_incident(how.by(), &incident.id).await?;
                how.tell(&json!({"incident": id, "closed": true}), || {
                    format!("{id} is closed")
                });
            }
            Ok(())
        }),
        IncidentCommand::Drill { json } => block_on(drill::run(*json)),
    }
}

/// Reads what an incident is called: the same here as over HTTP.
pub(crate) fn title(text: &str) -> std::result::Result<String, &'static str> {
    let title = text.trim();
    match title.is_empty() || title.chars().count() > 200 || title.chars().any(char::is_control) {
        true => Err("a title has 1 to 200 characters and no control characters"),
        false => Ok(title.to_owned()),
    }
}

/// Looks into the database that is there.
fn looking(config: &Config, work: impl AsyncFnOnce(&Db) -> Result<()>) -> Result<()> {
    config.database.must_be_there()?;
    block_on(async { work(&Db::open(&config.database).await?).await })
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
            Ok(open.ok_or("no incident is open; `incident open` opens one")?)
        }
    }
}

async fn respond_to(config: &Config, plan: &Plan<'_>, how: &How) -> Result<()> {
    let inside = Inside::open(config).await?;
    let scenario = plan.scenario;
    if scenario.takes_passwords() {
        inside.app.desk.mail_leaves()?;
    }
    let would = respond::rehearse(&inside, plan).await?;
    let mut action = format!(
        "respond to {}, which concerns {} accounts: {}",
        scenario.as_str(),
        would["accounts"],
        scenario.steps().join(", ")
    );
    if how.dry_run {
        for step in scenario.by_hand() {
            action += &format!("\n  by hand: {step}");
        }
    }
    if !how.goes_on(Concerns::Everybody, &action, would)? {
        return Ok(());
    }
    let json = how.json;
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
