//! `users add-admin`, `disable`, `enable` and `force-reset`.

use std::io::{BufRead as _, IsTerminal as _};

use clap::{Args, Subcommand};
use serde_json::json;
use tower_rampart::password::Password;
use zeroize::Zeroizing;

use crate::cli::{complain, say};
use crate::config::Config;
use crate::db::private_folder;
use crate::desk::{By, Desk};
use crate::how::How;
use crate::terminal::Concerns;
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
    /// Keeps an account from signing in, and ends its sessions.
    Disable {
        /// The mail address.
        email: String,
        #[command(flatten)]
        how: How,
    },
    /// Lets an account sign in again.
    Enable {
        /// The mail address.
        email: String,
        #[command(flatten)]
        how: How,
    },
    /// Makes passwords open nothing until other ones are set, and ends sessions.
    /// One account gets a link by mail; with --all everybody asks for one on the
    /// page.
    ForceReset {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        how: How,
    },
}

/// Whose password.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// That of the account with this address.
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Everybody's.
    #[arg(long)]
    all: bool,
}

/// Runs a command.
///
/// # Errors
///
/// If the address or the password cannot be used, there is such an account, or
/// the database fails.
pub(crate) fn run(config: &Config, command: &UsersCommand) -> Result<()> {
    match command {
        UsersCommand::AddAdmin { email, json } => add_admin(config, email, *json),
        UsersCommand::Disable { email, how } => Desk::run(config, async |desk| {
            let user = desk.user_by_email(email).await?;
            let sessions = desk.count_sessions_of(&user.id).await?;
            let action = format!(
                "keep {} from signing in, and end {sessions} sessions",
                user.email
            );
            if how.goes_on(Concerns::One, &action, json!({"sessions": sessions}))? {
                desk.disable(how.by(), &user.id).await?;
                how.tell(&json!({"email": user.email, "disabled": true}), || {
                    format!("{} cannot sign in any more", user.email)
                });
            }
            Ok(())
        }),
        UsersCommand::Enable { email, how } => Desk::run(config, async |desk| {
            let user = desk.user_by_email(email).await?;
            let action = format!("let {} sign in", user.email);
            if how.goes_on(Concerns::One, &action, json!({}))? {
                desk.enable(how.by(), &user.id).await?;
                how.tell(&json!({"email": user.email, "disabled": false}), || {
                    format!("{} can sign in", user.email)
                });
            }
            Ok(())
        }),
        UsersCommand::ForceReset { whose, how } => {
            Desk::run(config, async |desk| force_reset(desk, whose, how).await)
        }
    }
}

async fn force_reset(desk: &Desk, whose: &Whose, how: &How) -> Result<()> {
    // Before anybody is asked.
    desk.mail_leaves()?;
    if let Some(email) = &whose.user {
        let user = desk.user_by_email(email).await?;
        let action = format!(
            "take the password of {} away, end all sessions, and mail a link",
            user.email
        );
        if how.goes_on(
            Concerns::One,
            &action,
            json!({"accounts": 1, "email": user.email}),
        )? {
            let mail = desk.force_reset(how.by(), &user.id).await?;
            how.tell(
                &json!({"accounts": 1, "email": user.email, "mail": mail}),
                || match mail {
                    true => format!(
                        "{} has to set another password; a mail with a link is noted, and a running server sends it",
                        user.email
                    ),
                    false => format!("{} has to set another password", user.email),
                },
            );
        }
        return Ok(());
    }
    let accounts = desk.db.count_users().await?;
    let action = format!("take the passwords of {accounts} accounts away, and end all sessions");
    if how.goes_on(Concerns::Everybody, &action, json!({"accounts": accounts}))? {
        let accounts = desk.force_reset_everyone(how.by()).await?;
        how.tell(&json!({"accounts": accounts}), || {
            format!(
                "{accounts} accounts have to set another password; `incident notify` tells them"
            )
        });
    }
    Ok(())
}

fn add_admin(config: &Config, email: &str, json: bool) -> Result<()> {
    let email = input::email(email).map_err(|_| "this is not a mail address")?;
    if std::io::stdin().is_terminal() {
        complain("password (it is shown as you type; pipe it in to avoid that):");
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line)?;
    let password = Password::new(line.trim_end_matches(['\r', '\n']))?;
    private_folder(&config.data_dir)?;
    let hasher = peppers::hasher(config, serve::bcrypt_cost(config)?)?;
    Desk::found(config, async |desk| {
        let judged = config.new_passwords.weakness(&password, &email).await?;
        if let Some(weak) = judged {
            return Err(weak.into());
        }
        let hash = hasher.hash(&password)?;
        if !desk.add_admin(By::operator(), &email, &hash).await? {
            let taken = format!("there is an account with the address {email}; it was not changed");
            return Err(taken.into());
        }
        say(&match json {
            true => json!({"email": email, "role": "admin"}).to_string(),
            false => format!("{email} is an administrator"),
        });
        Ok(())
    })
}
