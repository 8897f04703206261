//! `keys list`, `keys rotate` and `keys revoke`.

use clap::Subcommand;
use serde_json::json;
use tower_rampart::clock::{Clock as _, SystemClock};

use crate::cli::say;
use crate::config::Config;
use crate::db::KeyRow;
use crate::desk::Desk;
use crate::how::How;
use crate::keys::Keys;
use crate::terminal::Concerns;

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
        #[command(flatten)]
        how: How,
    },
    /// Stops believing a key. Clients that hold its tokens refresh; nobody is
    /// signed out.
    Revoke {
        /// Its identifier, as `keys list` prints it.
        kid: String,
        #[command(flatten)]
        how: How,
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
        KeysCommand::Rotate { how } => {
            let action = "add a key that signs in a few seconds; nobody is signed out";
            if how.goes_on(Concerns::One, action, json!({}))? {
                let row = desk.rotate_key(how.by()).await?;
                how.tell(&json!({"kid": row.kid, "sign_from": row.sign_from}), || {
                    signs(&row)
                });
            }
            Ok(())
        }
        KeysCommand::Revoke { kid, how } => revoke(desk, &kid, &how).await,
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

fn signs(row: &KeyRow) -> String {
    format!("{} signs from second {} on", row.kid, row.sign_from)
}

async fn revoke(desk: &Desk, kid: &str, how: &How) -> Result<()> {
    let state = desk.key_state(kid).await?;
    let action = format!(
        "stop believing {kid}, which is {state}; its access tokens end, their holders refresh"
    );
    if !how.goes_on(Concerns::One, &action, json!({"kid": kid, "state": state}))? {
        return Ok(());
    }
    let revoked = desk.revoke_key(how.by(), Some(kid)).await?;
    let successor = revoked.successor.as_ref().map(|row| &row.kid);
    how.tell(&json!({"revoked": kid, "successor": successor}), || match (
        revoked.before,
        &revoked.successor,
    ) {
        (true, _) => format!("{kid} was revoked before"),
        (false, None) => format!("{kid} is revoked"),
        (false, Some(row)) => format!("{kid} is revoked\n{}", signs(row)),
    });
    Ok(())
}
