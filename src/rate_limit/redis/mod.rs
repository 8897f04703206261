//! Counters that several processes share, in Redis or Valkey.
//!
//! Each decision is one script, so the server makes it atomic, by its own clock.
//! Any number of processes admit together what one would. A refusal is
//! remembered for up to a second here and not asked again; a caller who asks
//! very often is granted several requests at once, which are then spent here.
//!
//! An answer that takes longer than 25 ms is not waited for, and after five of
//! those within a second, or a lost connection, the server is not asked until
//! it answers again. What happens meanwhile is for [`OnFailure`] to say.

mod lease;
mod link;
mod shared;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ::redis::RedisError;

use self::link::{Link, Settings};
pub(super) use self::shared::{Refused, Shared};
use crate::secret::Secret;

/// What a limit does while the server does not answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Each process allows its part of the quota by itself: one in
    /// [`processes`](RedisLimitsBuilder::processes), and at least one request.
    #[default]
    Local,
    /// Everything is refused, with 503.
    Refuse,
    /// Everything is allowed, uncounted. A [`LoginGuard`](super::LoginGuard)
    /// refuses even so.
    DangerousAllow,
}

/// Counters in Redis or Valkey, version 6.2 or later, for any number of limits.
/// Clones share the connection, which is to one server, not to a cluster.
///
/// Keys and addresses are hashed with the secret before they are sent; with
/// another secret, everybody begins anew. Counters expire by themselves, as soon
/// as nothing is owed. What Redis evicts is forgotten: set `maxmemory-policy
/// noeviction`.
///
/// # Examples
///
/// ```no_run
/// # async fn example(secret: tower_rampart::secret::Secret) -> Result<(), Box<dyn std::error::Error>> {
/// use tower_rampart::rate_limit::{OnFailure, RateLimitLayer, RedisLimits};
///
/// let shared = RedisLimits::builder("redis://127.0.0.1:6379", &secret)
///     .processes(3)
///     .connect()
///     .await?;
/// let layer = RateLimitLayer::builder("api", "300/1m".parse()?)
///     .redis(&shared, OnFailure::Local)
///     .build()?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisLimits(Arc<Link>);

/// Collects the settings of [`RedisLimits`].
#[must_use]
pub struct RedisLimitsBuilder {
    url: String,
    settings: Settings,
}

impl RedisLimits {
    /// Starts a connection. Processes that count together need the same secret;
    /// with another one they count anew.
    pub fn builder(url: impl Into<String>, secret: &Secret) -> RedisLimitsBuilder {
        RedisLimitsBuilder {
            url: url.into(),
            settings: Settings::new(secret),
        }
    }

    /// Tells whether the server answers.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    /// Returns how often the server was asked.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.calls()
    }

    pub(super) fn shared(&self, on_failure: OnFailure) -> Shared {
        Shared::new(Arc::clone(&self.0), on_failure)
    }
}

impl RedisLimitsBuilder {
    /// Says how many processes count together; 3 by default. While the server is
    /// away each allows that part of the quota.
    pub fn processes(mut self, processes: u32) -> Self {
        self.settings.processes = NonZeroU32::new(processes);
        self
    }

    /// Begins every key with this; `rampart` by default. Limits of the same name
    /// under the same prefix are one limit.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// Says how long an answer is waited for; 25 ms by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Counts by this clock instead of the server's.
    #[cfg(feature = "test-util")]
    pub fn clock(mut self, clock: impl crate::clock::Clock) -> Self {
        self.settings.clock = Some(Arc::new(clock));
        self
    }

    /// Connects, or goes on without the server until it answers.
    ///
    /// # Errors
    ///
    /// [`RedisLimitsError`] if the URL is none, or a setting makes no sense.
    pub async fn connect(self) -> Result<RedisLimits, RedisLimitsError> {
        if self.settings.processes.is_none() {
            return Err(RedisLimitsError::Processes);
        }
        if self.settings.deadline < Duration::from_millis(1) {
            return Err(RedisLimitsError::Deadline);
        }
        let link = Link::connect(&self.url, self.settings).await?;
        Ok(RedisLimits(link))
    }
}

/// A setting of [`RedisLimits`] that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisLimitsError {
    /// The URL of a server cannot be used.
    #[error(
        "write a Redis URL as redis://HOST:6379, or with TLS, by a feature of `redis`, as rediss://USER:PASSWORD@HOST:6379: {0}"
    )]
    Url(#[from] RedisError),
    /// There are no processes.
    #[error("0 processes count nothing; write how many there are")]
    Processes,
    /// No answer is fast enough.
    #[error("a deadline of less than 1 ms is met by no server; 25 ms are usual")]
    Deadline,
}

impl fmt::Debug for RedisLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimits")
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisLimitsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("RedisLimitsBuilder").finish_non_exhaustive()
    }
}
