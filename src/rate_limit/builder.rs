//! The settings of [`RateLimitLayer`].

use std::sync::Arc;

use super::check::Rules;
use super::error::{ConfigError, Problem};
use super::key::Key;
use super::layer::RateLimitLayer;
use super::limiter::RateLimiter;
use super::quota::Quota;
use crate::clock::{Clock, SystemClock};
use crate::config::Problems;
use crate::identity::ClientAddrResolver;

impl RateLimitLayer {
    /// Starts a layer with the name that clients are told and its quota.
    pub fn builder(name: impl Into<String>, quota: Quota) -> RateLimitLayerBuilder {
        RateLimitLayerBuilder::new(name.into(), quota)
    }

    /// Returns the limiter, to count from a handler.
    #[must_use]
    pub fn limiter(&self) -> RateLimiter {
        self.0.limiter.clone()
    }

    /// Tells whether requests are counted by subject.
    #[must_use]
    pub fn counts_subjects(&self) -> bool {
        self.0.key == Key::Subject
    }
}

/// Collects the settings of a [`RateLimitLayer`].
#[derive(Debug)]
#[must_use]
pub struct RateLimitLayerBuilder {
    name: String,
    quota: Quota,
    key: Key,
    resolver: ClientAddrResolver,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

impl RateLimitLayerBuilder {
    pub(super) fn new(name: String, quota: Quota) -> Self {
        Self {
            name,
            quota,
            key: Key::ClientAddr,
            resolver: ClientAddrResolver::default(),
            capacity: 1 << 18,
            clock: Arc::new(SystemClock),
        }
    }

    /// Says whose requests are counted together; [`Key::ClientAddr`] by default.
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Says how client addresses are found; by default the peer is the client.
    pub fn client_addr(mut self, resolver: ClientAddrResolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Sets how many clients are remembered; 262,144 by default, 16 bytes each.
    pub fn capacity(mut self, clients: usize) -> Self {
        self.capacity = clients;
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
    pub fn build(self) -> Result<RateLimitLayer, ConfigError> {
        let mut problems = Vec::new();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(legal) {
            problems.push(Problem::Name {
                name: self.name.clone(),
            });
        }
        if !(1 << 10..=1 << 26).contains(&self.capacity) {
            problems.push(Problem::Capacity {
                capacity: self.capacity,
            });
        }
        Problems::check(problems, || {
            let limiter = RateLimiter::new(self.name, self.quota, self.capacity, self.clock);
            RateLimitLayer(Arc::new(Rules {
                limiter,
                key: self.key,
                resolver: self.resolver,
            }))
        })
    }
}
