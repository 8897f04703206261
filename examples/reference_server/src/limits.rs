//! Where limits are counted: in this process, or by all that share a Redis.

use tower_rampart::rate_limit::RateLimitLayerBuilder;
use tower_rampart::rate_limit::{LoginGuard, LoginGuardBuilder, Quota, RateLimitLayer};
#[cfg(feature = "redis")]
use tower_rampart::rate_limit::{OnFailure, RedisLimits};
use tower_rampart::secret::Secret;

use crate::config::Config;

/// Starts limits, all counted in the same place.
#[derive(Debug)]
pub(crate) struct Limits {
    #[cfg(feature = "redis")]
    shared: Option<RedisLimits>,
}

impl Limits {
    /// Counts in this process.
    pub(crate) fn alone() -> Self {
        Self {
            #[cfg(feature = "redis")]
            shared: None,
        }
    }

    /// Counts where the configuration says. A Redis that does not answer now is
    /// tried again; until then this process allows its part.
    ///
    /// # Errors
    ///
    /// If the URL of the Redis cannot be used.
    #[cfg(feature = "redis")]
    pub(crate) async fn connect(
        config: &Config,
        secret: &Secret,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let Some(url) = &config.redis else {
            return Ok(Self::alone());
        };
        // An error means that somebody was faster.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let shared = RedisLimits::builder(url, secret).processes(config.processes);
        Ok(Self {
            shared: Some(shared.connect().await?),
        })
    }

    /// Counts in this process: the build has no other way.
    ///
    /// # Errors
    ///
    /// None.
    #[cfg(not(feature = "redis"))]
    pub(crate) async fn connect(
        _config: &Config,
        _secret: &Secret,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self::alone())
    }

    /// Starts a limit.
    pub(crate) fn limit(&self, name: &str, quota: Quota) -> RateLimitLayerBuilder {
        let limit = RateLimitLayer::builder(name, quota);
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            return limit.redis(shared, OnFailure::Local);
        }
        limit
    }

    /// Starts a guard.
    pub(crate) fn guard(&self, name: &str) -> LoginGuardBuilder {
        let guard = LoginGuard::builder(name);
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            return guard.redis(shared, OnFailure::Local);
        }
        guard
    }
}
