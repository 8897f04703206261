//! The settings of [`RateLimitLayer`].

use std::sync::Arc;

use super::check::Rules;
use super::error::{ConfigError, Problem};
use super::key::Key;
use super::layer::RateLimitLayer;
use super::limiter::{MAX_WINDOWS, RateLimiter};
use super::quota::Quota;
use super::window::Window;
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
    windows: Vec<(String, Quota)>,
    key: Key,
    resolver: ClientAddrResolver,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

impl RateLimitLayerBuilder {
    pub(super) fn new(name: String, quota: Quota) -> Self {
        Self {
            windows: vec![(name, quota)],
            key: Key::ClientAddr,
            resolver: ClientAddrResolver::default(),
            capacity: 1 << 18,
            clock: Arc::new(SystemClock),
        }
    }

    /// Adds a window with a name and a quota of its own, for instance a long one
    /// beside a short one. A request has to be within all of them, and is
    /// counted in all of them or in none.
    pub fn and(mut self, name: impl Into<String>, quota: Quota) -> Self {
        self.windows.push((name.into(), quota));
        self
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

    /// Sets how many counters are kept; 262,144 by default, 16 bytes each. A
    /// client takes one for each window, and over IPv6 three.
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
        for (index, (name, _)) in self.windows.iter().enumerate() {
            if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
                problems.push(Problem::Name { name: name.clone() });
            } else if self.windows[..index].iter().any(|(other, _)| other == name) {
                problems.push(Problem::RepeatedName { name: name.clone() });
            }
        }
        if self.windows.len() > MAX_WINDOWS {
            problems.push(Problem::Windows {
                windows: self.windows.len(),
            });
        }
        if !(1 << 10..=1 << 26).contains(&self.capacity) {
            problems.push(Problem::Capacity {
                capacity: self.capacity,
            });
        }
        Problems::check(problems, || {
            let clock = self.clock;
            let windows = self.windows.into_iter();
            let windows = windows.map(|(name, quota)| Window::new(name, quota, &clock));
            RateLimitLayer(Arc::new(Rules {
                limiter: RateLimiter::new(windows.collect(), self.capacity),
                key: self.key,
                resolver: self.resolver,
            }))
        })
    }
}
