//! The commands.
//!
//! Exit status: 0 done, 1 the check or step failed, 2 usage, 78 configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::json;

use crate::audit_commands::{self, AuditCommand};
use crate::backup;
use crate::check::{self, Asked};
use crate::config::Config;
use crate::db::Db;
use crate::incident::{self, IncidentCommand};
use crate::key_commands::{self, KeysCommand};
use crate::layers::Layers;
use crate::password_commands::{self, PasswordCommand};
use crate::secret_commands::{self, New, SecretCommand};
use crate::serve;
use crate::session_commands::{self, SessionsCommand};
use crate::settings::{Flags, Settings};
use crate::user_commands::{self, UsersCommand};

use crate::terminal;
pub(crate) use crate::terminal::{complain, say};

/// `EX_CONFIG` of sysexits.
pub(crate) const EXIT_CONFIG: u8 = 78;

/// A secured backend for a browser front end.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Settings come from the environment; a flag of the same name wins over it."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the API and the page (the default).
    Serve,
    /// Prints a fresh random secret.
    GenSecret(New),
    /// Makes and judges secrets, and prints fingerprints of them.
    Secret {
        #[command(subcommand)]
        command: SecretCommand,
    },
    /// Checks the configuration, and changes nothing.
    Check {
        /// Judges whether anybody should run it like that, and what it names.
        #[arg(long)]
        deploy: bool,
        /// Asks a running server what a stranger would ask.
        #[arg(long, value_name = "URL", value_parser = check::server)]
        url: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists, rotates and revokes the keys of access tokens.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Ends sessions; running servers follow within two seconds.
    Sessions {
        #[command(subcommand)]
        command: SessionsCommand,
    },
    /// Measures what hashing a password costs here.
    Password {
        #[command(subcommand)]
        command: PasswordCommand,
    },
    /// Adds administrators, disables accounts, takes passwords away.
    Users {
        #[command(subcommand)]
        command: UsersCommand,
    },
    /// Copies the database as it is at one moment, with a manifest beside it.
    Backup {
        /// The folder; `backups` in the data folder otherwise.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Restores a copy to a place of its own, proves that it is good, and removes it.
    RestoreDrill {
        /// The copy; the newest one otherwise.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Responds to an incident, tells everybody, and tells its story.
    Incident {
        #[command(subcommand)]
        command: IncidentCommand,
    },
    /// Verifies and prints the audit log.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Brings the tables of the database up to date, as `MIGRATOR_DATABASE_URL`
    /// if that is set.
    Migrate {
        /// Only says what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the description of the HTTP interface, as OpenAPI.
    Openapi,
    /// Prints the layers in their order, and why each stands where it does.
    Explain {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line.
pub(crate) fn run() -> ExitCode {
    let Cli { command, flags } = Cli::parse();
    let command = command.unwrap_or(Command::Serve);
    // Whoever starts a server may close its output once it knows enough.
    let told = !matches!(command, Command::Serve);
    let done = obey(command, flags);
    match terminal::lost().filter(|_| told) {
        None => done,
        Some(error) => {
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                complain(&format!(
                    "standard output: {error}; not all of it was written"
                ));
            }
            ExitCode::FAILURE
        }
    }
}

fn obey(command: Command, flags: Flags) -> ExitCode {
    match command {
        Command::Serve => with_config(flags, serve::run),
        Command::GenSecret(new) => secret_commands::generate(&new),
        Command::Secret { command } => secret_commands::run(&Settings::from_env(flags), command),
        Command::Check { deploy, url, json } => check::run(
            &Settings::from_env(flags),
            &Asked {
                deploy,
                url: url.as_deref(),
                json,
            },
        ),
        Command::Keys { command } => {
            with_config(flags, |config| key_commands::run(&config, command))
        }
        Command::Sessions { command } => {
            with_config(flags, |config| session_commands::run(&config, command))
        }
        Command::Users { command } => {
            with_config(flags, |config| user_commands::run(&config, &command))
        }
        Command::Backup { to, json } => {
            with_config(flags, |config| backup::run(&config, to.as_deref(), json))
        }
        Command::RestoreDrill { from, json } => with_config(flags, |config| {
            backup::restore_drill(&config, from.as_deref(), json)
        }),
        Command::Incident { command } => {
            with_config(flags, |config| incident::run(&config, &command))
        }
        Command::Audit { command } => {
            with_config(flags, |config| audit_commands::run(&config, &command))
        }
        Command::Password { command } => outcome(password_commands::run(&command)),
        Command::Migrate { dry_run, json } => {
            with_config(flags, |config| migrate(&config, dry_run, json))
        }
        Command::Openapi => {
            say(&crate::openapi::document()
                .to_pretty_json()
                .unwrap_or_default());
            ExitCode::SUCCESS
        }
        Command::Explain { json } => with_config(flags, |config| explain(&config, json)),
    }
}

fn with_config(
    flags: Flags,
    run: impl FnOnce(Config) -> Result<(), Box<dyn std::error::Error>>,
) -> ExitCode {
    let config = match Config::load(&Settings::from_env(flags)) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                complain(&problem.to_string());
            }
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    outcome(run(config))
}

/// A setting that can be read, and still not be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) String);

/// Makes the folder for everything that is kept here.
///
/// # Errors
///
/// If it cannot be made.
pub(crate) fn data_folder(config: &Config) -> Result<(), Unusable> {
    crate::db::private_folder(&config.data_dir).map_err(|error| {
        let path = config.data_dir.display();
        Unusable(format!(
            "RAMPART_DATA_DIR: {path} cannot be used: {error}; write a folder that can be written"
        ))
    })
}

/// Says what went wrong, if something did.
fn outcome(outcome: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            complain(&text);
            match error.is::<Unusable>() {
                true => ExitCode::from(EXIT_CONFIG),
                false => ExitCode::FAILURE,
            }
        }
    }
}

fn migrate(config: &Config, dry_run: bool, json: bool) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let pending = runtime.block_on(Db::pending(&config.migrator))?;
    if !dry_run {
        runtime.block_on(Db::open_and_migrate(&config.migrator))?;
    }
    if json {
        let database = config.migrator.to_string();
        say(&json!({"database": database, "dry_run": dry_run, "steps": pending}).to_string());
        return Ok(());
    }
    if dry_run {
        let steps = pending.iter();
        steps.for_each(|step| say(&format!("would run {step}")));
    }
    if pending.is_empty() || !dry_run {
        say(&format!("{} is up to date", config.migrator));
    }
    Ok(())
}

fn explain(config: &Config, json: bool) -> Result<(), Box<dyn std::error::Error>> {
    let layers = Layers::without_store(config)?;
    let stacks = [
        ("every request", &layers.edge),
        ("public API routes", &layers.public),
        ("signed-in API routes", &layers.account),
    ];
    let limits = limits(config);
    if json {
        let mut stacks: serde_json::Map<_, _> = stacks
            .iter()
            .map(|(name, rampart)| ((*name).to_owned(), rampart.explain().to_json()))
            .collect();
        let limits: serde_json::Map<_, _> = limits
            .into_iter()
            .map(|(name, quota, who)| (name.to_owned(), json!({"quota": quota, "by": who})))
            .collect();
        stacks.insert("limits".to_owned(), limits.into());
        stacks.insert("limits counted by".to_owned(), counted_by(config).into());
        say(&serde_json::Value::Object(stacks).to_string());
        return Ok(());
    }
    for (name, rampart) in stacks {
        say(&format!("{name}, outermost first:\n{}", rampart.explain()));
    }
    say("upload routes: the upload layer stands innermost, around the handler\n");
    say(&format!("limits, counted by {}:", counted_by(config)));
    for (name, quota, who) in limits {
        say(&format!("    {name:<20}{quota:<10}{who}"));
    }
    Ok(())
}

/// Each limit: its name, its quota, and who is limited by it.
fn limits(config: &Config) -> [(&'static str, String, &'static str); 5] {
    let by_account = config.limit_login_account.to_string();
    [
        (
            "api-address",
            config.limit_api.to_string(),
            "each client address, on every API route",
        ),
        (
            "api-subject",
            config.limit_api.to_string(),
            "each account, on routes that need a token",
        ),
        (
            "login-address",
            config.limit_login_ip.to_string(),
            "each client address, on routes that take a password",
        ),
        (
            "login-account",
            by_account.clone(),
            "each account, failures only, from browsers that never signed in to it",
        ),
        (
            "login-device",
            by_account,
            "each browser that has signed in to the account before, failures only",
        ),
    ]
}

fn counted_by(config: &Config) -> &'static str {
    #[cfg(feature = "redis")]
    if config.redis.is_some() {
        return "all processes together, in Redis";
    }
    let _ = config;
    "this process"
}
