//! Reading the settings that nobody must learn.

use std::sync::Arc;

use tower_rampart::jwt::SigningKey;
use tower_rampart::secret::Secret;

use crate::config::Config;
use crate::reader::Reader;
use crate::secrets;

impl Reader<'_> {
    pub(crate) fn secret(&mut self, name: &str, required: bool) -> Option<Secret> {
        let found = match secrets::resolve(self.settings, name) {
            Ok(found) => found,
            Err(text) => {
                self.problem(name, text);
                return None;
            }
        };
        match &found {
            Some(secret) => self.check_secret(name, secret),
            None if required => self.problem(
                name,
                format!("is required in production; set {name} or {name}_FILE to the output of `reference-server gen-secret`"),
            ),
            None => {}
        }
        found
    }

    fn check_secret(&mut self, name: &str, secret: &Secret) {
        if let Err(problems) = tower_rampart::jwt::KeySet::from_secret(secret) {
            self.problem(
                name,
                format!("{problems}: run `reference-server gen-secret`"),
            );
        }
    }

    pub(crate) fn previous(&mut self, name: &str) -> Vec<Arc<Secret>> {
        let secrets = self.secret_list(name);
        for secret in &secrets {
            self.check_secret(name, secret);
        }
        secrets.into_iter().map(Arc::new).collect()
    }

    /// Whoever learns one secret must not have learned another with it.
    pub(crate) fn peppers(&mut self, config: &Config) {
        let secrets = config.secret.iter().chain(&config.previous_secrets);
        let secrets: Vec<_> = secrets.collect();
        for (name, peppers) in [
            ("PASSWORD_PEPPER", config.pepper.as_slice()),
            ("PASSWORD_PEPPER_PREVIOUS", &config.previous_peppers),
        ] {
            if peppers.iter().any(|pepper| secrets.contains(&pepper)) {
                self.problem(
                    name,
                    "repeats a SECRET_KEY; run `reference-server gen-secret` again",
                );
            }
        }
        let mut all = config
            .pepper
            .iter()
            .chain(&config.previous_peppers)
            .enumerate();
        let known: Vec<_> = config
            .pepper
            .iter()
            .chain(&config.previous_peppers)
            .collect();
        if all.any(|(index, pepper)| known[..index].contains(&pepper)) {
            let text = "repeats a pepper; keep each once";
            self.problem("PASSWORD_PEPPER_PREVIOUS", text);
        }
    }

    pub(crate) fn revoked_keys(&mut self) -> Vec<Arc<Secret>> {
        let revoked = self.secret_list("SECRET_KEY_REVOKED");
        revoked.into_iter().map(Arc::new).collect()
    }

    /// Reads a secret setting that is a list, separated by commas.
    fn secret_list(&mut self, name: &str) -> Vec<Secret> {
        let list = match secrets::resolve(self.settings, name) {
            Ok(list) => list,
            Err(text) => {
                self.problem(name, text);
                None
            }
        };
        let bytes = list.as_ref().map_or(&b""[..], Secret::expose);
        let entries = bytes.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        entries
            .filter(|entry| !entry.is_empty())
            .map(|entry| Secret::new(entry.to_vec()))
            .collect()
    }

    pub(crate) fn signing_key(&mut self) -> Option<SigningKey> {
        let name = "SIGNING_KEY";
        let text = match secrets::resolve(self.settings, name) {
            Ok(text) => text?,
            Err(text) => {
                self.problem(name, text);
                return None;
            }
        };
        let text = String::from_utf8_lossy(text.expose());
        let key = if text.trim_start().starts_with('{') {
            SigningKey::from_jwk(&text)
        } else {
            SigningKey::from_pem(&text)
        };
        key.map_err(|problems| self.problem(name, problems.to_string()))
            .ok()
    }
}
