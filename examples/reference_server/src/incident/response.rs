//! `incident respond`, from the question to the answer.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::respond::{self, Plan, Step};
use super::{Inside, Result, line};
use crate::cli::say;
use crate::config::Config;
use crate::db::Db;
use crate::desk::DeskError;
use crate::how::How;
use crate::keys::Configured;
use crate::mail::MailRoute;
use crate::terminal::Concerns;

/// Responds, unless that was done, or asks whether to go on with what was cut off.
///
/// # Errors
///
/// If it is not meant, something could not be done, or was not proved.
pub(super) async fn give(config: &Config, plan: &Plan<'_>, how: &How) -> Result<()> {
    let scenario = plan.scenario;
    let db = Db::open(&config.database).await?;
    Configured::must_be_known(config, &db).await?;
    if scenario.takes_passwords() && matches!(config.mail, MailRoute::Nowhere) {
        return Err(format!(
            "{}; until then `sessions revoke --all` and `users disable` keep people out",
            DeskError::NoMail
        )
        .into());
    }
    let before = respond::before(&db, scenario).await?;
    if let Some((incident, true)) = &before {
        let id = &incident.id;
        how.tell(
            &json!({"incident": id, "scenario": scenario.as_str(), "ok": true, "before": true, "steps": []}),
            || format!("incident {id} was responded to, and every step was proved; close it if it happened again"),
        );
        return Ok(());
    }
    let before = before.map(|(incident, _)| incident);
    let mut would = respond::rehearse(&db, plan).await?;
    would["incident"] = json!(before.as_ref().map(|incident| &incident.id));
    let mut action = format!(
        "respond to {}, which concerns {} accounts: {}",
        scenario.as_str(),
        would["accounts"],
        scenario.steps().join(", ")
    );
    if let Some(incident) = &before {
        action = format!("go on with incident {}: {action}", incident.id);
    }
    if how.dry_run {
        for step in scenario.by_hand() {
            action += &format!("\n  by hand: {step}");
        }
    }
    if !how.goes_on(Concerns::Everybody, &action, would)? {
        return Ok(());
    }
    // A line to the terminal that breaks is no reason to stop halfway.
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move { while hangup.recv().await.is_some() {} });
    let inside = Inside::open(config).await?;
    let json = how.json;
    let tell = |step: &Step| {
        if !json {
            say(&line(step));
        }
    };
    let response = respond::respond(&inside, config, plan, before, tell).await?;
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
