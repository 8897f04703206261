//! What the configuration says about keys.

use std::sync::Arc;

use tower_rampart::jwt::SigningKey;
use tower_rampart::secret::Secret;

use crate::audit::{Provers, Worth};
use crate::cli::Unusable;
use crate::config::Config;
use crate::db::Db;
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

    /// Makes sure that the secret here is that of whoever wrote the database last, before
    /// anything is done with it or made: another one would revoke keys that nobody has,
    /// and prove it, while the server goes on with its own.
    ///
    /// # Errors
    ///
    /// If it is another one, or there is none.
    pub(crate) async fn must_be_known(
        config: &Config,
        db: &Db,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let provers = Self::provers(config)?;
        let Some((head, proof)) = db.audit_head().await? else {
            return Ok(());
        };
        let Some((by, _)) = proof.split_once(':') else {
            return Ok(());
        };
        if provers.judge(&head, &proof) != Worth::Unknown {
            return Ok(());
        }
        Err(Unusable(format!(
            "SECRET_KEY: is not the one (fingerprint {by}) of the server that wrote this database; run the command with \
             the settings of the server, or start the server once if its secret was replaced"
        ))
        .into())
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
