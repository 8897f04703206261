//! The rules about a configuration, and about what it names.

use std::time::Duration;

use tower_rampart::rate_limit::Quota;

use super::facts::{Database, Facts};
use super::{Finding, Level};
use crate::db::Location;
use crate::mail::MailRoute;
use crate::objects::Storage;
use crate::secrets;

/// A rule, and how it judges: what it found, if anything is wrong.
pub(super) struct Rule {
    id: &'static str,
    level: Level,
    asvs: &'static str,
    why: &'static str,
    fix: &'static str,
    judge: fn(&Facts<'_>) -> Option<String>,
}

impl Rule {
    pub(super) fn ask(&self, facts: &Facts<'_>) -> Option<Finding> {
        let found = (self.judge)(facts)?;
        let Self {
            id,
            level,
            asvs,
            why,
            fix,
            ..
        } = *self;
        Some(Finding {
            id,
            level,
            asvs,
            found,
            why,
            fix,
            excused: None,
        })
    }
}

macro_rules! rules {
    ($($id:literal $level:ident $asvs:literal $why:literal $fix:literal $judge:expr;)*) => {
        &[$(Rule { id: $id, level: Level::$level, asvs: $asvs, why: $why, fix: $fix, judge: $judge }),*]
    };
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

fn when(is: bool, found: impl Into<String>) -> Option<String> {
    is.then(|| found.into())
}

fn set<'a>(facts: &'a Facts<'_>, name: &str) -> Option<&'a str> {
    facts.config.settings.get(name)
}

fn database<'a>(facts: &'a Facts<'_>) -> Option<&'a Database> {
    facts.database.as_ref().ok()
}

fn is_sqlite(facts: &Facts<'_>) -> bool {
    matches!(facts.config.database, Location::Sqlite(_))
}

/// How many a limit allows in an hour.
fn hourly(quota: Quota) -> f64 {
    f64::from(quota.count().get()) * 3_600.0 / quota.period().as_secs_f64()
}

fn is_https(facts: &Facts<'_>) -> bool {
    facts.config.public_url.starts_with("https://")
}

/// Networks of proxies that hold more than a data centre.
fn wide_proxies(facts: &Facts<'_>) -> Option<String> {
    let wide = set(facts, "TRUSTED_PROXIES")?
        .split(',')
        .map(str::trim)
        .find(|network| {
            let (address, length) = network.split_once('/').unwrap_or((network, "128"));
            let length: u8 = length.parse().unwrap_or(128);
            if address.contains(':') {
                length < 32
            } else {
                length < 8
            }
        })?;
    Some(format!("TRUSTED_PROXIES believes {wide}"))
}

fn weak_database_password(facts: &Facts<'_>) -> Option<String> {
    let weak = secrets::weak_password(set(facts, "DATABASE_URL")?)?;
    Some(format!("DATABASE_URL: {weak}"))
}

pub(super) const ALL: &[Rule] = rules! {
    "RP001" Error "13.4.2" "Development settings make secrets, accept http and write mails into files."
        "set RAMPART_ENV=production"
        |facts| when(!facts.config.production, "RAMPART_ENV is not production");
    "RP002" Error "13.3.1" "A secret that was made at the first start is in the same place as the data it protects."
        "give SECRET_KEY from a secret store, as SECRET_KEY_FILE"
        |facts| when(facts.config.secret.is_none(), "SECRET_KEY was not given");
    "RP003" Warning "13.3.1" "Every process of the same user can read an environment, and children inherit it."
        "put it into a file, and name that in SECRET_KEY_FILE"
        |facts| {
            let names = ["SECRET_KEY", "PASSWORD_PEPPER", "SIGNING_KEY"];
            let open: Vec<_> = names.into_iter().filter(|name| set(facts, name).is_some()).collect();
            when(!open.is_empty(), format!("{} in the environment", open.join(", ")))
        };
    "RP004" Error "11.4.2" "Without a pepper, whoever has the database can guess passwords."
        "set PASSWORD_PEPPER_FILE to the output of `gen-secret`"
        |facts| when(facts.config.pepper.is_none(), "PASSWORD_PEPPER was not given");
    "RP005" Note "13.3.4" "A secret that was replaced still opens what it made."
        "take SECRET_KEY_PREVIOUS away once refresh tokens of its time are over"
        |facts| when(!facts.config.previous_secrets.is_empty(), "SECRET_KEY_PREVIOUS is still set");
    "RP006" Error "13.3.2" "Others on this machine can read accounts or secrets."
        "take their permissions away (chmod go=)"
        |facts| when(!facts.open_paths.is_empty(), format!("others can read {}", facts.open_paths.join(", ")));
    "RP007" Error "9.2.1" "A stolen access token is good for that long."
        "set ACCESS_TTL to 15m or less"
        |facts| when(facts.config.access_ttl > 15 * MINUTE, format!("ACCESS_TTL is {} s", facts.config.access_ttl.as_secs()));
    "RP008" Warning "7.3.2" "Nobody has to prove for that long who they are."
        "set REFRESH_ABSOLUTE to 90d or less"
        |facts| when(facts.config.refresh_absolute > 90 * DAY, "REFRESH_ABSOLUTE is longer than 90 days");
    "RP009" Warning "7.3.1" "A session that nobody uses can be taken over for that long."
        "set REFRESH_IDLE to 30d or less"
        |facts| when(facts.config.refresh_idle > 30 * DAY, "REFRESH_IDLE is longer than 30 days");
    "RP010" Error "10.4.5" "For that long a stolen refresh token is answered like a lost reply."
        "set REFRESH_GRACE to 30s or less"
        |facts| when(facts.config.refresh_grace > Duration::from_secs(30), format!("REFRESH_GRACE is {} s", facts.config.refresh_grace.as_secs()));
    "RP011" Error "12.2.1" "Passwords and tokens cross the network in the clear."
        "serve it behind TLS, and set RAMPART_PUBLIC_URL=https://HOST"
        |facts| when(!is_https(facts), format!("RAMPART_PUBLIC_URL is {}", facts.config.public_url));
    "RP012" Error "3.4.2" "Whoever is on the network of a visitor can act as such a page."
        "list https origins only in CORS_ORIGINS"
        |facts| {
            let plain: Vec<_> = facts.config.origins.entries().into_iter().filter(|origin| origin.starts_with("http://")).collect();
            when(!plain.is_empty(), format!("CORS_ORIGINS has {}", plain.join(", ")))
        };
    "RP013" Warning "3.4.2" "Every subdomain, also one that is forgotten or taken over, may act for its visitors."
        "list origins one by one"
        |facts| {
            let origins = facts.config.origins.entries().into_iter();
            let wild: Vec<_> = origins.filter(|origin| origin.contains('*')).collect();
            when(!wild.is_empty(), format!("CORS_ORIGINS has {}", wild.join(", ")))
        };
    "RP014" Error "4.1.3" "This program speaks no TLS, so a proxy does; without its name all clients have one address, and one limit."
        "set TRUSTED_PROXIES to the networks of your proxies"
        |facts| when(is_https(facts) && set(facts, "TRUSTED_PROXIES").is_none(), "TRUSTED_PROXIES is not set");
    "RP015" Error "4.1.3" "Whoever is in there chooses the address that limits count."
        "name the networks of your proxies only"
        wide_proxies;
    "RP016" Warning "6.3.1" "With several processes each counts for itself, and limits are as many times as high."
        "set REDIS_URL, or run one process"
        |facts| when(!is_sqlite(facts) && set(facts, "REDIS_URL").is_none(), "REDIS_URL is not set beside a shared database");
    "RP017" Error "6.3.1" "So many passwords can be tried from one address."
        "set LIMIT_LOGIN_IP to 30/15m"
        |facts| when(hourly(facts.config.limit_login_ip) > 600.0, format!("LIMIT_LOGIN_IP is {}", facts.config.limit_login_ip));
    "RP018" Error "6.3.1" "So many passwords can be tried on one account, from everywhere."
        "set LIMIT_LOGIN_ACCOUNT to 10/15m"
        |facts| when(hourly(facts.config.limit_login_account) > 100.0, format!("LIMIT_LOGIN_ACCOUNT is {}", facts.config.limit_login_account));
    "RP019" Warning "2.4.1" "A single client may take that much."
        "set LIMIT_API to 300/1m"
        |facts| when(hourly(facts.config.limit_api) > 180_000.0, format!("LIMIT_API is {}", facts.config.limit_api));
    "RP020" Warning "11.4.2" "Guessing is as fast as signing in."
        "run `password calibrate` and raise BCRYPT_COST"
        |facts| {
            let took = facts.hash?;
            when(took < Duration::from_millis(40), format!("a hash takes {} ms here", took.as_millis()))
        };
    "RP021" Warning "6.3.1" "Few sign-ins at once keep the whole server busy."
        "run `password calibrate` and lower BCRYPT_COST"
        |facts| {
            let took = facts.hash?;
            when(took > Duration::from_secs(1), format!("a hash takes {} ms here", took.as_millis()))
        };
    "RP022" Error "6.2.1" "Short passwords without a second factor are guessed (NIST SP 800-63B-4)."
        "set PASSWORD_MIN_CHARS=15"
        |facts| {
            let chars: u32 = set(facts, "PASSWORD_MIN_CHARS")?.parse().ok()?;
            when(chars < 15, format!("PASSWORD_MIN_CHARS is {chars}"))
        };
    "RP023" Error "5.2.1" "Few clients fill the store, or keep connections busy."
        "set UPLOAD_MAX_BYTES to 100MiB or less"
        |facts| when(facts.config.upload_max_bytes > 100 * 1024 * 1024, format!("UPLOAD_MAX_BYTES is {}", facts.config.upload_max_bytes));
    "RP024" Warning "5.2.6" "Whoever unpacks such a picture needs four bytes for each of them."
        "set UPLOAD_MAX_PIXELS to 100000000 or less"
        |facts| when(facts.config.upload_max_pixels > 100_000_000, format!("UPLOAD_MAX_PIXELS is {}", facts.config.upload_max_pixels));
    "RP025" Warning "5.2.4" "One account can fill the store."
        "set UPLOAD_QUOTA_BYTES to 10240MiB or less"
        |facts| when(facts.config.upload_quota_bytes > 10 * 1024 * 1024 * 1024, format!("UPLOAD_QUOTA_BYTES is {}", facts.config.upload_quota_bytes));
    "RP026" Error "16.5.2" "Several machines share the database, but each has pictures of its own."
        "set STORAGE_URL=s3://BUCKET"
        |facts| when(!is_sqlite(facts) && matches!(facts.config.objects, Storage::Folder(_)), "pictures are in a folder beside a shared database");
    "RP027" Warning "6.4.3" "Nobody can set a forgotten password, and nobody can be told of a breach."
        "set SMTP_URL and MAIL_FROM"
        |facts| when(matches!(facts.config.mail, MailRoute::Nowhere | MailRoute::Folder(_)), "SMTP_URL is not set");
    "RP028" Note "16.5.2" "One process on one machine: what it has is gone with it."
        "use Postgres for more"
        |facts| when(is_sqlite(facts), "the database is a file");
    "RP029" Error "13.2.2" "A statement that somebody smuggles in can do all that too."
        "use the roles of deploy/postgres/roles.sql"
        |facts| database(facts).and_then(|database| when(!database.misgivings.is_empty(), database.misgivings.join("; ")));
    "RP030" Error "16.5.2" "Nothing works without it."
        "read what it says; run `migrate` if tables are missing"
        |facts| match (&facts.database, is_sqlite(facts)) {
            (Err(error), false) => Some(format!("the database cannot be used: {error}")),
            (Err(error), true) if !error.ends_with("is not there yet") => Some(format!("the database cannot be used: {error}")),
            _ => None,
        };
    "RP031" Error "16.5.2" "Nothing can be uploaded or shown without it."
        "read what it says"
        |facts| facts.objects.as_ref().map(|error| format!("the object store cannot be read: {error}"));
    "RP032" Error "16.4.2" "Somebody changed what was written down."
        "treat it as an incident: `incident respond`"
        |facts| database(facts).and_then(|database| database.audit_problem.clone());
    "RP033" Warning "16.5.2" "A copy that nobody has restored is a hope."
        "run `backup` and `restore-drill` every week"
        |facts| match facts.restored {
            None => when(facts.config.production && database(facts).is_some_and(|database| database.admins > 0), "no copy was restored from this machine yet"),
            Some(age) => when(age > 8 * DAY, format!("the last copy was restored {} days ago", age.as_secs() / DAY.as_secs())),
        };
    "RP034" Error "13.2.3" "It is guessed by whoever reaches the server."
        "set another one with \\password, and put it into DATABASE_URL"
        weak_database_password;
    "RP035" Note "8.2.1" "Every administrator can end everybody's sessions and passwords."
        "disable those who left: `users disable EMAIL`"
        |facts| database(facts).and_then(|database| when(database.admins > 5, format!("there are {} administrators", database.admins)));
    "RP036" Warning "16.2.5" "Logs at that level hold much about visitors, and slow the server down."
        "set RUST_LOG=info"
        |facts| {
            let level = set(facts, "RUST_LOG")?;
            when(facts.config.production && ["debug", "trace"].iter().any(|loud| level.contains(loud)), format!("RUST_LOG is {level}"))
        };
    "RP037" Warning "16.5.2" "Everybody is told that nothing can be changed."
        "switch it off on the incident page once that is over"
        |facts| database(facts).and_then(|database| when(database.read_only, "the service is read only"));
    "RP038" Note "16.3.1" "Its report still says that something is going on."
        "`incident close ID`"
        |facts| database(facts).and_then(|database| when(database.open_incidents > 0, format!("{} incidents are open", database.open_incidents)));
    "RP039" Warning "6.3.7" "Their owners were not told."
        "look for x_rampart_mail_failed in `audit tail`"
        |facts| database(facts).and_then(|database| when(database.failed_mails > 0, format!("{} mails could not be delivered", database.failed_mails)));
    "RP040" Note "11.4.2" "They are replaced when their owners sign in; until then they have no pepper."
        "ask those who do not sign in for another password: `users force-reset`"
        |facts| database(facts).and_then(|database| when(database.old_hashes > 0 && facts.config.pepper.is_some(), format!("{} passwords are stored in an older form", database.old_hashes)));
    "RP041" Error "12.3.1" "Keys and pictures cross the network in the clear."
        "unset AWS_ALLOW_HTTP, or use an endpoint on this machine"
        |facts| {
            let allowed = set(facts, "AWS_ALLOW_HTTP")? == "true";
            let endpoint = set(facts, "AWS_ENDPOINT_URL").or_else(|| set(facts, "AWS_ENDPOINT")).unwrap_or_default();
            let local = ["http://127.0.0.1", "http://localhost", "http://[::1]", "https://"].iter().any(|start| endpoint.starts_with(start));
            when(allowed && !local, format!("AWS_ALLOW_HTTP is set for {endpoint}"))
        };
    "RP042" Note "15.1.1" "Whoever finds a hole writes to that address, or to nobody."
        "set SECURITY_CONTACT to a mailbox that somebody reads"
        |facts| when(set(facts, "SECURITY_CONTACT").is_none(), format!("security.txt names {}", facts.config.security_contact));
};
