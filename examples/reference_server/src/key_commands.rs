//! `keys list`, `keys rotate` and `keys revoke`.

use clap::Subcommand;
use serde_json::json;
use tower_rampart::clock::{Clock as _, SystemClock};
use tower_rampart::jwt::KeyState;

use crate::cli::{confirm, say};
use crate::config::Config;
use crate::db::{Db, KeyRow, private_folder};
use crate::keys::{Configured, Keys};

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
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            private_folder(&config.data_dir)?;
            let db = Db::open(&config.database).await?;
            let configured = Configured::of(config)?;
            let keys = Keys::new(configured, db.signing_keys().await?, config.access_ttl);
            match command {
                KeysCommand::List { json } => list(&keys, json),
                KeysCommand::Rotate { json } => rotate(&keys, &db, json).await,
                KeysCommand::Revoke { kid, yes, json } => revoke(&keys, &db, &kid, yes, json).await,
            }
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

async fn rotate(keys: &Keys, db: &Db, json: bool) -> Result<()> {
    if keys.is_asymmetric() {
        return Err(
            "SIGNING_KEY signs, so this program cannot rotate it; put another key in its \
                    place, in the file that SIGNING_KEY_FILE names"
                .into(),
        );
    }
    let row = keys.rotation(false)?;
    db.change_signing_keys(None, Some(&row)).await?;
    announce(&row, json);
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

async fn revoke(keys: &Keys, db: &Db, kid: &str, yes: bool, json: bool) -> Result<()> {
    let set = keys.key_set()?;
    let now = SystemClock.unix_now();
    let Some(state) = set.state(kid, now) else {
        let known: Vec<_> = set.list(now).into_iter().map(|(kid, ..)| kid).collect();
        return Err(format!("no key is named {kid:?}; there are {}", known.join(", ")).into());
    };
    if state == KeyState::Compromised {
        say(&if json {
            json!({"revoked": kid}).to_string()
        } else {
            format!("{kid} was revoked before")
        });
        return Ok(());
    }
    if !yes {
        confirm(&format!(
            "revoke {kid}? Its access tokens end at once; their holders refresh."
        ))?;
    }
    // A key that signs needs a successor at once. That of SIGNING_KEY is the
    // key of the secret, until another one is put in its place.
    let successor = match state == KeyState::Active && !keys.is_asymmetric() {
        true => Some(keys.rotation(true)?),
        false => None,
    };
    db.change_signing_keys(Some(kid), successor.as_ref())
        .await?;
    if json {
        let successor = successor.map(|row| row.kid);
        say(&json!({"revoked": kid, "successor": successor}).to_string());
    } else {
        say(&format!("{kid} is revoked"));
        if let Some(row) = successor {
            announce(&row, false);
        }
    }
    Ok(())
}
