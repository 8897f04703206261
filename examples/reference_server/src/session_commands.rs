//! `sessions revoke`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tower_rampart::clock::UnixSeconds;
use tower_rampart::session::EndReason;

use crate::config::Config;
use crate::desk::Desk;
use crate::how::How;
use crate::terminal::Concerns;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// Ends sessions. Access tokens end with them, within two seconds.
    ///
    /// A reason that is one of account_closed, credentials_changed, logout, reuse,
    /// security_incident and terminated is told to clients; any other text is for the
    /// audit log, and clients are told terminated, or security_incident where it
    /// concerns everybody.
    Revoke {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        how: How,
    },
}

/// Whose sessions.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// All sessions of the account with this address.
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// One session.
    #[arg(long)]
    sid: Option<String>,
    /// Everybody's: all have to sign in again.
    #[arg(long)]
    all: bool,
    /// Everybody's that began before a time, as 2026-11-29T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<UnixSeconds>,
}

fn time(text: &str) -> std::result::Result<UnixSeconds, &'static str> {
    let time: Option<jiff::Timestamp> = text.parse().ok();
    let seconds = time.and_then(|time| u64::try_from(time.as_second()).ok());
    seconds
        .map(UnixSeconds::new)
        .ok_or("write a time with its zone, as 2026-11-29T10:00:00Z")
}

/// Runs a command.
///
/// # Errors
///
/// If the database fails, or there is no such account or session.
pub(crate) fn run(config: &Config, command: SessionsCommand) -> Result<()> {
    let SessionsCommand::Revoke { whose, how } = command;
    Desk::run(config, async |desk| revoke(desk, &whose, &how).await)
}

async fn revoke(desk: &Desk, whose: &Whose, how: &How) -> Result<()> {
    let by = how.by();
    let default = match whose.all || whose.before.is_some() {
        true => EndReason::SecurityIncident,
        false => EndReason::Terminated,
    };
    let named = EndReason::ALL
        .into_iter()
        .find(|named| Some(named.as_str()) == how.reason.as_deref());
    let told = named.unwrap_or(default);
    let done = |what: String, sessions: Option<u64>| {
        let json = json!({
            "revoked": what,
            "sessions": sessions,
            "reason": told.as_str(),
            "note": how.reason,
        });
        how.tell(&json, || match sessions {
            Some(sessions) => format!("{what} ended: {}; there were {sessions}", told.as_str()),
            None => format!("{what} ended: {}", told.as_str()),
        });
    };
    if let Some(email) = &whose.user {
        let user = desk.user_by_email(email).await?;
        let sessions = desk.count_sessions_of(&user.id).await?;
        let action = format!("end all sessions of {}", user.email);
        if how.goes_on(Concerns::One, &action, json!({"sessions": sessions}))? {
            desk.revoke(by, &user.id, told).await?;
            done(format!("all sessions of {}", user.email), Some(sessions));
        }
    } else if let Some(sid) = &whose.sid {
        let subject = desk.owner_of_session(sid).await?;
        let action = format!("end session {sid}");
        if how.goes_on(Concerns::One, &action, json!({"subject": subject}))? {
            desk.revoke_session(by, sid, told).await?;
            done(format!("session {sid}"), None);
        }
    } else if let Some(before) = whose.before {
        let when = jiff::Timestamp::from_second(i64::try_from(before.as_u64())?)?;
        let action = format!("end everybody's sessions that began before {when}");
        if how.goes_on(
            Concerns::Everybody,
            &action,
            counted(desk, before, how).await?,
        )? {
            let ended = desk.revoke_before(by, before, told).await?;
            done(
                format!("everybody's sessions that began before {when}"),
                Some(ended),
            );
        }
    } else {
        let action = "end the sessions of everybody; all have to sign in again";
        let would = counted(desk, UnixSeconds::new(u64::MAX), how).await?;
        if how.goes_on(Concerns::Everybody, action, would)? {
            desk.revoke_everyone(by, told).await?;
            done("the sessions of everybody".to_owned(), None);
        }
    }
    Ok(())
}

/// How many sessions it concerns. They are counted for a rehearsal only: somebody may be
/// in a hurry.
async fn counted(desk: &Desk, before: UnixSeconds, how: &How) -> Result<Value> {
    Ok(match how.dry_run {
        true => json!({"sessions": desk.count_sessions_before(before).await?}),
        false => Value::Null,
    })
}
