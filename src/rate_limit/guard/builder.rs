//! The settings of [`LoginGuard`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::counting::Counting;
use super::super::error::{ConfigError, Problem};
use super::super::quota::Quota;
use super::super::stats::Tally;
use super::super::store::Memory;
use super::super::windows::{Windows, is_name};
use super::device::{DeviceKey, Devices};
use super::{Inner, LoginGuard};
use crate::clock::Clock;
use crate::config::Problems;
use crate::secret::Secret;

impl LoginGuard {
    /// Starts a guard. Its windows are called `NAME-address`,
    /// `NAME-address-account`, `NAME-account` and `NAME-device`.
    pub fn builder(name: impl Into<String>) -> LoginGuardBuilder {
        LoginGuardBuilder {
            name: name.into(),
            address: None,
            pair: None,
            account: None,
            device: None,
            device_key: None,
            previous_keys: Vec::new(),
            weak_secret: false,
            device_lifetime: Duration::from_secs(180 * 24 * 60 * 60),
            counting: Counting {
                capacity: 1 << 16,
                memory: Memory::Strict,
                ..Counting::default()
            },
        }
    }
}

/// Bytes of a secret.
const MIN_SECRET: usize = 32;

/// Collects the settings of a [`LoginGuard`].
#[must_use]
pub struct LoginGuardBuilder {
    name: String,
    address: Option<Quota>,
    pair: Option<Quota>,
    account: Option<Quota>,
    device: Option<Quota>,
    device_key: Option<DeviceKey>,
    previous_keys: Vec<DeviceKey>,
    weak_secret: bool,
    device_lifetime: Duration,
    counting: Counting,
}

impl LoginGuardBuilder {
    /// Limits every attempt by address; IPv6 as in
    /// [`Key::ClientAddr`](crate::rate_limit::Key::ClientAddr). Leave it out only
    /// where a [`RateLimitLayer`](crate::rate_limit::RateLimitLayer) outside
    /// does this already.
    pub fn address(mut self, quota: Quota) -> Self {
        self.address = Some(quota);
        self
    }

    /// Limits failures by address and account. Lower than by account, it keeps
    /// one address from using up what an account has.
    pub fn address_account(mut self, quota: Quota) -> Self {
        self.pair = Some(quota);
        self
    }

    /// Limits failures by account, whatever the address. Required.
    pub fn account(mut self, quota: Quota) -> Self {
        self.account = Some(quota);
        self
    }

    /// Gives browsers that have signed in to an account a count of their own,
    /// by a cookie signed with this secret, so that failing on purpose does not
    /// keep the owner out.
    pub fn devices(mut self, secret: &Secret) -> Self {
        self.device_key = Some(DeviceKey::new(secret));
        self.weak_secret |= secret.len() < MIN_SECRET;
        self
    }

    /// Believes device cookies signed with a secret that was replaced.
    pub fn previous_devices(mut self, secret: &Secret) -> Self {
        self.previous_keys.push(DeviceKey::new(secret));
        self.weak_secret |= secret.len() < MIN_SECRET;
        self
    }

    /// Limits failures by known device; as by account by default.
    pub fn device(mut self, quota: Quota) -> Self {
        self.device = Some(quota);
        self
    }

    /// Says how long a device stays known; 180 days after its last sign-in by
    /// default.
    pub fn device_lifetime(mut self, lifetime: Duration) -> Self {
        self.device_lifetime = lifetime;
        self
    }

    /// Sets the size of the table of counters; 65,536 by default, 48 bytes each.
    pub fn capacity(mut self, counters: usize) -> Self {
        self.counting.capacity = counters;
        self
    }

    /// Says what happens when the table is full; [`Memory::Strict`] by default.
    pub fn memory(mut self, memory: Memory) -> Self {
        self.counting.memory = memory;
        self
    }

    /// Counts together with other processes.
    #[cfg(feature = "redis")]
    pub fn redis(
        mut self,
        limits: &super::super::redis::RedisLimits,
        on_failure: super::super::redis::OnFailure,
    ) -> Self {
        self.counting.redis = Some((limits.clone(), on_failure));
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.counting.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<LoginGuard, ConfigError> {
        let mut problems = self.counting.problems();
        let name = self.name;
        if self.weak_secret {
            problems.push(Problem::WeakSecret);
        }
        // The longest suffix has to fit too.
        if !is_name(&format!("{name}-address-account")) || name.is_empty() {
            problems.push(Problem::Name { name: name.clone() });
        }
        if self.account.is_none() {
            problems.push(Problem::NoQuota);
        }
        let has_devices = self.device_key.is_some();
        let unsigned = self.device.is_some() || !self.previous_keys.is_empty();
        if !has_devices && unsigned || self.device_lifetime < Duration::from_secs(1) {
            problems.push(Problem::Devices);
        }
        let device = self.device.or(self.account).filter(|_| has_devices);
        let mut windows: Vec<(String, Quota)> = Vec::new();
        let places = [
            ("address", self.address),
            ("address-account", self.pair),
            ("account", self.account),
            ("device", device),
        ]
        .map(|(suffix, quota)| {
            windows.push((format!("{name}-{suffix}"), quota?));
            Some(windows.len() - 1)
        });
        if self.counting.memory == Memory::Strict {
            let strict = windows.iter().filter(|(_, quota)| quota.is_strict());
            problems.extend(strict.map(|(name, _)| Problem::StrictQuota { name: name.clone() }));
        }
        Problems::check(problems, || {
            let counters = Arc::new(self.counting.counters());
            LoginGuard(Arc::new(Inner {
                windows: Arc::new(Windows::new(windows, &counters)),
                places,
                counters,
                devices: self.device_key.map(|key| {
                    let keys = std::iter::once(key).chain(self.previous_keys);
                    Devices::new(keys.collect(), self.device_lifetime)
                }),
                tally: Tally::default(),
            }))
        })
    }
}

impl fmt::Debug for LoginGuardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginGuardBuilder")
            .field("name", &self.name)
            .field("address", &self.address)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
