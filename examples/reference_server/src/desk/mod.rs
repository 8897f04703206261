//! What operators do, from the command line or over HTTP. It acts through the
//! database, and every running server follows within two seconds. Each action is in
//! the audit log before it begins and after it ended.

mod accounts;
mod incidents;
mod keys;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tower_rampart::session::RefreshStore;

use crate::audit::{Audit, Caller, Entry, Provers};
use crate::cli::data_folder;
use crate::config::Config;
use crate::db::Db;
use crate::keys::Configured;
use crate::mail::{Post, Transport};
use crate::settings::Settings;

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It makes no sense now.
    #[error("{0}")]
    Conflict(String),
    /// It cannot be understood.
    #[error("{0}")]
    Invalid(String),
    /// Nobody would be told.
    #[error(
        "no mail can leave, so nobody would be told, nor could set another password; set SMTP_URL"
    )]
    NoMail,
    /// Something failed on the way.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

macro_rules! failed {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for DeskError {
            fn from(error: $error) -> Self {
                Self::Failed(error.into())
            }
        }
    )*};
}
failed!(
    sqlx::Error,
    tower_rampart::session::StoreError,
    std::io::Error
);

type Result<T> = std::result::Result<T, DeskError>;

/// Who acts, why, and on which occasion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'a> {
    pub(crate) actor: &'a str,
    /// Who sat at the command line, as they say.
    pub(crate) operator: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) incident: Option<&'a str>,
    /// What it is about: a template, say.
    pub(crate) about: Option<&'a str>,
    pub(crate) caller: Option<&'a Caller>,
}

impl By<'_> {
    /// Somebody at a command line.
    pub(crate) fn operator() -> Self {
        Self {
            actor: "operator",
            operator: None,
            reason: None,
            incident: None,
            about: None,
            caller: None,
        }
    }
}

/// Everything that actions need.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) db: Db,
    pub(crate) sessions: Arc<dyn RefreshStore>,
    pub(crate) audit: Audit,
    pub(crate) post: Post,
    pub(crate) data_dir: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) access_ttl: Duration,
}

impl Desk {
    /// Opens what a command needs. The task writes the audit log; it ends with the
    /// desk.
    ///
    /// # Errors
    ///
    /// If the database cannot be opened.
    pub(crate) async fn open(
        config: &Config,
    ) -> std::result::Result<(Self, tokio::task::JoinHandle<()>), Box<dyn std::error::Error>> {
        data_folder(config)?;
        let db = Db::open(&config.database).await?;
        Configured::must_be_known(config, &db).await?;
        let configured = Configured::of(config)?;
        let secret = configured.shared_secret();
        let transport = Transport::open(&config.mail)?;
        let post = Post::new(
            db.clone(),
            transport,
            config.mail_from.clone(),
            &config.public_url,
            secret,
        );
        let (audit, writing) = Audit::start(
            db.clone(),
            &config.data_dir,
            Provers::new(configured.proving()),
        );
        let sessions = db.sessions().await?;
        Ok((Self::new(config, db, sessions, audit, post), writing))
    }

    /// Puts together what a server has.
    pub(crate) fn new(
        config: &Config,
        db: Db,
        sessions: Arc<dyn RefreshStore>,
        audit: Audit,
        post: Post,
    ) -> Self {
        Self {
            db,
            sessions,
            audit,
            post,
            data_dir: config.data_dir.clone(),
            settings: config.settings.clone(),
            access_ttl: config.access_ttl,
        }
    }

    /// Opens a desk, does something at it, and waits until that is written down.
    ///
    /// # Errors
    ///
    /// If there is no database, it cannot be opened, or the work fails.
    pub(crate) fn run<T>(
        config: &Config,
        work: impl AsyncFnOnce(&Self) -> std::result::Result<T, Box<dyn std::error::Error>>,
    ) -> std::result::Result<T, Box<dyn std::error::Error>> {
        config.database.must_be_there()?;
        Self::found(config, work)
    }

    /// The same where the database may not be there yet: it is made.
    ///
    /// # Errors
    ///
    /// If the database cannot be opened, or the work fails.
    pub(crate) fn found<T>(
        config: &Config,
        work: impl AsyncFnOnce(&Self) -> std::result::Result<T, Box<dyn std::error::Error>>,
    ) -> std::result::Result<T, Box<dyn std::error::Error>> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let (desk, writing) = Self::open(config).await?;
                let done = work(&desk).await;
                drop(desk);
                writing.await?;
                done
            })
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Nobody's password is taken away, and nobody promised a mail, while none can leave.
    ///
    /// # Errors
    ///
    /// If none can.
    pub(crate) fn mail_leaves(&self) -> Result<()> {
        match self.post.can_send() {
            true => Ok(()),
            false => Err(DeskError::NoMail),
        }
    }

    /// Does something between two rows of the audit log.
    async fn recorded<T>(
        &self,
        by: By<'_>,
        action: &str,
        subject: Option<&str>,
        work: impl Future<Output = Result<T>>,
        outcome: impl FnOnce(&T) -> Value,
    ) -> Result<T> {
        let entry = || {
            let mut entry = Entry::info("authz_admin")
                .actor(by.actor)
                .detail("action", action);
            if let Some(subject) = subject {
                entry = entry.subject(subject);
            }
            if let Some(incident) = by.incident {
                entry = entry.incident(incident);
            }
            if let Some(about) = by.about {
                entry = entry.detail("about", about);
            }
            if let Some(operator) = by.operator {
                entry = entry.detail("operator", operator);
            }
            if let Some(reason) = by.reason {
                entry = entry.detail("reason", reason);
            }
            match by.caller {
                Some(caller) => entry.from(caller),
                None => entry,
            }
        };
        self.audit.write(entry().detail("phase", "begun")).await?;
        let done = work.await;
        let after = match &done {
            Ok(done) => entry()
                .detail("phase", "done")
                .detail("outcome", outcome(done)),
            Err(error) => entry()
                .detail("phase", "failed")
                .detail("error", error.to_string()),
        };
        self.audit.write(after).await?;
        done
    }
}

/// What fails below has no thread of its own.
fn boxed(error: impl std::fmt::Display) -> DeskError {
    DeskError::Failed(error.to_string().into())
}
