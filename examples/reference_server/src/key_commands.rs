//! `keys list`, `keys rotate` and `keys revoke`.

use clap::Subcommand;
use serde_json::json;
use tower_rampart::clock::{Clock as _, SystemClock};

use crate::cli::{confirm, say};
use crate::config::Config;
use crate::db::KeyRow;
use crate::desk::{By, Desk};
use crate::keys::Keys;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What to do with the keys of access tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Lists the keys and their states.
    List {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Adds a key that signs in a few seconds. Nobody is signed out.
    Rotate {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stops believing a key. Clients that hold its tokens refresh; nobody is
    /// signed out.
    Revoke {
        /// Its identifier, as `keys list` prints it.
        kid: String,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a command.
///
/// # Errors
///
/// If the database fails, or the command makes no sense.
pub(crate) fn run(config: &Config, command: KeysCommand) -> Result<()> {
    Desk::run(config, async |desk| match command {
        KeysCommand::List { json } => list(&desk.keys().await?, json),
        KeysCommand::Rotate { json } => {
            announce(&desk.rotate_key(By::operator(None)).await?, json);
            Ok(())
        }
        KeysCommand::Revoke { kid, yes, json } => revoke(desk, &kid, yes, json).await,
    })
}

fn list(keys: &Keys, json: bool) -> Result<()> {
    let listed = keys.key_set()?.list(SystemClock.unix_now());
    if json {
        let listed: Vec<_> = listed
            .iter()
            .map(|(kid, algorithm, state)| {
                json!({"kid": kid, "alg": algorithm.as_str(), "state": state.as_str()})
            })
            .collect();
        say(&json!({"keys": listed}).to_string());
        return Ok(());
    }
    for (kid, algorithm, state) in listed {
        say(&format!(
            "{kid:<43}  {:<6}  {}",
            algorithm.as_str(),
            state.as_str()
        ));
    }
    Ok(())
}

fn announce(row: &KeyRow, json: bool) {
    if json {
        say(&json!({"kid": row.kid, "sign_from": row.sign_from}).to_string());
    } else {
        say(&format!(
            "{} signs from second {} on",
            row.kid, row.sign_from
        ));
    }
}

async fn revoke(desk: &Desk, kid: &str, yes: bool, json: bool) -> Result<()> {
    if !yes {
        confirm(&format!(
            "revoke {kid}? Its access tokens end at once; their holders refresh."
        ))?;
    }
    let revoked = desk.revoke_key(By::operator(None), Some(kid)).await?;
    if json {
        let successor = revoked.successor.map(|row| row.kid);
        say(&json!({"revoked": kid, "successor": successor}).to_string());
    } else if revoked.before {
        say(&format!("{kid} was revoked before"));
    } else {
        say(&format!("{kid} is revoked"));
        if let Some(row) = revoked.successor {
            announce(&row, false);
        }
    }
    Ok(())
}
