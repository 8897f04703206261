//! Starting, serving and stopping.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tower_rampart::clock::SystemClock;
use tower_rampart::password::calibrate_cost;
use tower_rampart::session::{SecurityEventKind, SecurityEventReceiver};
use tracing_subscriber::EnvFilter;

use crate::app;
use crate::audit::{Audit, Entry};
use crate::cli::say;
use crate::config::Config;
use crate::db::{Db, Location, is_open_to_others};
use crate::house::House;
use crate::keys;
use crate::listen::{self, Stop, stopped};
use crate::log_lines::LogLines;
use crate::mail::{self, MailRoute};
use crate::objects::Storage;
use crate::{operators, peppers, secrets, sweep, switches, telemetry};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long a hash should take on this machine.
const HASH_TARGET: Duration = Duration::from_millis(250);

/// How long open requests may go on after a signal to stop.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// Serves until a signal says to stop.
///
/// # Errors
///
/// If a store cannot be opened or an address is taken.
pub(crate) fn run(config: Config) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogLines);
    if config.production {
        log.json().init()
    } else {
        log.with_ansi(false).init()
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(config))
}

async fn serve(config: Config) -> Result<()> {
    let metrics = telemetry::start()?;
    let House {
        app,
        layers,
        issuer,
        keys,
        happened,
        auditing,
        cost,
    } = House::build(&config).await?;
    check_modes(&config)?;
    check_role(&config, &app.db).await?;
    let checked = app.objects.check().await;
    checked.map_err(|error| format!("STORAGE_URL: the object store cannot be read: {error}"))?;
    let (audit, post) = (app.audit.clone(), app.post.clone());

    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| taken("RAMPART_LISTEN", config.listen, &error))?;
    let address = listener.local_addr()?;
    let admin = TcpListener::bind(config.admin_listen).await;
    let admin =
        admin.map_err(|error| taken("RAMPART_ADMIN_LISTEN", config.admin_listen, &error))?;
    // Before anybody is told that the server is there, and may signal to it.
    let stop = stop_signal()?;
    greet(&config, address, admin.local_addr()?, cost);

    audit
        .write(Entry::info("sys_startup").detail("version", env!("CARGO_PKG_VERSION")))
        .await?;
    let mut writing = tokio::spawn(write_down(happened, audit.clone()));
    let mut followers = JoinSet::new();
    followers.spawn(issuer.clone().follow_revocations());
    if post.can_send() {
        followers.spawn(mail::follow(post, audit.clone()));
    }
    followers.spawn(keys::follow(
        keys,
        config.settings.clone(),
        app.db.clone(),
        issuer,
        app.readiness.clone(),
        audit.clone(),
    ));
    followers.spawn(sweep::follow(app.clone()));
    followers.spawn(switches::follow(app.switches.clone(), app.db.clone()));
    let operators = operators::routes(app.clone(), &layers, metrics);
    let router = app::router(app, &layers);
    let public = listen::serve(listener, router, stop.clone());
    let operators = listen::serve(admin, operators, stop.clone());
    let too_late = async {
        stopped(stop).await;
        tokio::time::sleep(SHUTDOWN).await;
    };
    // What follows keys and sessions never ends by itself. Without it a server would
    // believe what it must not, so it does not go on.
    let broken = tokio::select! {
        ((), ()) = async { tokio::join!(public, operators) } => false,
        () = too_late => {
            tracing::warn!("requests were still open when the server stopped");
            false
        }
        _ = followers.join_next() => true,
        _ = &mut writing => true,
    };
    audit.note(Entry::info("sys_shutdown").detail("broken", broken));
    followers.shutdown().await;
    // The last events come first: the router is gone, and its issuer with it.
    if !writing.is_finished() {
        writing.abort();
        let _ = writing.await;
    }
    drop(audit);
    if tokio::time::timeout(LAST_WORDS, auditing).await.is_err() {
        tracing::error!("the last events could not be written");
    }
    match broken {
        true => Err("a task that has to run ended; the log says why".into()),
        false => Ok(()),
    }
}

/// How long the last events may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What only the server may read, as far as it is there.
pub(crate) fn private_paths(config: &Config) -> Vec<PathBuf> {
    let mut paths = vec![config.data_dir.clone()];
    match &config.database {
        Location::Sqlite(path) => paths.push(path.clone()),
        #[cfg(feature = "postgres")]
        Location::Postgres(_) => {}
    }
    match &config.objects {
        Storage::Folder(path) => paths.push(path.clone()),
        #[cfg(feature = "s3")]
        Storage::Bucket { .. } => {}
    }
    for name in ["secret-key", "password-pepper"] {
        paths.push(config.data_dir.join(name));
    }
    paths.retain(|path| path.exists());
    paths
}

/// Others on the machine must not read accounts and secrets: refused in
/// production, told in development.
fn check_modes(config: &Config) -> Result<()> {
    for path in private_paths(config) {
        if !is_open_to_others(&path)? {
            continue;
        }
        let text = format!(
            "{} can be read by others on this machine; take their permissions away (chmod go=)",
            path.display()
        );
        if config.production {
            return Err(text.into());
        }
        tracing::warn!("{text}");
    }
    Ok(())
}

/// A server that can be made to run a statement must not be able to do more than its
/// work: refused in production, told in development.
async fn check_role(config: &Config, db: &Db) -> Result<()> {
    let found = db.misgivings(&config.database).await?;
    if config.production && !found.is_empty() {
        return Err(format!("DATABASE_URL: {}", found.join("; ")).into());
    }
    for text in found {
        tracing::warn!("DATABASE_URL: {text}");
    }
    Ok(())
}

fn taken(setting: &str, address: SocketAddr, error: &std::io::Error) -> String {
    format!("{setting}: {address} cannot be listened on: {error}")
}

/// Says where things are, for whoever started the server by hand.
fn greet(config: &Config, address: SocketAddr, admin: SocketAddr, cost: u8) {
    say(&format!("page      http://{address}/"));
    say(&format!("operators http://{admin}/docs"));
    say(&format!("database  {}", config.database));
    say(&format!("objects   {}", config.objects));
    say(&format!("mail      {}", config.mail));
    if let (true, MailRoute::Nowhere) = (config.production, &config.mail) {
        tracing::warn!(
            "SMTP_URL is not set: mails wait in the database, and nobody can set a forgotten password"
        );
    }
    if config.secret.is_none() {
        say(&format!(
            "secret    {}",
            config.data_dir.join("secret-key").display()
        ));
    }
    if let Some(path) = peppers::generated(config) {
        say(&format!("pepper    {}", path.display()));
    }
    say(&format!("bcrypt    cost {cost}"));
}

/// Takes the configured cost, or measures once and remembers.
///
/// # Errors
///
/// If what was remembered cannot be read or written.
pub(crate) fn bcrypt_cost(config: &Config) -> Result<u8> {
    if let Some(cost) = config.bcrypt_cost {
        return Ok(cost);
    }
    let path = config.data_dir.join("bcrypt-cost");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let cost = text
            .trim()
            .parse()
            .ok()
            .filter(|cost| (10..=15).contains(cost));
        return cost.ok_or_else(|| {
            format!("{} holds no cost from 10 to 15; delete it", path.display()).into()
        });
    }
    let cost = calibrate_cost(HASH_TARGET, &SystemClock);
    match secrets::write_new(&path, &cost.to_string()) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(cost),
    }
}

/// Writes down what happens to sessions. That one is renewed, or used when it is over,
/// is told to the log only: everybody can make that happen as often as they like.
async fn write_down(mut happened: SecurityEventReceiver, audit: Audit) {
    let mut lost = 0;
    while let Some(event) = happened.recv().await {
        let name = event.kind.as_str();
        metrics::counter!("rampart_session_events_total", "event" => name).increment(1);
        let entry = match event.kind {
            SecurityEventKind::SessionRenewed | SecurityEventKind::SessionUseAfterExpire => {
                tracing::info!(target: "security", event = name, user = event.subject, sid = event.sid);
                continue;
            }
            SecurityEventKind::TokenReuse => Entry::critical(name),
            SecurityEventKind::TokenRepeated => Entry::warn(name),
            _ => Entry::info(name),
        };
        let entry = entry.session(event.sid).subject(event.subject);
        audit.note(match event.reason {
            Some(reason) => entry.detail("reason", reason.as_str()),
            None => entry,
        });
        if happened.dropped() > lost {
            lost = happened.dropped();
            tracing::error!(target: "security", lost, "events were not written down");
        }
    }
}

fn stop_signal() -> Result<Stop> {
    let (mut terminate, mut interrupt, mut hangup) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    );
    // Whoever sends it wants changed files to be read, which happens by itself; a
    // terminal that goes away is no reason to stop either.
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("hung up; files with secrets are read again whenever they change");
        }
    });
    let (sender, receiver) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
        // Kept alive so that waiting for it never ends early.
        sender.closed().await;
    });
    Ok(receiver)
}
