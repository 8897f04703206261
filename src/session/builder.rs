//! The settings of [`TokenIssuer`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::error::{ConfigError, Problem};
use super::events::SecurityEventSender;
use super::flights::Flights;
use super::issuer::{Inner, TokenIssuer};
use super::receipts::Receipts;
use super::refresh_token::RefreshKeys;
use super::rotation::Windows;
use super::store::RefreshStore;
use crate::clock::{Clock, SystemClock, UnixSeconds};
use crate::config::Problems;
use crate::jwt::{KeySet, Revocations, SigningKey, Verifier, check_secret};
use crate::secret::Secret;

/// How far the clocks of this service's processes may differ.
const LEEWAY: Duration = Duration::from_secs(5);

/// Collects the settings of a [`TokenIssuer`].
#[derive(Debug)]
#[must_use]
pub struct TokenIssuerBuilder {
    store: Arc<dyn RefreshStore>,
    secret: Option<Secret>,
    previous: Vec<Secret>,
    keys: Option<KeySet>,
    issuer: String,
    audience: String,
    access: Duration,
    idle: Duration,
    absolute: Duration,
    windows: Windows,
    stale_after: Option<Duration>,
    events: Option<SecurityEventSender>,
    clock: Arc<dyn Clock>,
}

impl TokenIssuerBuilder {
    pub(super) fn new(store: Arc<dyn RefreshStore>) -> Self {
        Self {
            store,
            secret: None,
            previous: Vec::new(),
            keys: None,
            issuer: String::new(),
            audience: String::new(),
            access: Duration::from_secs(10 * 60),
            idle: Duration::from_secs(14 * 24 * 60 * 60),
            absolute: Duration::from_secs(90 * 24 * 60 * 60),
            windows: Windows {
                grace: Duration::from_secs(10),
                lost_reply: Duration::from_secs(24 * 60 * 60),
            },
            stale_after: Some(Duration::from_secs(30)),
            events: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the secret from which the keys are derived, one key a purpose.
    /// Required.
    pub fn secret(mut self, secret: &Secret) -> Self {
        self.secret = Some(Secret::new(secret.expose().to_vec()));
        self
    }

    /// Adds a secret whose tokens are still accepted: refresh tokens as long as
    /// it is here, access tokens until those issued before this start are over.
    pub fn previous_secret(mut self, secret: &Secret) -> Self {
        self.previous.push(Secret::new(secret.expose().to_vec()));
        self
    }

    /// Signs access tokens with these keys instead of derived ones.
    pub fn keys(mut self, keys: KeySet) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Sets `iss`. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Sets `aud`. Required.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Sets how long an access token lives; 10 min by default, at most 24 h.
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.access = lifetime;
        self
    }

    /// Sets how long a session lives without use; 14 d by default.
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle = lifetime;
        self
    }

    /// Sets how long a session lives in any case; 90 d by default.
    pub fn absolute_lifetime(mut self, lifetime: Duration) -> Self {
        self.absolute = lifetime;
        self
    }

    /// Sets how long the previous refresh token is answered with the same
    /// successor; 10 s by default, at most 60 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.windows.grace = grace;
        self
    }

    /// Sets how long the previous refresh token is answered once more after the
    /// grace period, if its successor was never used: the answer was lost. 24 h
    /// by default, at most 7 d, and 0 never. Two losses in a row are not
    /// forgiven: so look a thief and an owner who take turns.
    ///
    /// Only holds if [`TokenIssuer::jwt_layer`] guards the routes, since it is
    /// what sees that a successor is used.
    pub fn lost_reply(mut self, window: Duration) -> Self {
        self.windows.lost_reply = window;
        self
    }

    /// Sets for how long access tokens are accepted although
    /// [`sync_revocations`](TokenIssuer::sync_revocations) fails; 30 s by
    /// default. After that, and before it was called at all, every token is
    /// answered 503. A store of this process alone needs no such call.
    pub fn stale_after(mut self, limit: Duration) -> Self {
        self.stale_after = Some(limit);
        self
    }

    /// Accepts access tokens however long nobody could tell which sessions were
    /// ended, and if nobody ever did.
    ///
    /// # Security
    ///
    /// Whoever can keep the store from answering can use a revoked access token
    /// until it expires.
    pub fn dangerous_accept_stale_revocations(mut self) -> Self {
        self.stale_after = None;
        self
    }

    /// Sends what happens to sessions to a channel of
    /// [`security_events`](super::security_events).
    pub fn events(mut self, events: SecurityEventSender) -> Self {
        self.events = Some(events);
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<TokenIssuer, ConfigError> {
        let mut problems = self.lifetime_problems();
        if self.secret.is_none() {
            problems.push(Problem::SecretMissing);
        }
        if self.keys.as_ref().is_some_and(|keys| !keys.can_sign()) {
            problems.push(Problem::NoSigningKey);
        }
        for secret in self.secret.iter().chain(&self.previous) {
            if let Err(weak) = check_secret(secret) {
                problems.extend(weak.into_problems().into_iter().map(Problem::Jwt));
            }
        }
        let Some(secret) = self.secret.as_ref().filter(|_| problems.is_empty()) else {
            return Err(Problems::of(problems, Problem::SecretMissing));
        };
        let jwt = |error: crate::jwt::ConfigError| error.map(Problem::Jwt);
        let token_lifetime = self.access + 2 * LEEWAY;
        let derived = self.keys.is_none();
        let keys = match self.keys {
            Some(keys) => keys,
            None => {
                let until = self.clock.unix_now().plus(token_lifetime);
                access_keys(secret, &self.previous, until).map_err(jwt)?
            }
        };
        let verifier = Verifier::builder(keys.clone())
            .issuer(&self.issuer)
            .audience(&self.audience)
            .leeway(LEEWAY)
            .max_lifetime(self.access)
            .build()
            .map_err(jwt)?;
        Ok(TokenIssuer::from_inner(Inner {
            refresh_keys: ArcSwap::from_pointee(RefreshKeys::from_secrets(
                std::iter::once(secret).chain(&self.previous),
            )),
            keys,
            derived,
            verifier,
            revocations: match self.stale_after {
                Some(limit) if self.store.is_shared() => {
                    Revocations::fed_every(token_lifetime, limit, Arc::clone(&self.clock))
                }
                _ => Revocations::new(token_lifetime),
            },
            all_synced_at: Mutex::default(),
            receipts: Receipts::new(Arc::clone(&self.store)),
            flights: Flights::default(),
            events: self.events,
            store: self.store,
            issuer: self.issuer,
            audience: self.audience,
            access: self.access,
            idle: self.idle,
            absolute: self.absolute,
            windows: self.windows,
            clock: self.clock,
        }))
    }

    fn lifetime_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60)).contains(&self.access) {
            problems.push(Problem::AccessLifetime {
                lifetime: self.access,
            });
        }
        if self.idle < self.access || self.idle > self.absolute {
            problems.push(Problem::Lifetimes {
                idle: self.idle,
                absolute: self.absolute,
            });
        }
        let Windows { grace, lost_reply } = self.windows;
        if grace > Duration::from_secs(60) {
            problems.push(Problem::Grace { grace });
        }
        if lost_reply > Duration::from_secs(7 * 24 * 60 * 60) {
            let window = lost_reply;
            problems.push(Problem::LostReply { window });
        }
        problems
    }
}

/// Derives the keys of access tokens: nothing that a previous secret signed
/// can be alive after `until`.
pub(super) fn access_keys(
    secret: &Secret,
    previous: &[Secret],
    until: UnixSeconds,
) -> Result<KeySet, crate::jwt::ConfigError> {
    let mut keys = KeySet::builder().signing(SigningKey::derived(secret, b"")?);
    for secret in previous {
        let key = SigningKey::derived(secret, b"")?;
        keys = keys.verifying_until(key.verifying_key().clone(), until);
    }
    keys.build()
}
