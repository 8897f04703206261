//! What goes into a session, and what comes out.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::store::{Epochs, SessionRecord};

/// What is known about a session when it starts.
#[derive(Clone, Debug)]
#[must_use]
pub struct NewSession {
    pub(super) subject: String,
    pub(super) client: String,
    pub(super) address: String,
    pub(super) claims: Map<String, Value>,
    pub(super) epochs: Option<Epochs>,
}

impl NewSession {
    /// Starts with whose session it is.
    pub fn of(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            client: String::new(),
            address: String::new(),
            claims: Map::new(),
            epochs: None,
        }
    }

    /// Says by what the subject will recognise the session.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self
    }

    /// Says which address the session was started from.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Says when the proof began: the answer of [`TokenIssuer::epochs`] from
    /// before the password was looked at. If the subject's sessions are ended
    /// meanwhile, for instance because the password changed, this one is over
    /// as it starts.
    ///
    /// [`TokenIssuer::epochs`]: super::TokenIssuer::epochs
    pub fn proved_since(mut self, epochs: Epochs) -> Self {
        self.epochs = Some(epochs);
        self
    }

    /// Adds a claim to every access token of the session, such as `roles`.
    /// The registered claims (`iss`, `sub`, `exp` and so on) cannot be set.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }
}

/// An access token, and how long it lives.
#[derive(Clone, Eq, PartialEq)]
pub struct AccessToken {
    pub(super) text: String,
    pub(super) lifetime: Duration,
}

impl AccessToken {
    /// Returns the compact token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns how long the token lives, from now.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// A pair of tokens, and the session they belong to.
#[derive(Clone)]
pub struct IssuedTokens {
    pub(super) access: AccessToken,
    pub(super) refresh: String,
    pub(super) refresh_lifetime: Duration,
    pub(super) record: SessionRecord,
}

impl IssuedTokens {
    /// Returns the access token.
    #[must_use]
    pub fn access_token(&self) -> &AccessToken {
        &self.access
    }

    /// Returns the refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        &self.refresh
    }

    /// Returns how long the refresh token lives if it is not used.
    #[must_use]
    pub fn refresh_lifetime(&self) -> Duration {
        self.refresh_lifetime
    }

    /// Returns the session.
    #[must_use]
    pub fn session(&self) -> &SessionRecord {
        &self.record
    }
}

impl fmt::Debug for IssuedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedTokens")
            .field("session", &self.record.sid)
            .finish_non_exhaustive()
    }
}
