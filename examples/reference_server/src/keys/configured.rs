//! What the configuration says about keys.

use std::sync::Arc;

use tower_rampart::jwt::SigningKey;
use tower_rampart::secret::Secret;

use crate::audit::Provers;
use crate::config::Config;
use crate::secrets;

/// The keys that are configured.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    pub(super) secret: Arc<Secret>,
    pub(super) previous: Vec<Arc<Secret>>,
    pub(super) signing: Option<SigningKey>,
    /// Names of keys, or the secrets that make them.
    pub(super) revoked: Vec<Arc<Secret>>,
}

impl Configured {
    /// Takes the keys out of a configuration; a development server's secret is
    /// made at its first start.
    ///
    /// # Errors
    ///
    /// If that secret can neither be read nor written.
    pub(crate) fn of(config: &Config) -> std::io::Result<Self> {
        let secret = match &config.secret {
            Some(secret) => Arc::clone(secret),
            None => Arc::new(secrets::load_or_create(
                &config.data_dir.join("secret-key"),
            )?),
        };
        Ok(Self {
            secret,
            previous: config.previous_secrets.clone(),
            signing: config.signing_key.clone(),
            revoked: config.revoked_keys.clone(),
        })
    }

    /// Returns the same, to keep.
    pub(crate) fn shared_secret(&self) -> Arc<Secret> {
        Arc::clone(&self.secret)
    }

    /// Returns what proves the end of the audit log: the secret, and those before it.
    pub(crate) fn proving(&self) -> Vec<Arc<Secret>> {
        let all = std::iter::once(&self.secret).chain(&self.previous);
        all.cloned().collect()
    }

    /// Returns the same without making anything: nothing while there is no secret yet.
    ///
    /// # Errors
    ///
    /// If the secret cannot be read.
    pub(crate) fn provers(config: &Config) -> std::io::Result<Provers> {
        let made = config.data_dir.join("secret-key").exists();
        if config.secret.is_none() && !made {
            return Ok(Provers::default());
        }
        Ok(Provers::new(Self::of(config)?.proving()))
    }

    /// Returns the secret that makes new tokens.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn kid(&self) -> Option<&str> {
        Some(self.signing.as_ref()?.verifying_key().kid())
    }
}

impl PartialEq for Configured {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
            && self.previous == other.previous
            && self.kid() == other.kid()
            && self.revoked == other.revoked
    }
}
