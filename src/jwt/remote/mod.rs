//! Keys of another issuer, fetched from its JWK set (RFC 7517 §5).
//!
//! Readers never wait for the network: they take the keys that are there. The
//! set is fetched again before it is stale, and at most once in 30 s because a
//! token names a key that nobody knows. Only that token waits, for a second.
//!
//! # What it does not stop
//!
//! An issuer that publishes a thief's key. Whoever controls the address, or
//! its TLS certificate, decides whom you believe.

mod builder;
mod fetch;
mod lookup;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{StatusCode, Uri, header};
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::jwk_set::JwkSet;
use super::key_set::KeySet;
use super::key_set_builder::KeySetBuilder;
use super::keys::{FindKeys, Keys, Looking};
use crate::clock::Clock;
use crate::secret::random_bytes;

use lookup::{Lookups, Next};

pub use builder::RemoteKeysBuilder;
pub use fetch::{FetchJwks, Fetched, HttpFetch};

/// The longest time that one fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time that a request waits for a key that it names.
const WAIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The largest set that is read, in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// The limits of how long a set is fresh, and what holds if it does not say.
const FRESH: std::ops::RangeInclusive<u64> = 60..=24 * 60 * 60;
const FRESH_BY_DEFAULT: u64 = 10 * 60;

/// How soon a fetch that failed is tried again in the background.
const RETRY: Duration = Duration::from_secs(30);

/// The keys of another issuer. Clones share them.
///
/// # Examples
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_rampart::jwt::{JwtLayer, RemoteKeys, Verifier};
///
/// let remote = RemoteKeys::builder("https://issuer.example/.well-known/jwks.json").build()?;
/// // Refuses to start without keys; leave it out to start anyway and answer 503.
/// remote.refresh().await?;
/// let following = remote.follow();
///
/// let verifier = Verifier::builder(remote.keys()).issuer("https://issuer.example").audience("api").build()?;
/// let layer = JwtLayer::builder(verifier).build()?;
/// # drop((following, layer));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteKeys(Arc<Source>);

/// Where the keys come from, and what is known about it.
struct Source {
    url: Uri,
    fetch: Arc<dyn FetchJwks>,
    legacy_rsa: bool,
    max_stale: Duration,
    keys: Arc<ArcSwap<Keys>>,
    lookups: Mutex<Lookups>,
    /// Held by whoever fetches.
    turn: tokio::sync::Mutex<()>,
    /// Counts the sets that were taken over.
    fetched: tokio::sync::watch::Sender<u64>,
    /// Counts the lookups that ended, well or badly.
    looked: tokio::sync::watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

impl RemoteKeys {
    /// Starts with the address of a JWK set: https, or http on this machine.
    pub fn builder(url: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(url.into())
    }

    /// Returns the set of keys for a [`Verifier`](super::Verifier).
    ///
    /// # Security
    ///
    /// Without [`follow`](Self::follow) the set is fetched again only when a
    /// token names an unknown key, so a key that the issuer withdrew may be
    /// believed for as long as [`max_stale`](RemoteKeysBuilder::max_stale) says.
    #[must_use]
    pub fn keys(&self) -> KeySet {
        let source: Arc<dyn FindKeys> = Arc::new(Finder(Arc::clone(&self.0)));
        KeySet::from_source(Arc::clone(&self.0.keys), source)
    }

    /// Fetches the set now, and returns for how long it is fresh.
    ///
    /// # Errors
    ///
    /// [`FetchError`]; the keys that were there stay.
    pub async fn refresh(&self) -> Result<Duration, FetchError> {
        self.0.refresh().await
    }

    /// Fetches the set in the background, each time before it is stale, until
    /// what this returns is dropped.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn follow(&self) -> Following {
        let source = Arc::clone(&self.0);
        Following(tokio::spawn(async move {
            loop {
                let wait = match source.refresh().await {
                    Ok(fresh) => ahead(fresh),
                    Err(_) => RETRY,
                };
                sleep(wait).await;
            }
        }))
    }
}

/// Four fifths of the time, give or take a tenth: many processes that started
/// together do not ask together for ever.
fn ahead(fresh: Duration) -> Duration {
    let [random] = random_bytes::<1>();
    fresh.mul_f64(0.72 + 0.16 * f64::from(random) / 255.0)
}

/// Fetches in the background for as long as it lives.
#[derive(Debug)]
#[must_use = "dropping it ends the fetching"]
pub struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Source {
    fn lookups(&self) -> std::sync::MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches, takes over what can be used, and wakes who waits for it.
    async fn refresh(&self) -> Result<Duration, FetchError> {
        // One at a time, so that no old answer overwrites a newer one.
        let _turn = self.turn.lock().await;
        let outcome = self.load().await;
        match &outcome {
            Ok(_) => self.fetched.send_modify(|count| *count += 1),
            Err(error) => crate::trace::degraded("jwks", error),
        }
        outcome
    }

    async fn load(&self) -> Result<Duration, FetchError> {
        let failed = |source| FetchError::Failed { source };
        let fetched = timeout(FETCH_TIMEOUT, self.fetch.get(&self.url)).await;
        let answer = fetched.map_err(|_| FetchError::TimedOut)?.map_err(failed)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        if answer.body().len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        let text = std::str::from_utf8(answer.body()).map_err(|error| failed(error.into()))?;
        let set = if self.legacy_rsa {
            JwkSet::parse_with_legacy_rsa(text)
        } else {
            JwkSet::parse(text)
        };
        let set = set.map_err(|error| failed(error.into()))?;
        for skipped in set.skipped() {
            crate::trace::degraded("jwks-key", skipped.problem());
        }
        let keys = set.keys().iter().cloned();
        let keys = keys.fold(KeySet::builder(), KeySetBuilder::verifying);
        let keys = keys.build().map_err(|error| failed(error.into()))?;
        let until = self.clock.unix_now().plus(self.max_stale);
        let new = keys.until(until);
        self.keys.rcu(|old| new.after(old));
        let fresh = fresh(answer.headers().get(header::CACHE_CONTROL));
        Ok(fresh.min(self.max_stale))
    }
}

/// Reads `max-age` (RFC 9111 §5.2.2.1).
fn fresh(cache_control: Option<&http::HeaderValue>) -> Duration {
    let directives = cache_control.and_then(|value| value.to_str().ok());
    let max_age = directives
        .into_iter()
        .flat_map(|text| text.split(','))
        .find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok());
    Duration::from_secs(
        max_age
            .unwrap_or(FRESH_BY_DEFAULT)
            .clamp(*FRESH.start(), *FRESH.end()),
    )
}

/// Looks for keys on behalf of a [`KeySet`].
#[derive(Debug)]
struct Finder(Arc<Source>);

impl FindKeys for Finder {
    fn find(&self, kid: &str) -> Option<Looking> {
        let source = &self.0;
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let now = source.clock.unix_now();
        let loaded = source.keys.load().is_usable(now);
        let (mut done, fetched) = (source.looked.subscribe(), source.fetched.subscribe());
        let elapsed = source.clock.monotonic();
        // Not in the scrutinee: a runtime that is shutting down drops the flight
        // at once, which takes the same lock.
        let next = source.lookups().next(kid, loaded, elapsed);
        match next {
            Next::GiveUp => return None,
            Next::Wait => {}
            Next::Fetch => {
                // In a task of its own: the client may go away, others wait too.
                let flight = Flight(Arc::clone(source));
                drop(runtime.spawn(async move { flight.0.refresh().await.is_ok() }));
            }
        }
        let (source, kid) = (Arc::clone(source), kid.to_owned());
        Some(Box::pin(async move {
            let ended = timeout(WAIT_TIMEOUT, done.changed()).await.is_ok();
            // An issuer that did not answer did not say that it lacks the key.
            let answered = fetched.has_changed().unwrap_or_default();
            if ended && answered && source.keys.load().find(Some(&kid)).is_none() {
                let now = source.clock.monotonic();
                source.lookups().note_unknown(kid, now);
            }
        }))
    }
}

/// A fetch under way. However it ends, by a panic or with its runtime, others
/// may try again.
struct Flight(Arc<Source>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.lookups().ended();
        self.0.looked.send_modify(|count| *count += 1);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A JWK set could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The request failed, or what came is no JWK set with a usable key.
    #[error("the JWK set could not be fetched")]
    Failed {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer was not 200.
    #[error("the JWK set was answered with {0}")]
    Status(StatusCode),
    /// The answer took over 5 s.
    #[error("the JWK set did not come within 5 s")]
    TimedOut,
    /// The answer has over 256 KiB.
    #[error("the JWK set has over 256 KiB")]
    TooLarge,
}
