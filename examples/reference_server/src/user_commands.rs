//! `users add-admin`.

use std::io::{BufRead as _, IsTerminal as _};

use clap::Subcommand;
use serde_json::json;
use tower_rampart::password::Password;
use zeroize::Zeroizing;

use crate::cli::{complain, say};
use crate::config::Config;
use crate::credentials::CONTEXT;
use crate::db::{Db, private_folder};
use crate::{input, peppers, serve};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Adds an account of an administrator; its password is read from standard
    /// input.
    AddAdmin {
        /// The mail address.
        email: String,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a command.
///
/// # Errors
///
/// If the address or the password cannot be used, there is such an account, or
/// the database fails.
pub(crate) fn run(config: &Config, command: &UsersCommand) -> Result<()> {
    let UsersCommand::AddAdmin { email, json } = command;
    let email = input::email(email).map_err(|_| "this is not a mail address")?;
    if std::io::stdin().is_terminal() {
        complain("password (it is shown as you type; pipe it in to avoid that):");
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line)?;
    let password = Password::new(line.trim_end_matches(['\r', '\n']))?;
    config
        .password_policy
        .check(&password, &[&[&*email], CONTEXT].concat())?;
    private_folder(&config.data_dir)?;
    let hasher = peppers::hasher(config, serve::bcrypt_cost(config)?)?;
    let hash = hasher.hash(&password)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let db = Db::open(&config.database).await?;
            if !db.add_admin(&email, &hash).await? {
                return Err("there is an account with this address; it was not changed".into());
            }
            say(&match json {
                true => json!({"email": email, "role": "admin"}).to_string(),
                false => format!("{email} is an administrator"),
            });
            Ok(())
        })
}
