//! `sessions revoke`.

use clap::{Args, Subcommand};
use serde_json::json;
use tower_rampart::session::EndReason;

use crate::cli::{confirm, say};
use crate::config::Config;
use crate::desk::{By, Desk};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// Ends sessions. Access tokens end with them, within two seconds.
    Revoke {
        #[command(flatten)]
        whose: Whose,
        /// Why. One of account_closed, credentials_changed, logout, reuse,
        /// security_incident and terminated is told to clients; any other text
        /// is for the audit log, and clients are told terminated, or with --all
        /// security_incident.
        #[arg(long)]
        reason: Option<String>,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
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
}

/// Runs a command.
///
/// # Errors
///
/// If the database fails, or there is no such account or session.
pub(crate) fn run(config: &Config, command: SessionsCommand) -> Result<()> {
    let SessionsCommand::Revoke {
        whose,
        reason,
        yes,
        json,
    } = command;
    Desk::run(config, async |desk| {
        let ended = revoke(desk, &whose, reason.as_deref(), yes).await?;
        let text = match json {
            true => json!({
                "revoked": ended.what,
                "reason": ended.told.as_str(),
                "note": reason,
            })
            .to_string(),
            false => format!("{} ended: {}", ended.what, ended.told.as_str()),
        };
        say(&text);
        Ok(())
    })
}

/// What was ended, and what clients are told.
struct Ended {
    what: String,
    told: EndReason,
}

async fn revoke(desk: &Desk, whose: &Whose, reason: Option<&str>, yes: bool) -> Result<Ended> {
    let by = By::operator(reason);
    let default = match whose.all {
        true => EndReason::SecurityIncident,
        false => EndReason::Terminated,
    };
    let named = EndReason::ALL
        .into_iter()
        .find(|named| Some(named.as_str()) == reason);
    let told = named.unwrap_or(default);
    let done = |what: String| Ok(Ended { what, told });
    if let Some(email) = &whose.user {
        let user = desk.user_by_email(email).await?;
        desk.revoke(by, &user.id, told).await?;
        return done(format!("all sessions of {}", user.email));
    }
    if let Some(sid) = &whose.sid {
        desk.revoke_session(by, sid, told).await?;
        return done(format!("session {sid}"));
    }
    if !yes {
        confirm("end the sessions of everybody? All have to sign in again.")?;
    }
    desk.revoke_everyone(by, told).await?;
    done("the sessions of everybody".to_owned())
}
