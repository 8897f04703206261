//! `incident respond`, `notify`, `open`, `close`, `read-only`, `list`, `report` and `drill`.

mod drill;
mod inside;
mod notify;
mod report;
mod respond;
mod response;
mod scenario;

use std::num::NonZeroU32;

use clap::Subcommand;
use serde_json::json;

use crate::cli::{complain, say};
use crate::config::Config;
use crate::db::{Db, Incident, MailCounts};
use crate::desk::Desk;
use crate::how::How;
use crate::switches::READ_ONLY;
use crate::terminal::Concerns;
use respond::Plan;

pub(crate) use inside::{Canary, Inside};
pub(crate) use report::json as told;
pub(crate) use respond::Step;
pub(crate) use scenario::Scenario;

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
        /// Mails in a second, of this command; a running server sends some beside it.
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
    /// Refuses new accounts and changes of accounts and pictures, or lets them through
    /// again; people can still sign in and out, end sessions and set passwords.
    /// Running servers follow within two seconds.
    ReadOnly {
        /// On or off.
        #[arg(value_enum)]
        state: State,
        #[command(flatten)]
        how: How,
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

/// Whether something is switched on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum State {
    /// It is.
    On,
    /// It is not.
    Off,
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
            block_on(response::give(config, &plan, how))
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
            let noted = desk
                .db
                .mail_counts(Some(&incident.id), Some(template))
                .await?;
            if *resume && noted == MailCounts::default() {
                return Err(
                    format!("no mail was noted yet for {template:?}; leave --resume out").into(),
                );
            }
            if !resume {
                let accounts = desk.db.count_untold(&incident.id, template, "").await?;
                let action = format!("write {template:?} to the owners of {accounts} accounts");
                let would =
                    json!({"incident": incident.id, "template": template, "accounts": accounts});
                if !how.goes_on(Concerns::Everybody, &action, would)? {
                    return Ok(());
                }
                desk.notify(how.by(), &incident.id, template, None).await?;
            }
            if *retry_failed {
                desk.db.retry_failed_mails(&incident.id).await?;
            }
            let counts = notify::send(desk, &incident.id, template, *rate).await?;
            how.tell(
                &json!({"incident": incident.id, "template": template, "sent": counts.sent, "failed": counts.failed, "queued": counts.queued}),
                || format!("{} mails sent, {} failed", counts.sent, counts.failed),
            );
            match counts.failed > 0 {
                true => Err(format!(
                    "{} mails could not be delivered; mend that, and come back with --retry-failed",
                    counts.failed
                )
                .into()),
                false => Ok(()),
            }
        }),
        IncidentCommand::ReadOnly { state, how } => Desk::run(config, async |desk| {
            let on = *state == State::On;
            let action = match on {
                true => "refuse new accounts, and changes of accounts and pictures",
                false => "let changes through again",
            };
            if how.goes_on(Concerns::Everybody, action, json!({"on": on}))? {
                desk.read_only(how.by(), on).await?;
                how.tell(&json!({"read_only": on}), || {
                    format!("read only is {}", if on { "on" } else { "off" })
                });
            }
            Ok(())
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
            let read_only = db.is_switched_on(READ_ONLY).await?;
            if *json {
                say(&json!({"incidents": incidents, "read_only": read_only}).to_string());
                return Ok(());
            }
            if read_only {
                say(STILL_READ_ONLY);
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
                let read_only = desk.db.is_switched_on(READ_ONLY).await?;
                let told = json!({"incident": id, "closed": true, "read_only": read_only});
                how.tell(&told, || match read_only {
                    true => format!("{id} is closed; {STILL_READ_ONLY}"),
                    false => format!("{id} is closed"),
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

/// What is easily forgotten.
const STILL_READ_ONLY: &str =
    "read only is still on; `incident read-only off` lets changes through";

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
