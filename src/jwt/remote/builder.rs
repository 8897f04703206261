//! The settings of [`RemoteKeys`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Uri;

use super::fetch::{FetchJwks, HttpFetch};
use super::{RemoteKeys, Source};
use crate::clock::{Clock, SystemClock};
use crate::config::Problems;
use crate::jwt::error::{ConfigError, Problem};

/// Collects the settings of [`RemoteKeys`].
#[derive(Debug)]
#[must_use]
pub struct RemoteKeysBuilder {
    url: String,
    fetch: Option<Arc<dyn FetchJwks>>,
    legacy_rsa: bool,
    max_stale: Duration,
    clock: Arc<dyn Clock>,
}

impl RemoteKeysBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            fetch: None,
            legacy_rsa: false,
            max_stale: Duration::from_secs(24 * 60 * 60),
            clock: Arc::new(SystemClock),
        }
    }

    /// Replaces the HTTP client.
    pub fn fetch(mut self, fetch: impl FetchJwks) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Accepts RSA keys too.
    ///
    /// # Security
    ///
    /// As [`VerifyingKey::legacy_rsa_pem`](crate::jwt::VerifyingKey::legacy_rsa_pem).
    pub fn legacy_rsa(mut self) -> Self {
        self.legacy_rsa = true;
        self
    }

    /// Sets how long keys are believed that could not be fetched again, at most
    /// 24 h, which is the default. Then requests are answered 503.
    pub fn max_stale(mut self, time: Duration) -> Self {
        self.max_stale = time;
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
    pub fn build(self) -> Result<RemoteKeys, ConfigError> {
        let mut problems = Vec::new();
        let url = self.url.parse::<Uri>().ok().filter(may_be_asked);
        if url.is_none() {
            problems.push(Problem::BadJwksUrl {
                url: self.url.clone(),
            });
        }
        if self.max_stale > Duration::from_secs(24 * 60 * 60) || self.max_stale.is_zero() {
            problems.push(Problem::MaxStale {
                time: self.max_stale,
            });
        }
        // Plain http is for this machine, which no proxy may come between.
        let plain = url.as_ref().and_then(Uri::scheme_str) == Some("http");
        let fetch = match self.fetch {
            Some(fetch) => Some(fetch),
            None => HttpFetch::make(plain)
                .map(|fetch| Arc::new(fetch) as Arc<dyn FetchJwks>)
                .map_err(|_| problems.push(Problem::NoHttpClient))
                .ok(),
        };
        let (Some(url), Some(fetch), true) = (url, fetch, problems.is_empty()) else {
            return Err(Problems::of(problems, Problem::NoHttpClient));
        };
        Ok(RemoteKeys(Arc::new(Source {
            url,
            fetch,
            legacy_rsa: self.legacy_rsa,
            max_stale: self.max_stale,
            keys: Arc::default(),
            lookups: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            fetched: tokio::sync::watch::Sender::new(0),
            looked: tokio::sync::watch::Sender::new(0),
            clock: self.clock,
        })))
    }
}

/// Keys that anybody on the way could replace are no keys.
fn may_be_asked(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => loopback,
        _ => false,
    }
}
