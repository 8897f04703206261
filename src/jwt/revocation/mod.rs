//! What ends access tokens before they expire, and why.

mod shards;
mod view;

use crate::clock::UnixSeconds;

pub use view::{Revocations, RevokedToken};

/// Why a session was ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// The account was closed or locked.
    AccountClosed,
    /// The password changed.
    CredentialsChanged,
    /// The subject signed out.
    Logout,
    /// A superseded refresh token was used.
    Reuse,
    /// Everybody had to sign in again.
    SecurityIncident,
    /// The subject, or an operator, ended it from elsewhere.
    Terminated,
}

impl EndReason {
    /// Every reason, in the order of their names.
    pub const ALL: [Self; 6] = [
        Self::AccountClosed,
        Self::CredentialsChanged,
        Self::Logout,
        Self::Reuse,
        Self::SecurityIncident,
        Self::Terminated,
    ];

    /// Returns the name used in stores and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountClosed => "account_closed",
            Self::CredentialsChanged => "credentials_changed",
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::SecurityIncident => "security_incident",
            Self::Terminated => "terminated",
        }
    }

    /// Reads a name; an unknown one counts as an incident, the strictest.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .unwrap_or(Self::SecurityIncident)
    }
}

/// Something that ended, as a store tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// What ended.
    pub what: Revoked,
    /// Why.
    pub reason: EndReason,
    /// When, by the clock of whoever ended it.
    pub at: UnixSeconds,
}

/// What a [`Revocation`] ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Revoked {
    /// One session.
    Session {
        /// Its `sid`.
        sid: String,
        /// Whose it was.
        subject: String,
    },
    /// Every session of a subject whose epoch is lower.
    Subject {
        /// Whose.
        subject: String,
        /// The lowest epoch that is still good.
        epoch: u64,
        /// The `sid` of the session that goes on although its tokens are older.
        keep: Option<String>,
    },
    /// Every session whose common epoch is lower.
    Everyone {
        /// The lowest epoch that is still good.
        epoch: u64,
    },
}
