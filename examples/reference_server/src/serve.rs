//! Starting, serving and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tower_rampart::clock::SystemClock;
use tower_rampart::password::{LoginHasher, calibrate_cost};
use tower_rampart::session::{EndReason, SecurityEventReceiver, SessionCookies, security_events};
use tracing_subscriber::EnvFilter;

use crate::app::{self, App, UploadLimits};
use crate::cli::say;
use crate::config::Config;
use crate::db::{Db, Location, is_open_to_others, private_folder};
use crate::health::Readiness;
use crate::keep::AT_ONCE;
use crate::keys::{self, Configured, Keys};
use crate::layers::{Layers, issuer_builder};
use crate::limits::Limits;
use crate::listen::{self, Stop, stopped};
use crate::objects::{Objects, Storage};
use crate::{peppers, secrets, sweep};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long a hash should take on this machine.
const HASH_TARGET: Duration = Duration::from_millis(250);

/// How many events about sessions may wait to be written down.
const EVENTS: usize = 1_024;

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
        .with_writer(std::io::stderr);
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
    private_folder(&config.data_dir)?;
    let configured = Configured::of(&config)?;
    let db = Db::open(&config.database).await?;
    check_modes(&config)?;
    let store = db.sessions().await?;
    let keys = Keys::new(
        configured.clone(),
        db.signing_keys().await?,
        config.access_ttl,
    );
    let (events, happened) = security_events(EVENTS);
    let issuer = issuer_builder(&config, store, configured.secret())
        .keys(keys.key_set()?)
        .events(events)
        .build()?;
    keys.apply(&issuer)?;
    issuer.sync_revocations().await?;
    let cost = bcrypt_cost(&config)?;
    let limits = Limits::connect(&config, configured.secret()).await?;
    let layers = Layers::new(&config, &issuer, &limits, configured.secret())?;
    let objects = Objects::open(&config.objects)?;
    let checked = objects.check().await;
    checked.map_err(|error| format!("STORAGE_URL: the object store cannot be read: {error}"))?;
    let app = App {
        objects,
        hasher: LoginHasher::builder(peppers::hasher(&config, cost)?).build()?,
        cookies: SessionCookies::default(),
        password_policy: config.password_policy,
        login_guard: layers.login_guard.clone(),
        upload: Arc::new(UploadLimits {
            max_bytes: config.upload_max_bytes,
            max_pixels: config.upload_max_pixels,
            quota_bytes: config.upload_quota_bytes,
        }),
        readiness: Readiness::default(),
        keeping: Arc::new(Semaphore::new(AT_ONCE)),
        #[cfg(feature = "s3")]
        direct_upload: layers.direct_upload.clone(),
        issuer: issuer.clone(),
        db,
    };

    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| taken("RAMPART_LISTEN", config.listen, &error))?;
    let address = listener.local_addr()?;
    let admin = TcpListener::bind(config.admin_listen).await;
    let admin =
        admin.map_err(|error| taken("RAMPART_ADMIN_LISTEN", config.admin_listen, &error))?;
    greet(&config, address, admin.local_addr()?, cost);

    let following = tokio::spawn(issuer.clone().follow_revocations());
    tokio::spawn(write_down(happened));
    let rotating = tokio::spawn(keys::follow(
        keys,
        config.settings.clone(),
        app.db.clone(),
        issuer,
    ));
    let sweeping = tokio::spawn(sweep::follow(app.clone()));
    let operators = app::operators(app.clone(), &layers);
    let router = app::router(app, &layers);
    let stop = stop_signal()?;
    let public = listen::serve(listener, router, stop.clone());
    let operators = listen::serve(admin, operators, stop.clone());
    let too_late = async {
        stopped(stop).await;
        tokio::time::sleep(SHUTDOWN).await;
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(public, operators) } => {}
        () = too_late => tracing::warn!("requests were still open when the server stopped"),
    }
    following.abort();
    rotating.abort();
    sweeping.abort();
    Ok(())
}

/// Others on the machine must not read accounts and secrets: refused in
/// production, told in development.
fn check_modes(config: &Config) -> Result<()> {
    let database = match &config.database {
        Location::Sqlite(path) => Some(path),
        #[cfg(feature = "postgres")]
        Location::Postgres(_) => None,
    };
    let objects = match &config.objects {
        Storage::Folder(path) => Some(path),
        #[cfg(feature = "s3")]
        Storage::Bucket { .. } => None,
    };
    let paths = std::iter::once(&config.data_dir).chain(database);
    for path in paths.chain(objects.filter(|path| path.exists())) {
        if !is_open_to_others(path)? {
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

fn taken(setting: &str, address: SocketAddr, error: &std::io::Error) -> String {
    format!("{setting}: {address} cannot be listened on: {error}")
}

/// Says where things are, for whoever started the server by hand.
fn greet(config: &Config, address: SocketAddr, admin: SocketAddr, cost: u8) {
    say(&format!("page      http://{address}/"));
    say(&format!("operators http://{admin}/readyz"));
    say(&format!("database  {}", config.database));
    say(&format!("objects   {}", config.objects));
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

/// Writes down what happens to sessions.
async fn write_down(mut happened: SecurityEventReceiver) {
    let mut lost = 0;
    while let Some(event) = happened.recv().await {
        tracing::info!(
            target: "security",
            event = event.kind.as_str(),
            user = event.subject,
            sid = event.sid,
            reason = event.reason.map(EndReason::as_str),
        );
        if happened.dropped() > lost {
            lost = happened.dropped();
            tracing::error!(target: "security", lost, "events were not written down");
        }
    }
}

fn stop_signal() -> Result<Stop> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
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
