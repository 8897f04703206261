//! The secrets that are mixed into passwords.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tower_rampart::password::PasswordHasher;
use tower_rampart::secret::Secret;

use crate::config::Config;
use crate::db::Location;
use crate::secrets;

/// Builds what hashes passwords, with the configured peppers. In development the
/// pepper is made at the first start; there is none for a database at a server,
/// whose other users would not know it.
///
/// # Errors
///
/// If the file of a development server can neither be read nor written.
pub(crate) fn hasher(
    config: &Config,
    cost: u8,
) -> Result<PasswordHasher, Box<dyn std::error::Error>> {
    let builder = PasswordHasher::builder().cost(cost);
    let builder = match (&config.pepper, generated(config)) {
        (Some(pepper), _) => builder.pepper(name(pepper), Arc::clone(pepper)),
        (None, Some(path)) => {
            let pepper = Arc::new(secrets::load_or_create(&path)?);
            builder.pepper(name(&pepper), pepper)
        }
        (None, None) => builder,
    };
    let builder = config
        .previous_peppers
        .iter()
        .fold(builder, |builder, pepper| {
            builder.retired_pepper(name(pepper), Arc::clone(pepper))
        });
    Ok(builder.build()?)
}

/// Where the pepper of a development server is, if it makes its own.
pub(crate) fn generated(config: &Config) -> Option<PathBuf> {
    let embedded = matches!(config.database, Location::Sqlite(_));
    let own = config.pepper.is_none() && embedded;
    own.then(|| config.data_dir.join("password-pepper"))
}

/// Names a pepper after itself, so that nobody has to: it can be replaced without
/// telling which one a hash was made with. 48 bits of a digest of 256 random ones
/// help nobody to guess it.
fn name(pepper: &Secret) -> String {
    let digest = Sha256::new_with_prefix(b"name of a pepper\0").chain_update(pepper.expose());
    let digest = digest.finalize();
    digest[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
