//! The settings as texts, with where they came from.

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use clap::Args;

/// Settings that may be given as flags. Secrets may not: everybody on the
/// machine can read a command line.
#[derive(Args, Debug, Default)]
pub(crate) struct Flags {
    /// `dev` or `production` (`RAMPART_ENV`).
    #[arg(long, global = true)]
    env: Option<String>,
    /// Address to listen on (`RAMPART_LISTEN`).
    #[arg(long, global = true)]
    listen: Option<String>,
    /// Loopback address for operators (`RAMPART_ADMIN_LISTEN`).
    #[arg(long, global = true)]
    admin_listen: Option<String>,
    /// URL under which browsers reach the server (`RAMPART_PUBLIC_URL`).
    #[arg(long, global = true)]
    public_url: Option<String>,
    /// Folder for the embedded stores (`RAMPART_DATA_DIR`).
    #[arg(long, global = true)]
    data_dir: Option<String>,
    /// Origins of front ends, separated by commas (`CORS_ORIGINS`).
    #[arg(long, global = true)]
    cors_origins: Option<String>,
    /// Networks of proxies, separated by commas (`TRUSTED_PROXIES`).
    #[arg(long, global = true)]
    trusted_proxies: Option<String>,
    /// Database (`DATABASE_URL`).
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// Object store (`STORAGE_URL`).
    #[arg(long, global = true)]
    storage_url: Option<String>,
    /// Address that mails come from (`MAIL_FROM`).
    #[arg(long, global = true)]
    mail_from: Option<String>,
    /// Whom to tell about a hole, as a URI (`SECURITY_CONTACT`).
    #[arg(long, global = true)]
    security_contact: Option<String>,
    /// Header in which proxies name the client (`FORWARDED_HEADER`).
    #[arg(long, global = true)]
    forwarded_header: Option<String>,
    /// Lifetime of access tokens (`ACCESS_TTL`).
    #[arg(long, global = true)]
    access_ttl: Option<String>,
    /// Lifetime of an unused session (`REFRESH_IDLE`).
    #[arg(long, global = true)]
    refresh_idle: Option<String>,
    /// Lifetime of any session (`REFRESH_ABSOLUTE`).
    #[arg(long, global = true)]
    refresh_absolute: Option<String>,
    /// How long a replaced refresh token gets the same successor (`REFRESH_GRACE`).
    #[arg(long, global = true)]
    refresh_grace: Option<String>,
    /// Attempts with a password by address (`LIMIT_LOGIN_IP`).
    #[arg(long, global = true)]
    limit_login_ip: Option<String>,
    /// Attempts with a password by account (`LIMIT_LOGIN_ACCOUNT`).
    #[arg(long, global = true)]
    limit_login_account: Option<String>,
    /// API requests by address, and by subject (`LIMIT_API`).
    #[arg(long, global = true)]
    limit_api: Option<String>,
    /// Redis that keeps limits for several processes (`REDIS_URL`).
    #[arg(long, global = true)]
    redis_url: Option<String>,
    /// How many processes share those limits (`RAMPART_PROCESSES`).
    #[arg(long, global = true)]
    processes: Option<String>,
    /// Cost of new password hashes (`BCRYPT_COST`).
    #[arg(long, global = true)]
    bcrypt_cost: Option<String>,
    /// Characters of a new password (`PASSWORD_MIN_CHARS`).
    #[arg(long, global = true)]
    password_min_chars: Option<String>,
    /// File of passwords that nobody may choose (`PASSWORD_BLOCKLIST_FILE`).
    #[arg(long, global = true)]
    password_blocklist_file: Option<String>,
    /// File of leaked passwords, of Have I Been Pwned (`PASSWORD_BREACH_FILE`).
    #[arg(long, global = true)]
    password_breach_file: Option<String>,
    /// Size of a picture (`UPLOAD_MAX_BYTES`).
    #[arg(long, global = true)]
    upload_max_bytes: Option<String>,
    /// Pixels of a picture (`UPLOAD_MAX_PIXELS`).
    #[arg(long, global = true)]
    upload_max_pixels: Option<String>,
    /// Bytes of pictures that an account may keep (`UPLOAD_QUOTA_BYTES`).
    #[arg(long, global = true)]
    upload_quota_bytes: Option<String>,
}

/// Every name that means something here.
pub(crate) const NAMES: &[&str] = &[
    "RAMPART_ENV",
    "RAMPART_LISTEN",
    "RAMPART_ADMIN_LISTEN",
    "RAMPART_PUBLIC_URL",
    "RAMPART_DATA_DIR",
    "PASSWORD_PEPPER",
    "PASSWORD_PEPPER_FILE",
    "PASSWORD_PEPPER_PREVIOUS",
    "PASSWORD_PEPPER_PREVIOUS_FILE",
    "SECRET_KEY",
    "SECRET_KEY_FILE",
    "SECRET_KEY_PREVIOUS",
    "SECRET_KEY_PREVIOUS_FILE",
    "SECRET_KEY_REVOKED",
    "SECRET_KEY_REVOKED_FILE",
    "SIGNING_KEY",
    "SIGNING_KEY_FILE",
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "MIGRATOR_DATABASE_URL",
    "MIGRATOR_DATABASE_URL_FILE",
    "BACKUP_DATABASE_URL",
    "BACKUP_DATABASE_URL_FILE",
    "DRILL_DATABASE_URL",
    "DRILL_DATABASE_URL_FILE",
    "STORAGE_URL",
    "SMTP_URL",
    "SMTP_URL_FILE",
    "MAIL_FROM",
    "SECURITY_CONTACT",
    "CORS_ORIGINS",
    "TRUSTED_PROXIES",
    "FORWARDED_HEADER",
    "ACCESS_TTL",
    "REFRESH_IDLE",
    "REFRESH_ABSOLUTE",
    "REFRESH_GRACE",
    "LIMIT_LOGIN_IP",
    "LIMIT_LOGIN_ACCOUNT",
    "LIMIT_API",
    "REDIS_URL",
    "REDIS_URL_FILE",
    "RAMPART_PROCESSES",
    "RAMPART_CHECK_ALLOW",
    "BCRYPT_COST",
    "PASSWORD_MIN_CHARS",
    "PASSWORD_BLOCKLIST_FILE",
    "PASSWORD_BREACH_FILE",
    "UPLOAD_MAX_BYTES",
    "UPLOAD_MAX_PIXELS",
    "UPLOAD_QUOTA_BYTES",
];

/// Settings of services that this build does not have.
const UNAVAILABLE: &[(&str, &str)] = &[
    #[cfg(not(feature = "redis"))]
    (
        "REDIS_URL",
        "this build keeps limits in its own process; build it with --features redis, or unset it",
    ),
    #[cfg(not(feature = "smtp"))]
    (
        "SMTP_URL",
        "this build writes mails into files; build it with --features smtp, or unset it",
    ),
];

/// The settings as given.
#[derive(Clone)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    /// Names whose values were read from the files that `NAME_FILE` names.
    from_files: BTreeSet<&'static str>,
    /// What is wrong with where they come from.
    problems: Vec<Problem>,
}

impl Settings {
    /// Reads the environment, then lets flags win.
    pub(crate) fn from_env(flags: Flags) -> Self {
        let mut settings = Self {
            values: BTreeMap::new(),
            from_files: BTreeSet::new(),
            problems: Vec::new(),
        };
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => drop(settings.values.insert(name, value)),
                Err(_) if is_ours(&name) || NAMES.contains(&name.as_str()) => {
                    let problem = Problem::new(name, "is not UTF-8; write it as text");
                    settings.problems.push(problem);
                }
                Err(_) => {}
            }
        }
        for (name, value) in [
            ("RAMPART_ENV", flags.env),
            ("RAMPART_LISTEN", flags.listen),
            ("RAMPART_ADMIN_LISTEN", flags.admin_listen),
            ("RAMPART_PUBLIC_URL", flags.public_url),
            ("RAMPART_DATA_DIR", flags.data_dir),
            ("CORS_ORIGINS", flags.cors_origins),
            ("TRUSTED_PROXIES", flags.trusted_proxies),
            ("DATABASE_URL", flags.database_url),
            ("STORAGE_URL", flags.storage_url),
            ("MAIL_FROM", flags.mail_from),
            ("SECURITY_CONTACT", flags.security_contact),
            ("FORWARDED_HEADER", flags.forwarded_header),
            ("ACCESS_TTL", flags.access_ttl),
            ("REFRESH_IDLE", flags.refresh_idle),
            ("REFRESH_ABSOLUTE", flags.refresh_absolute),
            ("REFRESH_GRACE", flags.refresh_grace),
            ("LIMIT_LOGIN_IP", flags.limit_login_ip),
            ("LIMIT_LOGIN_ACCOUNT", flags.limit_login_account),
            ("LIMIT_API", flags.limit_api),
            ("REDIS_URL", flags.redis_url),
            ("RAMPART_PROCESSES", flags.processes),
            ("BCRYPT_COST", flags.bcrypt_cost),
            ("PASSWORD_MIN_CHARS", flags.password_min_chars),
            ("PASSWORD_BLOCKLIST_FILE", flags.password_blocklist_file),
            ("PASSWORD_BREACH_FILE", flags.password_breach_file),
            ("UPLOAD_MAX_BYTES", flags.upload_max_bytes),
            ("UPLOAD_MAX_PIXELS", flags.upload_max_pixels),
            ("UPLOAD_QUOTA_BYTES", flags.upload_quota_bytes),
        ] {
            if let Some(value) = value {
                settings.values.insert(name.to_owned(), value);
            }
        }
        settings.read_dot_env();
        settings.read_files();
        settings
    }

    /// Takes settings from a list only, whatever the environment says.
    pub(crate) fn of(values: &[(&str, &str)]) -> Self {
        let values = values.iter();
        Self {
            values: values
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            from_files: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Takes other values for some settings, and none for others.
    pub(crate) fn with(&self, others: &[(&str, &str)], without: &[&str]) -> Self {
        let mut settings = self.clone();
        for name in without {
            settings.values.remove(*name);
        }
        for (name, value) in others {
            settings
                .values
                .insert((*name).to_owned(), (*value).to_owned());
        }
        settings
    }

    /// Returns a setting; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Tells whether a value was read from the file that `NAME_FILE` names.
    pub(crate) fn is_from_file(&self, name: &str) -> bool {
        self.from_files.contains(name)
    }

    /// Returns settings by how their names begin.
    #[cfg(feature = "s3")]
    pub(crate) fn starting_with(&self, prefix: &str) -> Vec<(String, String)> {
        let found = self
            .values
            .iter()
            .filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
        found
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Returns the folder in which a service manager puts credentials.
    pub(crate) fn credentials_directory(&self) -> Option<PathBuf> {
        self.get("CREDENTIALS_DIRECTORY").map(PathBuf::from)
    }

    /// Finds names that would silently do nothing.
    pub(crate) fn name_problems(&self) -> Vec<Problem> {
        let unavailable = UNAVAILABLE
            .iter()
            .filter(|(name, _)| self.get(name).is_some())
            .map(|(name, reason)| Problem::new(*name, *reason));
        let unknown = self
            .values
            .keys()
            // `RAMPART_TEST_…` belongs to the test suite.
            .filter(|name| {
                is_ours(name)
                    && !name.starts_with("RAMPART_TEST_")
                    && !NAMES.contains(&name.as_str())
            })
            .map(|name| {
                Problem::new(
                    name,
                    format!("is not a setting; did you mean {}?", nearest(name)),
                )
            });
        let sources = self.problems.iter().cloned();
        sources.chain(unavailable).chain(unknown).collect()
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("RAMPART_")
}

fn nearest(name: &str) -> &'static str {
    NAMES
        .iter()
        .copied()
        .min_by_key(|known| strsim::levenshtein(known, name))
        .unwrap_or(NAMES[0])
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some of the values are secrets.
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

/// A setting that cannot be used: its name, what is wrong, the form to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// The setting.
    pub(crate) name: String,
    /// What is wrong, and the form to write. Never the value of a secret.
    pub(crate) text: String,
}

impl Problem {
    /// Describes a problem.
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line each, whatever a value contained.
        write!(f, "{}: {}", self.name, self.text.replace(['\n', '\r'], " "))
    }
}
