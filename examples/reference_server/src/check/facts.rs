//! What rules judge: the configuration, and what can be seen from here.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tower_rampart::password::{Password, PasswordHasher};

use crate::audit;
use crate::config::Config;
use crate::db::{Db, Location, is_open_to_others};
use crate::keys::Configured;
use crate::objects::{Objects, Storage};
use crate::serve::private_paths;
use crate::switches::READ_ONLY;

/// Everything that rules may look at.
pub(super) struct Facts<'a> {
    pub(super) config: &'a Config,
    pub(super) database: Result<Database, String>,
    /// Why the object store cannot be read, if it cannot.
    pub(super) objects: Option<String>,
    /// How long a hash of the configured cost takes here.
    pub(super) hash: Option<Duration>,
    /// Paths that others on this machine can read.
    pub(super) open_paths: Vec<String>,
    /// How long ago a copy was last restored.
    pub(super) restored: Option<Duration>,
}

/// What the database says.
pub(super) struct Database {
    pub(super) misgivings: Vec<String>,
    pub(super) audit_problem: Option<String>,
    pub(super) admins: usize,
    pub(super) read_only: bool,
    pub(super) open_incidents: usize,
    pub(super) failed_mails: i64,
    pub(super) old_hashes: usize,
}

impl<'a> Facts<'a> {
    /// Looks around. Nothing is changed, and a database in a file is not made.
    pub(super) async fn gather(config: &'a Config) -> Self {
        let database = match &config.database {
            Location::Sqlite(path) if !path.exists() => {
                Err(format!("{} is not there yet", path.display()))
            }
            _ => Database::ask(config)
                .await
                .map_err(|error| error.to_string()),
        };
        Self {
            config,
            database,
            objects: objects(config).await.err().map(|error| error.to_string()),
            hash: config.bcrypt_cost.and_then(measure),
            open_paths: open_paths(config),
            restored: age(&config.data_dir.join("last-restore-ok")),
        }
    }
}

async fn objects(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    match &config.objects {
        Storage::Folder(path) if !path.exists() => Ok(()),
        storage => Ok(Objects::open(storage)?.check().await?),
    }
}

impl Database {
    async fn ask(config: &Config) -> Result<Self, Box<dyn std::error::Error>> {
        let db = Db::open(&config.database).await?;
        let verdict = audit::verify(&db, &config.data_dir, &Configured::provers(config)?)
            .await
            .map_err(|error| error as Box<dyn std::error::Error>)?;
        let (mut admins, mut old_hashes, mut after) = (0, 0, None::<String>);
        loop {
            let page = db.users(after.as_deref(), 1_000).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            admins += page
                .iter()
                .filter(|user| user.role == "admin" && user.disabled_at.is_none())
                .count();
            old_hashes += page
                .iter()
                .filter(|user| !user.password_hash.starts_with("$bcrypt-hmac-sha384$"))
                .count();
        }
        Ok(Self {
            misgivings: db.misgivings(&config.database).await?,
            audit_problem: verdict.problem,
            admins,
            read_only: db.is_switched_on(READ_ONLY).await?,
            open_incidents: db
                .incidents(1_000)
                .await?
                .iter()
                .filter(|incident| incident.closed_at.is_none())
                .count(),
            failed_mails: db.mail_counts(None, None).await?.failed,
            old_hashes,
        })
    }
}

fn measure(cost: u8) -> Option<Duration> {
    let hasher = PasswordHasher::builder().cost(cost).build().ok()?;
    let password = Password::new("violet kettle parade").ok()?;
    let begun = std::time::Instant::now();
    hasher.hash(&password).ok()?;
    Some(begun.elapsed())
}

fn open_paths(config: &Config) -> Vec<String> {
    let mut paths = private_paths(config);
    for name in [
        "SECRET_KEY_FILE",
        "PASSWORD_PEPPER_FILE",
        "SIGNING_KEY_FILE",
        "SMTP_URL_FILE",
    ] {
        // Those that a container is given are readable in there by design.
        if let Some(path) = config
            .settings
            .get(name)
            .filter(|path| !path.starts_with("/run/secrets/"))
        {
            paths.push(path.into());
        }
    }
    let open = paths
        .into_iter()
        .filter(|path| is_open_to_others(path).unwrap_or(false));
    open.map(|path| path.display().to_string()).collect()
}

fn age(path: &Path) -> Option<Duration> {
    SystemTime::now()
        .duration_since(path.metadata().ok()?.modified().ok()?)
        .ok()
}
