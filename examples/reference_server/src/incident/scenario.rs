//! What may happen, and what is done about it.

use clap::ValueEnum;
use serde::Deserialize;

use crate::mail::SIGNED_OUT;

/// What is proved: by an account that exists only for that.
pub(super) const BEFORE: &str = "before: access token";
pub(super) const OLD_ACCESS: &str = "old access token is refused";
pub(super) const OLD_REFRESH: &str = "old refresh token is refused";
pub(super) const OLD_PASSWORD: &str = "old password is refused";
pub(super) const NEW_PASSWORD: &str = "a new password can be set";
pub(super) const FRESH: &str = "a fresh sign-in works";

/// What happened.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Somebody has a key that signs access tokens.
    SigningKeyLeak,
    /// Somebody has read the database: addresses and password hashes.
    DbDumpLeak,
    /// Somebody has the pepper, but not the database.
    PepperLeak,
    /// Somebody uses an administrator's account.
    AdminAccount,
}

impl Scenario {
    pub(crate) const ALL: [Self; 4] = [
        Self::SigningKeyLeak,
        Self::DbDumpLeak,
        Self::PepperLeak,
        Self::AdminAccount,
    ];

    /// Finds a scenario by its name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SigningKeyLeak => "signing-key-leak",
            Self::DbDumpLeak => "db-dump-leak",
            Self::PepperLeak => "pepper-leak",
            Self::AdminAccount => "admin-account",
        }
    }

    /// What is done, in this order.
    pub(crate) fn steps(self) -> &'static [&'static str] {
        match self {
            Self::SigningKeyLeak => &["revoke_key", "revoke_everyone", "notify"],
            Self::DbDumpLeak => &["force_reset_everyone", "notify"],
            Self::PepperLeak => &["check_pepper"],
            Self::AdminAccount => &["force_reset"],
        }
    }

    /// What is proved after that, in this order.
    fn proofs(self) -> &'static [&'static str] {
        match self {
            Self::SigningKeyLeak => &[OLD_ACCESS, OLD_REFRESH, FRESH],
            Self::DbDumpLeak | Self::AdminAccount => {
                &[OLD_ACCESS, OLD_REFRESH, OLD_PASSWORD, NEW_PASSWORD, FRESH]
            }
            Self::PepperLeak => &[FRESH],
        }
    }

    /// Every step that a response notes.
    pub(crate) fn all_steps(self) -> impl Iterator<Item = &'static str> {
        let first = std::iter::once(BEFORE);
        first
            .chain(self.steps().iter().copied())
            .chain(self.proofs().iter().copied())
    }

    /// What no program can do.
    pub(crate) fn by_hand(self) -> &'static [&'static str] {
        match self {
            Self::SigningKeyLeak => &[
                "if SECRET_KEY itself leaked: set another one, list the old one in SECRET_KEY_REVOKED, restart",
                "if SIGNING_KEY leaked: put another key in its place",
            ],
            Self::DbDumpLeak => &[
                "change the passwords of the database's roles",
                "set another PASSWORD_PEPPER if it may have been read too; list the old one in PASSWORD_PEPPER_PREVIOUS",
                "tell the data protection authority within 72 hours, if the law asks for it (GDPR, Article 33)",
            ],
            Self::PepperLeak => &["if the database leaked too: respond to db-dump-leak as well"],
            Self::AdminAccount => &[
                "read what the account did: `audit tail -n 1000`",
                "ask its owner over another channel",
            ],
        }
    }

    /// Whether owners have to set another password, for which they need a mail.
    pub(crate) fn takes_passwords(self) -> bool {
        matches!(self, Self::DbDumpLeak | Self::AdminAccount)
    }

    /// The template that everybody gets.
    pub(crate) fn template(self) -> Option<&'static str> {
        match self {
            Self::SigningKeyLeak => Some(SIGNED_OUT),
            Self::DbDumpLeak => Some("breach"),
            Self::PepperLeak | Self::AdminAccount => None,
        }
    }
}
