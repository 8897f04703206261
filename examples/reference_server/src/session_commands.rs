//! `sessions revoke`.

use clap::{Args, Subcommand};
use serde_json::json;
use tower_rampart::clock::{Clock as _, SystemClock};
use tower_rampart::session::{EndReason, EndSessions};

use crate::cli::{confirm, say};
use crate::config::Config;
use crate::db::Db;

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
        /// is only printed, and clients are told terminated, or with --all
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
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let db = Db::open(&config.database).await?;
            let ended = revoke(&db, &whose, reason.as_deref(), yes).await?;
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

async fn revoke(db: &Db, whose: &Whose, reason: Option<&str>, yes: bool) -> Result<Ended> {
    let store = db.sessions().await?;
    let now = SystemClock.unix_now();
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
        let email = email.trim().to_lowercase();
        let user = db.user_by_email(&email).await?;
        let user = user.ok_or_else(|| format!("there is no account with the address {email}"))?;
        let which = EndSessions::Subject {
            subject: &user.id,
            keep: None,
        };
        store.end(which, told, now).await?;
        return done(format!("all sessions of {email}"));
    }
    if let Some(sid) = &whose.sid {
        let session = store.find(sid).await?;
        let session = session.ok_or_else(|| format!("there is no session {sid}"))?;
        let which = EndSessions::One {
            subject: &session.subject,
            sid,
        };
        store.end(which, told, now).await?;
        return done(format!("session {sid}"));
    }
    if !yes {
        confirm("end the sessions of everybody? All have to sign in again.")?;
    }
    store.end(EndSessions::Everyone, told, now).await?;
    done("the sessions of everybody".to_owned())
}
