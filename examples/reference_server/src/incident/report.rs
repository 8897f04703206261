//! The story of an incident, for people.

use serde_json::{Value, json};

use crate::admin::described;
use crate::audit::datetime;
use crate::db::{AuditFilter, Db, Incident, now};

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

/// Tells programs what was done about an incident, in order, and how many mails left.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn json(db: &Db, incident: &Incident, rows: i64) -> Result<Value, sqlx::Error> {
    let mut told = json!(incident);
    told["timeline"] = timeline(db, incident, rows).await?.into();
    told["mails"] = json!(db.mail_counts(Some(&incident.id)).await?);
    Ok(told)
}

/// Writes the timeline of an incident in Markdown.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn markdown(db: &Db, incident: &Incident) -> Result<String, sqlx::Error> {
    let rows = timeline(db, incident, ROWS).await?;
    let mails = db.mail_counts(Some(&incident.id)).await?;
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
    let (mut steps, mut unproved) = (0, Vec::new());
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
                steps += 1;
                if !proved {
                    unproved.push(step.clone());
                }
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
    if steps == 0 {
        text += "No proof was attempted: only `incident respond` proves what it does.\n";
    } else if unproved.is_empty() {
        text += "Nothing: every step was proved.\n";
    }
    for step in unproved {
        text += &format!("- {}\n", cell(&step));
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
