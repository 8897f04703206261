//! Reading settings, and collecting what is wrong with them.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use tower_rampart::rate_limit::Quota;

use crate::db::Location;
use crate::objects::Storage;
use crate::secrets;
use crate::settings::{Problem, Settings};

/// Reads settings, and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(crate) fn problem(&mut self, name: &str, text: impl Into<String>) {
        self.problems.push(Problem::new(name, text));
    }

    /// Parses a setting or its default; a bad one is a problem, and the default
    /// stands in so that the rest can be judged too.
    pub(crate) fn parse<T>(
        &mut self,
        name: &str,
        default: &str,
        form: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let text = self.settings.get(name).unwrap_or(default);
        if let Some(value) = parse(text) {
            return value;
        }
        self.problem(name, format!("{text:?} cannot be read; {form}"));
        parse(default).expect("defaults can be read")
    }

    pub(crate) fn path(&mut self, name: &str, scheme: &str, form: &str, default: &Path) -> PathBuf {
        let Some(url) = self.settings.get(name) else {
            return default.to_owned();
        };
        match url.strip_prefix(scheme) {
            Some(path)
                if !path.is_empty() && !path.starts_with(':') && !path.contains(['?', '#']) =>
            {
                PathBuf::from(path)
            }
            _ => {
                // The value may hold a password, so it is not repeated.
                self.problem(
                    name,
                    format!("is not a URL that this build can use; write {form}"),
                );
                default.to_owned()
            }
        }
    }

    /// Reads where a database is; a file by default.
    pub(crate) fn database(&mut self, name: &str, default: &Path) -> Location {
        let url = self.settings.get(name).unwrap_or_default();
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            match postgres(url) {
                Ok((location, local)) => {
                    self.foreign_password(name, url, local);
                    return location;
                }
                Err(text) => self.problem(name, text),
            }
            return Location::Sqlite(default.to_owned());
        }
        let form = match cfg!(feature = "postgres") {
            true => "sqlite://PATH or postgres://USER@HOST/DATABASE?sslmode=verify-full",
            false => "sqlite://PATH",
        };
        Location::Sqlite(self.path(name, "sqlite://", form, default))
    }

    /// What another machine takes as proof of who we are must not be guessed there.
    fn foreign_password(&mut self, name: &str, url: &str, local: bool) {
        let production = self.settings.get("RAMPART_ENV") == Some("production");
        if production
            && !local
            && let Some(weak) = secrets::weak_password(url)
        {
            let text = format!("{weak}; set another one, as `gen-secret` prints it");
            self.problem(name, text);
        }
    }

    /// Reads where the database is for another role: the same place, unless that is
    /// set.
    pub(crate) fn other_role(&mut self, name: &str, main: &str, default: &Path) -> Location {
        if self.settings.get(name).is_some() {
            return self.database(name, default);
        }
        let told = self.problems.len();
        let location = self.database(main, default);
        // Said already.
        self.problems.truncate(told);
        location
    }

    /// Reads where objects are; in a folder by default.
    pub(crate) fn storage(&mut self, name: &str, default: &Path) -> Storage {
        let bucket = self
            .settings
            .get(name)
            .and_then(|url| url.strip_prefix("s3://"));
        if let Some(bucket) = bucket {
            match bucket_of(bucket, self.settings) {
                Ok(storage) => return storage,
                Err(text) => self.problem(name, text),
            }
            return Storage::Folder(default.to_owned());
        }
        Storage::Folder(self.path(
            name,
            "file://",
            "file://PATH or s3://BUCKET/PREFIX",
            default,
        ))
    }

    pub(crate) fn duration(&mut self, name: &str, default: &str) -> Duration {
        self.parse(
            name,
            default,
            "write a number and s, m, h or d, for instance 10m",
            |text| {
                let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
                let seconds = match unit {
                    "s" => 1,
                    "m" => 60,
                    "h" => 3_600,
                    "d" => 86_400,
                    _ => return None,
                };
                parse_digits(number)?
                    .checked_mul(seconds)
                    .map(Duration::from_secs)
            },
        )
    }

    pub(crate) fn quota(&mut self, name: &str, default: &str) -> Quota {
        self.parse(
            name,
            default,
            "write COUNT/PERIOD, for instance 30/15m",
            |text| Quota::from_str(text).ok(),
        )
    }

    pub(crate) fn bytes(&mut self, name: &str, default: &str) -> u64 {
        self.parse(
            name,
            default,
            "write a number of bytes, or one with KiB or MiB, for instance 5MiB",
            |text| {
                let units = [("KiB", 1_024), ("MiB", 1_024 * 1_024), ("", 1)];
                let (number, size) = units
                    .into_iter()
                    .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))?;
                parse_digits(number)?
                    .checked_mul(size)
                    .filter(|bytes| *bytes > 0)
            },
        )
    }

    pub(crate) fn number(&mut self, name: &str, default: u64) -> u64 {
        self.parse(
            name,
            &default.to_string(),
            "write a number of at least 1",
            |text| parse_digits(text).filter(|number| *number > 0),
        )
    }
}

#[cfg(not(feature = "s3"))]
fn bucket_of(_bucket: &str, _settings: &Settings) -> Result<Storage, &'static str> {
    Err("this build has no S3; build it with --features s3, or write file://PATH")
}

/// Reads `BUCKET/PREFIX`.
#[cfg(feature = "s3")]
fn bucket_of(bucket: &str, settings: &Settings) -> Result<Storage, &'static str> {
    let (name, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let prefix = prefix.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !(3..=63).contains(&name.len()) || !name.chars().all(legal) {
        return Err("names no bucket; write s3://BUCKET or s3://BUCKET/PREFIX");
    }
    if !prefix.chars().all(plain)
        || (!prefix.is_empty()
            && prefix
                .split('/')
                .any(|part| part.trim_matches('.').is_empty()))
    {
        return Err(
            "has a prefix that is no path of letters, digits, -, _ and .; write s3://BUCKET/PREFIX",
        );
    }
    let settings = settings.starting_with("AWS_");
    let has = |name: &str| settings.iter().any(|(known, _)| known == name);
    if has("AWS_ACCESS_KEY_ID") != has("AWS_SECRET_ACCESS_KEY") {
        return Err(
            "needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither, where the machine has a role; set both",
        );
    }
    let endpoint = settings
        .iter()
        .find(|(name, _)| name.starts_with("AWS_ENDPOINT"));
    let endpoint = endpoint.map_or("https://", |(_, url)| url.as_str());
    let host = endpoint.strip_prefix("http://").map(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        host.rsplit_once(':').map_or(host, |(host, _)| host)
    });
    if host.is_some_and(|host| !is_this_machine(host)) {
        return Err(
            "is reached at AWS_ENDPOINT_URL on another machine without TLS; write https://",
        );
    }
    Ok(Storage::Bucket {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        settings,
    })
}

#[cfg(not(feature = "postgres"))]
fn postgres(_url: &str) -> Result<(Location, bool), &'static str> {
    Err("this build has no Postgres; build it with --features postgres, or write sqlite://PATH")
}

/// The parameters of a Postgres URL.
#[cfg(feature = "postgres")]
const KNOWN: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// The names of a URL's parameters, as they are written.
#[cfg(feature = "postgres")]
fn parameters(url: &str) -> impl Iterator<Item = &str> {
    let whole = url.split('#').next().unwrap_or_default();
    let query = whole.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split('=').next().unwrap_or_default())
}

/// Whoever can read the line to a server can read passwords, so it is encrypted
/// and the server proves who it is, or it does not leave this machine; which of them is
/// told.
#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<(Location, bool), &'static str> {
    use sqlx::postgres::{PgConnectOptions, PgSslMode};
    // What sqlx does not know it ignores, and writes into the log with its value: a
    // mistyped sslmode would protect nobody, a mistyped password would be read there.
    if !parameters(url).all(|name| KNOWN.contains(&name)) {
        return Err(
            "has a parameter that means nothing here; write sslmode=verify-full, sslrootcert, sslcert, sslkey, host, hostaddr, port, \
             dbname, user, password, application_name, options or statement-cache-capacity",
        );
    }
    // The value may hold a password, so it is not repeated.
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| "cannot be read; write postgres://USER@HOST/DATABASE?sslmode=verify-full")?;
    let host = options.get_host();
    let local = options.get_socket().is_some() || host.starts_with('/') || is_this_machine(host);
    if !local && !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        return Err(
            "names another machine without sslmode=verify-full; add it, and sslrootcert=FILE for a private authority",
        );
    }
    Ok((Location::Postgres(Box::new(options)), local))
}

#[cfg(feature = "redis")]
impl Reader<'_> {
    /// Reads the URL of the server that counts. Whoever can read the line to it
    /// learns its password, so it is encrypted or does not leave this machine.
    pub(crate) fn redis(&mut self) -> Option<String> {
        use redis::{ConnectionAddr, IntoConnectionInfo as _};
        let name = "REDIS_URL";
        let Some(url) = self.settings.get(name).map(str::to_owned) else {
            if self.settings.get("RAMPART_PROCESSES").is_some() {
                let text = "has no effect without REDIS_URL, where they count together; set both, or neither";
                self.problem("RAMPART_PROCESSES", text);
            }
            return None;
        };
        // The value may hold a password, so it is not repeated.
        let Ok(info) = url.as_str().into_connection_info() else {
            self.problem(
                name,
                "cannot be read; write rediss://USER:PASSWORD@HOST:6379, or redis:// on this machine",
            );
            return None;
        };
        let local = match info.addr() {
            ConnectionAddr::Tcp(host, _) => is_this_machine(host),
            _ => true,
        };
        if !local {
            self.problem(name, "names another machine without TLS; write rediss://");
        }
        if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
            self.problem(
                name,
                "does not check the server's certificate; drop #insecure",
            );
        }
        Some(url)
    }
}

#[cfg(any(
    feature = "postgres",
    feature = "probe",
    feature = "redis",
    feature = "smtp"
))]
pub(crate) fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn parse_digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}
