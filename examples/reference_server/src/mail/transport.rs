//! How mails leave.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use lettre::Message;
#[cfg(feature = "smtp")]
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::db::private_folder;

/// Where mails go, as configured.
#[derive(Clone)]
pub(crate) enum MailRoute {
    /// Into files, one each.
    Folder(PathBuf),
    /// To a server, by its URL. Never printed: it may hold a password.
    #[cfg(feature = "smtp")]
    Server(String),
    /// Nowhere: they wait.
    Nowhere,
}

impl std::fmt::Debug for MailRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for MailRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            #[cfg(feature = "smtp")]
            Self::Server(_) => f.write_str("through SMTP_URL"),
            Self::Nowhere => f.write_str("waits: SMTP_URL is not set"),
        }
    }
}

/// Takes mails away.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Folder(PathBuf),
    #[cfg(feature = "smtp")]
    Server(AsyncSmtpTransport<Tokio1Executor>),
    Nowhere,
}

/// Why a mail did not leave.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// Trying again may help.
    Later(String),
    /// It never will be taken.
    Never(String),
}

/// Whether a server refuses this mail for good. That it refuses us, or does not serve
/// anybody, is no reason to give mails up: somebody mends that (RFC 5321 section 4.2.3,
/// RFC 4954 section 6).
#[cfg(feature = "smtp")]
fn is_about_the_mail(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(|code| code.to_string());
    error.is_permanent()
        && code.is_some_and(|code| matches!(code.as_str(), "550" | "551" | "552" | "553"))
}

impl Transport {
    /// Gets ready to send; connects to nobody yet.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made, or the URL cannot be used.
    pub(crate) fn open(route: &MailRoute) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(match route {
            MailRoute::Folder(path) => {
                private_folder(path)?;
                Self::Folder(path.clone())
            }
            #[cfg(feature = "smtp")]
            MailRoute::Server(url) => {
                // An error means that somebody was faster.
                let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?;
                Self::Server(transport.timeout(Some(super::delivery::PATIENCE)).build())
            }
            MailRoute::Nowhere => Self::Nowhere,
        })
    }

    /// Tells whether mails can leave at all.
    pub(crate) fn goes_somewhere(&self) -> bool {
        !matches!(self, Self::Nowhere)
    }

    /// Sends a mail; in a folder it has the name of its identifier.
    pub(super) async fn send(&self, id: &str, message: Message) -> Result<(), Undelivered> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(format!("{id}.eml"));
                let written = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&path);
                let written = written.and_then(|mut file| file.write_all(&message.formatted()));
                written.map_err(|error| Undelivered::Later(format!("{}: {error}", path.display())))
            }
            #[cfg(feature = "smtp")]
            Self::Server(server) => match server.send(message).await {
                Ok(_) => Ok(()),
                Err(error) if is_about_the_mail(&error) => {
                    Err(Undelivered::Never(error.to_string()))
                }
                Err(error) => Err(Undelivered::Later(error.to_string())),
            },
            Self::Nowhere => Err(Undelivered::Later("SMTP_URL is not set".to_owned())),
        }
    }
}
