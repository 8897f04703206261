//! The story of an incident, for people.

use serde_json::{Value, json};

use crate::admin::described;
use crate::audit::datetime;
use crate::db::{AuditFilter, Db, Incident, now};
use crate::switches::READ_ONLY;

use super::Scenario;

/// How many rows are told at most.
pub(crate) const ROWS: i64 = 10_000;

/// Within which time the authority has to be told (GDPR, Article 33 (1)), in seconds.
const TELL_WITHIN: i64 = 72 * 3_600;

async fn timeline(db: &Db, incident: &Incident, rows: i64) -> Result<Vec<Value>, sqlx::Error> {
    let filter = AuditFilter {
        after: Some(0),
        incident: Some(&incident.id),
        ..AuditFilter::default()
    };
    Ok(db
        .audit(filter, rows)
        .await?
        .iter()
        .map(described)
        .collect())
}

/// The steps that a response noted, in order, and whether each was proved at last.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn steps(
    db: &Db,
    incident: &Incident,
) -> Result<Vec<(String, bool)>, sqlx::Error> {
    let rows = timeline(db, incident, ROWS).await?;
    Ok(steps_of(&rows))
}

fn steps_of(rows: &[Value]) -> Vec<(String, bool)> {
    let mut steps: Vec<(String, bool)> = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row["event"] == "x_rampart_incident_step")
    {
        let (step, proved) = (
            plain(&row["detail"]["step"]),
            row["detail"]["proved"] == true,
        );
        steps.retain(|(known, _)| *known != step);
        steps.push((step, proved));
    }
    steps
}

/// What was begun and neither done nor given up: whoever did it was cut off.
fn cut_off(rows: &[Value]) -> Vec<String> {
    let mut begun: Vec<String> = Vec::new();
    for row in rows.iter().filter(|row| row["event"] == "authz_admin") {
        let (action, subject) = (plain(&row["detail"]["action"]), plain(&row["subject"]));
        let what = format!("{action} {subject}").trim().to_owned();
        match row["detail"]["phase"].as_str() {
            Some("begun") => begun.push(what),
            _ => {
                if let Some(at) = begun.iter().position(|known| *known == what) {
                    begun.remove(at);
                }
            }
        }
    }
    begun
}

/// Tells programs what was done about an incident, in order, and how many mails left.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn json(db: &Db, incident: &Incident, rows: i64) -> Result<Value, sqlx::Error> {
    let mut told = json!(incident);
    told["timeline"] = timeline(db, incident, rows).await?.into();
    told["mails"] = json!(db.mail_counts(Some(&incident.id), None).await?);
    Ok(told)
}

/// Writes the timeline of an incident in Markdown.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn markdown(db: &Db, incident: &Incident) -> Result<String, sqlx::Error> {
    let rows = timeline(db, incident, ROWS).await?;
    let mails = db.mail_counts(Some(&incident.id), None).await?;
    let mut text = format!(
        "# Incident: {}\n\n- Identifier: `{}`\n- Opened: {} by {}\n- Closed: {}\n- Authority to be told until: {} ({})\n\
         - Mails: {} sent, {} waiting, {} failed\n\n## Timeline\n\n| time | who | what | outcome |\n| --- | --- | --- | --- |\n",
        cell(&incident.title),
        incident.id,
        datetime(incident.opened_at),
        incident.opened_by,
        incident
            .closed_at
            .map_or_else(|| "not yet".to_owned(), datetime),
        datetime(incident.opened_at + TELL_WITHIN),
        left(incident.opened_at + TELL_WITHIN - now()),
        mails.sent,
        mails.queued,
        mails.failed,
    );
    // Mails that failed are counted above; a row for each would hide the rest.
    for row in rows
        .iter()
        .filter(|row| row["event"] != "x_rampart_mail_failed")
    {
        let detail = &row["detail"];
        let (what, outcome) = match row["event"].as_str() {
            Some("x_rampart_incident_step") => {
                let step = plain(&detail["step"]);
                let proved = detail["proved"] == true;
                (
                    step,
                    format!(
                        "{}: {}",
                        if proved { "proved" } else { "NOT proved" },
                        detail["found"]
                    ),
                )
            }
            Some("authz_admin") => (
                format!("{} ({})", plain(&detail["action"]), plain(&detail["phase"])),
                [&detail["outcome"], &detail["error"], &detail["reason"]]
                    .into_iter()
                    .filter(|value| !value.is_null())
                    .map(plain)
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
            _ => (plain(&row["event"]), detail.to_string()),
        };
        text += &format!(
            "| {} | {} | {} | {} |\n",
            plain(&row["datetime"]),
            cell(&plain(&row["actor"])),
            cell(&what),
            cell(&outcome)
        );
    }
    text += "\n## Not proved\n\n";
    let steps = steps_of(&rows);
    let mut missing: Vec<String> = steps
        .iter()
        .filter(|(_, proved)| !proved)
        .map(|(step, _)| cell(step))
        .collect();
    let scenario = incident.scenario.as_deref().and_then(Scenario::of);
    if let (Some(scenario), false) = (scenario, steps.is_empty()) {
        let reached = |step: &str| steps.iter().any(|(name, _)| name == step);
        let never = scenario.all_steps().filter(|step| !reached(step));
        missing.extend(never.map(|step| format!("{} (never reached)", cell(step))));
    }
    let cut_off = cut_off(&rows);
    missing.extend(
        cut_off
            .iter()
            .map(|what| format!("{} (begun, and no end is noted)", cell(what))),
    );
    if steps.is_empty() {
        text += "No proof was attempted: only `incident respond` proves what it does.\n";
    } else if missing.is_empty() {
        text += "Nothing: every step was proved.\n";
    }
    for what in missing {
        text += &format!("- {what}\n");
    }
    if let Some(scenario) = scenario {
        text += "\n## By hand\n\nNobody notes here whether it was done.\n\n";
        for step in scenario.by_hand() {
            text += &format!("- {}\n", cell(step));
        }
    }
    if db.is_switched_on(READ_ONLY).await? {
        text += "\nChanges are refused to everybody: read only is on.\n";
    }
    Ok(text)
}

fn left(seconds: i64) -> String {
    match seconds {
        ..0 => "over".to_owned(),
        _ => format!("{} h left", seconds / 3_600),
    }
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => told.push(' '),
            '<' => told.push_str("&lt;"),
            '&' => told.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '!' => told.extend(['\\', c]),
            c => told.push(c),
        }
    }
    told
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
