//! Reading the settings that nobody must learn.

use std::path::Path;
use std::sync::Arc;

use lettre::message::Mailbox;
use tower_rampart::jwt::SigningKey;
use tower_rampart::secret::Secret;

use crate::config::Config;
use crate::mail::MailRoute;
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

    /// Reads where mails go. Whoever can read the line to the server reads what
    /// opens accounts, so it is encrypted or does not leave this machine.
    pub(crate) fn mail_route(&mut self, production: bool, default: &Path) -> MailRoute {
        let name = "SMTP_URL";
        let url = match secrets::resolve(self.settings, name) {
            Ok(url) => url,
            Err(text) => {
                self.problem(name, text);
                None
            }
        };
        match url {
            None if production => MailRoute::Nowhere,
            None => MailRoute::Folder(default.to_owned()),
            Some(url) => self.mail_server(name, &url),
        }
    }

    #[cfg(not(feature = "smtp"))]
    fn mail_server(&mut self, _name: &str, _url: &Secret) -> MailRoute {
        // Said already, with the names that this build does not know.
        MailRoute::Nowhere
    }

    #[cfg(feature = "smtp")]
    fn mail_server(&mut self, name: &str, url: &Secret) -> MailRoute {
        // The value may hold a password, so it is not repeated.
        let form = "write smtps://USER:PASSWORD@HOST, smtp://HOST:587?tls=required, or smtp://127.0.0.1:PORT on this machine";
        let parsed = std::str::from_utf8(url.expose()).ok();
        let parsed = parsed.and_then(|text| Some((text, url::Url::parse(text).ok()?)));
        let Some((text, parsed)) = parsed else {
            self.problem(name, format!("cannot be read; {form}"));
            return MailRoute::Nowhere;
        };
        let encrypted = parsed.scheme() == "smtps"
            || parsed
                .query_pairs()
                .any(|(key, value)| key == "tls" && value == "required");
        let local = parsed
            .host_str()
            .is_some_and(crate::reader::is_this_machine);
        if !encrypted && !local {
            self.problem(name, format!("names another machine without TLS; {form}"));
        } else if lettre::AsyncSmtpTransport::<lettre::Tokio1Executor>::from_url(text).is_err() {
            self.problem(name, format!("cannot be used; {form}"));
        } else if self.settings.get("MAIL_FROM").is_none() {
            self.problem(
                "MAIL_FROM",
                "is required beside SMTP_URL; write an address, or NAME <ADDRESS>",
            );
        }
        MailRoute::Server(text.to_owned())
    }

    pub(crate) fn mail_from(&mut self) -> Mailbox {
        self.parse(
            "MAIL_FROM",
            "Rampart <rampart@localhost>",
            "write an address, or NAME <ADDRESS>",
            |text| text.parse().ok(),
        )
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
        list.map(|list| secrets::list(list.expose()))
            .unwrap_or_default()
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
