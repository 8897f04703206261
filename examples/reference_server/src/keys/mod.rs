//! The keys of access tokens: those of the configuration, and those rotated in.
//!
//! A rotated key is derived from the secret and a random salt, and only the
//! salt is in the database: who has one of the two has no key.

mod configured;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tower_rampart::clock::{Clock as _, SystemClock, UnixSeconds};
use tower_rampart::jwt::{ConfigError, KeySet, KeySetBuilder, SigningKey};
use tower_rampart::secret::{Secret, random_bytes};
use tower_rampart::session::TokenIssuer;

use crate::audit::Audit;
use crate::config::Config;
use crate::db::{Db, KeyRow};
use crate::health::Readiness;
use crate::secrets;
use crate::settings::Settings;

pub(crate) use configured::Configured;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long before a rotated key signs, in seconds: every process asks for new
/// keys several times in that time.
const LEAD: u64 = 2;

/// How long before an asymmetric key signs that took another one's place: for
/// so long others may keep the published set.
const PUBLISHED_LEAD: Duration = Duration::from_secs(300);

/// How often the database, and every how many times of that the files.
const EVERY: Duration = Duration::from_millis(500);
const FILES_EVERY: u32 = 4;

/// The keys as this process knows them.
#[derive(Debug)]
pub(crate) struct Keys {
    configured: Configured,
    /// Until when keys of the secret may have signed, if they do not any more.
    symmetric_until: UnixSeconds,
    /// When this process saw each previous secret first: what was signed
    /// before is over some time after that.
    previous: Vec<(Arc<Secret>, UnixSeconds)>,
    /// Asymmetric keys, and from when they sign.
    signing: Vec<(SigningKey, UnixSeconds)>,
    /// Secrets that others took the place of, and when.
    replaced: Vec<(Arc<Secret>, UnixSeconds)>,
    rows: Vec<KeyRow>,
    token_lifetime: Duration,
}

impl Keys {
    /// Starts with a configuration and what the database says.
    pub(crate) fn new(configured: Configured, rows: Vec<KeyRow>, access_ttl: Duration) -> Self {
        // The first one may sign at once: nobody knows an older one. Second 0
        // belongs to the key of the secret, which signs if all else is revoked.
        let first = configured.signing.clone();
        let started = SystemClock.unix_now();
        let previous = configured.previous.iter();
        Self {
            symmetric_until: started,
            previous: previous
                .map(|secret| (Arc::clone(secret), started))
                .collect(),
            signing: first
                .into_iter()
                .map(|key| (key, UnixSeconds::new(1)))
                .collect(),
            replaced: Vec::new(),
            rows,
            token_lifetime: access_ttl + Duration::from_secs(10),
            configured,
        }
    }

    /// Takes over a changed configuration. The keys before it go on verifying
    /// what they signed.
    fn reconfigure(&mut self, configured: Configured, now: UnixSeconds) {
        if configured.secret != self.configured.secret {
            let replaced = Arc::clone(&self.configured.secret);
            // One that had been replaced before, and came back, signed until now.
            self.replaced.retain(|(secret, _)| *secret != replaced);
            self.replaced.push((replaced, now));
        }
        let since = |secret: &Arc<Secret>| {
            let known = self.previous.iter().find(|(known, _)| known == secret);
            (Arc::clone(secret), known.map_or(now, |(_, since)| *since))
        };
        self.previous = configured.previous.iter().map(since).collect();
        // A key that is taken away without another one signs until the next start.
        if let Some(key) = &configured.signing
            && configured.kid() != self.configured.kid()
        {
            let kid = key.verifying_key().kid();
            self.signing
                .retain(|(key, _)| key.verifying_key().kid() != kid);
            let from = if self.signing.is_empty() {
                self.symmetric_until = now;
                now
            } else {
                now.plus(PUBLISHED_LEAD)
            };
            self.signing.push((key.clone(), from));
        }
        self.configured = configured;
    }

    /// Puts the set together, and makes sure that a key is left that signs.
    ///
    /// # Errors
    ///
    /// If the secrets are too weak, or every key that signs is revoked.
    pub(crate) fn key_set(&self) -> Result<KeySet> {
        let set = self.assemble()?;
        if !set.can_sign() {
            return Err(
                "SECRET_KEY_REVOKED names every key that signs; set another SECRET_KEY, or run \
                 `keys rotate` first"
                    .into(),
            );
        }
        Ok(set)
    }

    fn assemble(&self) -> std::result::Result<KeySet, ConfigError> {
        let mut set = Assembly {
            keys: KeySet::builder().token_lifetime(self.token_lifetime),
            kids: HashSet::new(),
            starts: HashSet::new(),
        };
        for (key, from) in &self.signing {
            set.signing(key.clone(), *from);
        }
        let is_symmetric = self.signing.is_empty();
        self.each_key(&self.configured.secret, |key, from| {
            if is_symmetric || from == UnixSeconds::new(0) {
                set.signing(key, from);
            } else {
                // It signed until the configuration named a key of another kind.
                set.verifying(&key, self.symmetric_until.plus(self.token_lifetime));
            }
        })?;
        for (secret, at) in self.replaced.iter().chain(&self.previous) {
            self.each_key(secret, |key, _| {
                set.verifying(&key, at.plus(self.token_lifetime));
            })?;
        }
        for entry in &self.configured.revoked {
            if let Ok(kid) = std::str::from_utf8(entry.expose()) {
                set.revoke(kid);
            }
            // What is strong enough may be a secret itself.
            if SigningKey::derived(entry, b"").is_ok() {
                self.each_key(entry, |key, _| set.compromised(&key))?;
            }
        }
        for row in self.rows.iter().filter(|row| row.revoked_at.is_some()) {
            set.revoke(&row.kid);
        }
        set.keys.build()
    }

    /// Makes each key of a secret, with the time from which it signs.
    fn each_key(
        &self,
        secret: &Secret,
        mut each: impl FnMut(SigningKey, UnixSeconds),
    ) -> std::result::Result<(), ConfigError> {
        let own = SigningKey::derived(secret, b"")?;
        let kid = own.verifying_key().kid().to_owned();
        each(own, UnixSeconds::new(0));
        for row in self.rows.iter().filter(|row| row.secret_kid == kid) {
            if let Some(salt) = &row.salt {
                each(SigningKey::derived(secret, salt)?, row.sign_from());
            }
        }
        Ok(())
    }

    /// Returns the secrets whose refresh tokens are accepted beside the
    /// current one's: those that are configured as previous, and those that
    /// were replaced while this process ran.
    fn previous(&self) -> Vec<Secret> {
        let current = self.configured.secret();
        let others = self.configured.previous.iter();
        let mut previous: Vec<Secret> = Vec::new();
        for secret in others.chain(self.replaced.iter().map(|(secret, _)| secret)) {
            if **secret != *current && !previous.contains(secret) {
                previous.push(Secret::new(secret.expose()));
            }
        }
        previous
    }

    /// Hands the keys to the issuer.
    ///
    /// # Errors
    ///
    /// As [`Keys::key_set`]; the issuer keeps what it has.
    pub(crate) fn apply(&self, issuer: &TokenIssuer) -> Result<()> {
        let set = self.key_set()?;
        issuer.replace_secrets(self.configured.secret(), &self.previous())?;
        issuer.keys().replace(&set)?;
        Ok(())
    }

    /// Makes a row for a key that signs soon, or at once.
    pub(crate) fn rotation(&self, at_once: bool) -> Result<KeyRow> {
        let now = SystemClock.unix_now().as_u64();
        let lead = if at_once { 0 } else { LEAD };
        // Two keys cannot begin in the same second. One that a wrong clock made
        // begin far ahead must not push this one there too.
        let mut from = now + lead;
        while self.rows.iter().any(|row| row.sign_from().as_u64() == from) {
            from += 1;
        }
        let salt = random_bytes::<16>().to_vec();
        let secret = self.configured.secret();
        let own = SigningKey::derived(secret, b"")?;
        let key = SigningKey::derived(secret, &salt)?;
        Ok(KeyRow {
            kid: key.verifying_key().kid().to_owned(),
            secret_kid: own.verifying_key().kid().to_owned(),
            salt: Some(salt),
            sign_from: i64::try_from(from)?,
            created_at: i64::try_from(now)?,
            revoked_at: None,
        })
    }

    /// Tells whether the keys that sign come from the configuration.
    pub(crate) fn is_asymmetric(&self) -> bool {
        self.configured.signing.is_some()
    }
}

/// A set in the making, which takes every key once.
struct Assembly {
    keys: KeySetBuilder,
    kids: HashSet<String>,
    starts: HashSet<UnixSeconds>,
}

impl Assembly {
    fn signing(&mut self, key: SigningKey, from: UnixSeconds) {
        if self.kids.insert(key.verifying_key().kid().to_owned()) {
            let mut from = from;
            while !self.starts.insert(from) {
                from = from.plus(Duration::from_secs(1));
            }
            self.change(|keys| keys.signing_from(key, from));
        }
    }

    fn verifying(&mut self, key: &SigningKey, until: UnixSeconds) {
        let key = key.verifying_key();
        if self.kids.insert(key.kid().to_owned()) {
            self.change(|keys| keys.verifying_until(key.clone(), until));
        }
    }

    fn compromised(&mut self, key: &SigningKey) {
        let key = key.verifying_key();
        if self.kids.insert(key.kid().to_owned()) {
            self.change(|keys| keys.compromised(key.clone()));
        } else {
            self.revoke(key.kid());
        }
    }

    fn revoke(&mut self, kid: &str) {
        self.change(|keys| keys.revoked(kid));
    }

    fn change(&mut self, change: impl FnOnce(KeySetBuilder) -> KeySetBuilder) {
        let keys = std::mem::replace(&mut self.keys, KeySet::builder());
        self.keys = change(keys);
    }
}

/// Follows the database and the files that the configuration names. What cannot
/// be used is told once, and the keys stay as they are.
pub(crate) async fn follow(
    mut keys: Keys,
    settings: Settings,
    db: Db,
    issuer: TokenIssuer,
    readiness: Readiness,
    audit: Audit,
) {
    let mut every = tokio::time::interval(EVERY);
    let (mut told, mut silent) = (String::new(), false);
    for round in 1_u32.. {
        every.tick().await;
        let mut changed = false;
        match db.signing_keys().await {
            Ok(rows) if rows != keys.rows => {
                keys.rows = rows;
                changed = true;
            }
            Ok(_) => silent = false,
            Err(error) if !silent => {
                tracing::warn!(%error, "the signing keys cannot be read; they stay");
                silent = true;
            }
            Err(_) => {}
        }
        if round.is_multiple_of(FILES_EVERY) {
            match reread(&settings) {
                Ok(configured) if configured != keys.configured => {
                    let was = secrets::fingerprint(&keys.configured.secret);
                    let is = secrets::fingerprint(&configured.secret);
                    tracing::info!(was, is, "the secrets of the configuration changed");
                    audit.provers().replace(configured.proving());
                    keys.reconfigure(configured, SystemClock.unix_now());
                    changed = true;
                    told.clear();
                }
                Ok(_) => told.clear(),
                Err(problems) if problems == told => {}
                Err(problems) => {
                    tracing::error!(%problems, "changed settings cannot be used; the keys stay");
                    told = problems;
                }
            }
        }
        readiness.note_outdated(!told.is_empty());
        if changed {
            match keys.apply(&issuer) {
                Ok(()) => tracing::info!("the keys of access tokens changed"),
                Err(error) => tracing::error!(%error, "the keys of access tokens stay"),
            }
        }
    }
}

/// Reads the settings again: those in files may have changed.
pub(crate) fn reread(settings: &Settings) -> std::result::Result<Configured, String> {
    let fresh = Config::load(settings).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        problems.join("; ")
    })?;
    Configured::of(&fresh).map_err(|error| error.to_string())
}
