//! The settings as values: every one is usable once this exists.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use tower_rampart::cors::OriginPolicy;
use tower_rampart::identity::{ClientAddrResolver, ForwardingHeader};
use tower_rampart::jwt::{Problem as Weak, SigningKey};
use tower_rampart::rate_limit::Quota;
use tower_rampart::secret::Secret;

use crate::credentials::NewPasswords;
use crate::db::Location;
use crate::mail::MailRoute;
use crate::objects::Storage;
use crate::reader::Reader;
use crate::settings::{Problem, Settings};

/// Everything the server needs to know.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) production: bool,
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) public_url: String,
    pub(crate) data_dir: PathBuf,
    /// What all this was read from; files that it names may change.
    pub(crate) settings: Settings,
    /// `None` in development: made at the first start.
    pub(crate) secret: Option<Arc<Secret>>,
    pub(crate) previous_secrets: Vec<Arc<Secret>>,
    /// Identifiers of keys, or secrets, that must not be believed any more.
    pub(crate) revoked_keys: Vec<Arc<Secret>>,
    /// An asymmetric key that signs instead of one made of the secret.
    pub(crate) signing_key: Option<SigningKey>,
    /// Mixed into passwords. `None` in development: made at the first start.
    pub(crate) pepper: Option<Arc<Secret>>,
    pub(crate) previous_peppers: Vec<Arc<Secret>>,
    pub(crate) database: Location,
    /// The database, as a role that may change its tables.
    pub(crate) migrator: Location,
    /// The database, as a role that may read all of it.
    #[cfg(feature = "postgres")]
    pub(crate) backup: Location,
    /// The same server, as a role that may create databases.
    #[cfg(feature = "postgres")]
    pub(crate) drill: Location,
    pub(crate) objects: Storage,
    /// Where mails go, and from whom they come.
    pub(crate) mail: MailRoute,
    pub(crate) mail_from: Mailbox,
    /// Whom to tell about a hole, as a URI.
    pub(crate) security_contact: String,
    pub(crate) origins: OriginPolicy,
    pub(crate) client_addr: ClientAddrResolver,
    pub(crate) access_ttl: Duration,
    pub(crate) refresh_idle: Duration,
    pub(crate) refresh_absolute: Duration,
    pub(crate) refresh_grace: Duration,
    pub(crate) limit_login_ip: Quota,
    pub(crate) limit_login_account: Quota,
    pub(crate) limit_api: Quota,
    /// Where several processes count together.
    #[cfg(feature = "redis")]
    pub(crate) redis: Option<String>,
    /// How many processes those are.
    #[cfg(feature = "redis")]
    pub(crate) processes: u32,
    /// `None` in development: measured at the first start.
    pub(crate) bcrypt_cost: Option<u8>,
    pub(crate) new_passwords: NewPasswords,
    pub(crate) upload_max_bytes: u64,
    pub(crate) upload_max_pixels: u64,
    pub(crate) upload_quota_bytes: u64,
}

impl Config {
    /// Reads and checks all settings.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader {
            settings,
            problems: settings.name_problems(),
        };
        let production = reader.environment();
        let data_dir = PathBuf::from(settings.get("RAMPART_DATA_DIR").unwrap_or("./rampart-data"));
        if production && settings.get("RAMPART_DATA_DIR").is_none() {
            reader.problem(
                "RAMPART_DATA_DIR",
                "is required in production; write a folder that is backed up",
            );
        }
        let config = Self {
            production,
            listen: reader.listen(production),
            admin_listen: reader.admin_listen(),
            public_url: reader.public_url(production),
            settings: settings.clone(),
            secret: reader.secret("SECRET_KEY", production).map(Arc::new),
            previous_secrets: reader.previous("SECRET_KEY_PREVIOUS"),
            revoked_keys: reader.revoked_keys(),
            signing_key: reader.signing_key(),
            pepper: reader.secret("PASSWORD_PEPPER", production).map(Arc::new),
            previous_peppers: reader.previous("PASSWORD_PEPPER_PREVIOUS"),
            database: reader.database("DATABASE_URL", &data_dir.join("rampart.db")),
            migrator: reader.other_role(
                "MIGRATOR_DATABASE_URL",
                "DATABASE_URL",
                &data_dir.join("rampart.db"),
            ),
            #[cfg(feature = "postgres")]
            backup: reader.other_role(
                "BACKUP_DATABASE_URL",
                "DATABASE_URL",
                &data_dir.join("rampart.db"),
            ),
            #[cfg(feature = "postgres")]
            drill: reader.other_role(
                "DRILL_DATABASE_URL",
                "DATABASE_URL",
                &data_dir.join("rampart.db"),
            ),
            objects: reader.storage("STORAGE_URL", &data_dir.join("objects")),
            mail: reader.mail_route(production, &data_dir.join("outbox")),
            mail_from: reader.mail_from(),
            security_contact: reader.security_contact(),
            origins: reader.origins(production),
            client_addr: reader.client_addr(),
            access_ttl: reader.duration("ACCESS_TTL", "10m"),
            refresh_idle: reader.duration("REFRESH_IDLE", "14d"),
            refresh_absolute: reader.duration("REFRESH_ABSOLUTE", "90d"),
            refresh_grace: reader.duration("REFRESH_GRACE", "10s"),
            limit_login_ip: reader.quota("LIMIT_LOGIN_IP", "30/15m"),
            limit_login_account: reader.quota("LIMIT_LOGIN_ACCOUNT", "10/15m"),
            limit_api: reader.quota("LIMIT_API", "300/1m"),
            #[cfg(feature = "redis")]
            redis: reader.redis(),
            #[cfg(feature = "redis")]
            processes: u32::try_from(reader.number("RAMPART_PROCESSES", 3)).unwrap_or(u32::MAX),
            bcrypt_cost: reader.bcrypt_cost(production),
            new_passwords: NewPasswords {
                policy: reader.password_policy(),
                leaked: reader.leaked_passwords(),
            },
            upload_max_bytes: reader.bytes("UPLOAD_MAX_BYTES", "5MiB"),
            upload_max_pixels: reader.number("UPLOAD_MAX_PIXELS", 40_000_000),
            upload_quota_bytes: reader.bytes("UPLOAD_QUOTA_BYTES", "256MiB"),
            data_dir,
        };
        reader.lifetimes(&config);
        reader.peppers(&config);
        if reader.problems.is_empty() {
            Ok(config)
        } else {
            Err(reader.problems)
        }
    }
}

impl Reader<'_> {
    fn environment(&mut self) -> bool {
        self.parse(
            "RAMPART_ENV",
            "dev",
            "write dev or production",
            |text| match text {
                "dev" => Some(false),
                "production" => Some(true),
                _ => None,
            },
        )
    }

    fn listen(&mut self, production: bool) -> SocketAddr {
        if production && self.settings.get("RAMPART_LISTEN").is_none() {
            self.problem(
                "RAMPART_LISTEN",
                "is required in production; write ADDRESS:PORT, for instance 0.0.0.0:8080",
            );
        }
        let form = "write ADDRESS:PORT, for instance 127.0.0.1:8080";
        self.parse("RAMPART_LISTEN", "127.0.0.1:8080", form, |text| {
            text.parse().ok()
        })
    }

    fn admin_listen(&mut self) -> SocketAddr {
        let form = "write a loopback ADDRESS:PORT, for instance 127.0.0.1:9090";
        self.parse("RAMPART_ADMIN_LISTEN", "127.0.0.1:9090", form, |text| {
            text.parse::<SocketAddr>()
                .ok()
                .filter(|address| address.ip().is_loopback())
        })
    }

    fn public_url(&mut self, production: bool) -> String {
        let given = self.settings.get("RAMPART_PUBLIC_URL");
        let url = given
            .unwrap_or("http://localhost:8080")
            .trim_end_matches('/')
            .to_owned();
        if production && given.is_none() {
            self.problem(
                "RAMPART_PUBLIC_URL",
                "is required in production; write https://HOST",
            );
        } else if production && !url.starts_with("https://") {
            self.problem(
                "RAMPART_PUBLIC_URL",
                format!("{url:?} is not https; write https://HOST"),
            );
        } else if let Err(problems) = OriginPolicy::builder()
            .dangerous_allow_insecure_origins()
            .origin(&url)
            .build()
        {
            self.problem(
                "RAMPART_PUBLIC_URL",
                format!("{problems}; write https://HOST or http://localhost:PORT"),
            );
        }
        url
    }

    fn security_contact(&mut self) -> String {
        let url = self
            .settings
            .get("RAMPART_PUBLIC_URL")
            .unwrap_or("http://localhost:8080");
        let host = url.split("://").last().unwrap_or_default();
        let host = host.split([':', '/']).next().unwrap_or_default();
        let default = format!("mailto:security@{host}");
        let form = "write mailto:ADDRESS, https://URL or tel:NUMBER";
        self.parse("SECURITY_CONTACT", &default, form, |text| {
            let known = ["mailto:", "https://", "tel:"]
                .iter()
                .any(|scheme| text.starts_with(scheme));
            let plain = text.chars().all(|c| c.is_ascii_graphic());
            (known && plain).then(|| text.to_owned())
        })
    }

    fn origins(&mut self, production: bool) -> OriginPolicy {
        const DEV: &str = "http://localhost:5173,http://localhost:3000";
        let given = self.settings.get("CORS_ORIGINS");
        if production && given.is_none() {
            self.problem(
                "CORS_ORIGINS",
                "is required in production; write https://HOST, separated by commas",
            );
        }
        let mut builder = OriginPolicy::builder().csv("CORS_ORIGINS", given.unwrap_or(DEV));
        if production && given.is_some() {
            builder = builder.production();
        }
        match builder.build() {
            Ok(origins) => origins,
            Err(problems) => {
                for problem in &problems {
                    self.problem("CORS_ORIGINS", problem.to_string());
                }
                OriginPolicy::builder()
                    .csv("CORS_ORIGINS", DEV)
                    .build()
                    .expect("the defaults are origins")
            }
        }
    }

    fn client_addr(&mut self) -> ClientAddrResolver {
        let proxies = self.settings.get("TRUSTED_PROXIES").unwrap_or_default();
        let proxies: Vec<_> = proxies
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .collect();
        let form = "write x-forwarded-for, forwarded, or the name of a header with one address";
        let header = self.parse(
            "FORWARDED_HEADER",
            "x-forwarded-for",
            form,
            |text| match text.to_ascii_lowercase().as_str() {
                "x-forwarded-for" => Some(ForwardingHeader::XForwardedFor),
                "forwarded" => Some(ForwardingHeader::Forwarded),
                name => name.parse().ok().map(ForwardingHeader::Single),
            },
        );
        let resolver = ClientAddrResolver::builder()
            .trusted_proxies(proxies)
            .header(header)
            .peer(tower_rampart::axum::connect_info)
            .build();
        resolver.unwrap_or_else(|problems| {
            for problem in &problems {
                self.problem("TRUSTED_PROXIES", problem.to_string());
            }
            ClientAddrResolver::default()
        })
    }

    fn lifetimes(&mut self, config: &Config) {
        let random = Secret::random(48);
        let secret = config.secret.as_deref().unwrap_or(&random);
        if config
            .previous_secrets
            .iter()
            .any(|previous| **previous == *secret)
        {
            self.problem(
                "SECRET_KEY_PREVIOUS",
                "repeats SECRET_KEY; list only secrets that were used before",
            );
            return;
        }
        let issuer = crate::layers::issuer_builder(
            config,
            tower_rampart::session::MemoryStore::new(),
            secret,
        )
        .build();
        for problem in issuer.err().iter().flatten() {
            let weak = matches!(
                problem,
                tower_rampart::session::Problem::Jwt(Weak::WeakSecret { .. })
            );
            let repeated = matches!(
                problem,
                tower_rampart::session::Problem::Jwt(Weak::DuplicateKeyId { .. })
            );
            match (weak, repeated) {
                // Said already, under the secret's own name.
                (true, _) => {}
                (_, true) => self.problem("SECRET_KEY_PREVIOUS", "lists a secret twice; keep one"),
                _ => self.problem(
                    "ACCESS_TTL, REFRESH_IDLE, REFRESH_ABSOLUTE, REFRESH_GRACE",
                    problem.to_string(),
                ),
            }
        }
    }
}
