//! Everything a server is made of, put together but not yet listening.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower_rampart::password::LoginHasher;
use tower_rampart::session::{SecurityEventReceiver, SessionCookies, TokenIssuer, security_events};

use crate::app::{App, Contact, UploadLimits};
use crate::audit::{Audit, Provers};
use crate::cli::data_folder;
use crate::config::Config;
use crate::db::Db;
use crate::desk::Desk;
use crate::health::Readiness;
use crate::keep::AT_ONCE;
use crate::keys::{Configured, Keys};
use crate::layers::{Layers, issuer_builder};
use crate::limits::Limits;
use crate::mail::{Post, Transport};
use crate::objects::Objects;
use crate::switches::Switches;
use crate::{peppers, serve};

/// How many events about sessions may wait to be written down.
const EVENTS: usize = 1_024;

/// The parts of a server.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) layers: Layers,
    pub(crate) issuer: TokenIssuer,
    pub(crate) keys: Keys,
    /// What happens to sessions.
    pub(crate) happened: SecurityEventReceiver,
    /// Writes the audit log until every handle to it is gone.
    pub(crate) auditing: JoinHandle<()>,
    /// The cost of new password hashes.
    pub(crate) cost: u8,
}

impl House {
    /// Opens the stores and puts everything together.
    ///
    /// # Errors
    ///
    /// If a store cannot be opened, or a layer refuses its settings.
    pub(crate) async fn build(config: &Config) -> Result<Self, Box<dyn std::error::Error>> {
        data_folder(config)?;
        let configured = Configured::of(config)?;
        let db = Db::open(&config.database).await?;
        let store = db.sessions().await?;
        let keys = Keys::new(
            configured.clone(),
            db.signing_keys().await?,
            config.access_ttl,
        );
        let (events, happened) = security_events(EVENTS);
        let issuer = issuer_builder(config, Arc::clone(&store), configured.secret())
            .keys(keys.key_set()?)
            .events(events)
            .build()?;
        keys.apply(&issuer)?;
        issuer.sync_revocations().await?;
        let cost = serve::bcrypt_cost(config)?;
        let limits = Limits::connect(config, configured.secret()).await?;
        let layers = Layers::new(config, &issuer, &limits, configured.secret())?;
        let objects = Objects::open(&config.objects)?;
        let (audit, auditing) = Audit::start(
            db.clone(),
            &config.data_dir,
            Provers::new(configured.proving()),
        );
        let transport = Transport::open(&config.mail)?;
        let secret = configured.shared_secret();
        let post = Post::new(
            db.clone(),
            transport,
            config.mail_from.clone(),
            &config.public_url,
            secret,
        );
        let switches = Switches::default();
        switches.read(&db).await?;
        let app = App {
            objects,
            desk: Desk::new(config, db.clone(), store, audit.clone(), post.clone()),
            audit,
            post,
            switches,
            hasher: LoginHasher::builder(peppers::hasher(config, cost)?).build()?,
            cookies: SessionCookies::default(),
            new_passwords: config.new_passwords.clone(),
            login_guard: layers.login_guard.clone(),
            upload: Arc::new(UploadLimits {
                max_bytes: config.upload_max_bytes,
                max_pixels: config.upload_max_pixels,
                quota_bytes: config.upload_quota_bytes,
            }),
            readiness: Readiness::default(),
            contact: Arc::new(Contact {
                uri: config.security_contact.clone(),
                public_url: config.public_url.clone(),
            }),
            keeping: Arc::new(Semaphore::new(AT_ONCE)),
            #[cfg(feature = "s3")]
            direct_upload: layers.direct_upload.clone(),
            issuer: issuer.clone(),
            db,
        };
        Ok(Self {
            app,
            layers,
            issuer,
            keys,
            happened,
            auditing,
            cost,
        })
    }
}
