//! Where sessions are kept.

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::clock::UnixSeconds;

pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// The name of a session in the store: a hash, from which no token follows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RefreshId([u8; 32]);

impl RefreshId {
    pub(super) fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Returns the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A session as it is stored: one row, however often it rotates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRecord {
    /// The public identifier, `sid`.
    pub sid: String,
    /// Whose session it is.
    pub subject: String,
    /// Which refresh token is current.
    pub generation: u64,
    /// How often the previous token was presented since the last rotation.
    pub replays: u32,
    /// When the session started.
    pub created_at: UnixSeconds,
    /// When the subject last proved who they are.
    pub authenticated_at: UnixSeconds,
    /// When the current token was made.
    pub rotated_at: UnixSeconds,
    /// The second from which an unused session is over.
    pub idle_until: UnixSeconds,
    /// The second from which the session is over in any case.
    pub absolute_until: UnixSeconds,
    /// Why the session was ended, if it was.
    pub ended: Option<EndReason>,
    /// What the subject is shown to recognise the session, for instance the
    /// browser.
    pub client: String,
    /// The address it was started from.
    pub address: String,
    /// Claims that every access token of the session carries, as JSON.
    pub claims: String,
}

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
    /// The subject ended it from another session.
    Terminated,
}

impl EndReason {
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
        const ALL: [EndReason; 6] = [
            EndReason::AccountClosed,
            EndReason::CredentialsChanged,
            EndReason::Logout,
            EndReason::Reuse,
            EndReason::SecurityIncident,
            EndReason::Terminated,
        ];
        ALL.into_iter()
            .find(|reason| reason.as_str() == name)
            .unwrap_or(Self::SecurityIncident)
    }
}

/// The outcome of [`RefreshStore::rotate`].
#[derive(Clone, Debug)]
pub enum Rotation {
    /// This caller moved the generation; the row after the move.
    Won(SessionRecord),
    /// It did not; the row as it is, if there is one.
    Lost(Option<SessionRecord>),
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub enum EndSessions<'a> {
    /// The one of a refresh token.
    Refresh(&'a RefreshId),
    /// One of a subject's.
    One {
        /// Whose session.
        subject: &'a str,
        /// Which one.
        sid: &'a str,
    },
    /// All of a subject's, except one to keep.
    Subject {
        /// Whose sessions.
        subject: &'a str,
        /// Which one stays.
        keep: Option<&'a str>,
    },
}

/// A session that ended, for [`Revocations`](crate::jwt::Revocations).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndedSession {
    /// Which one.
    pub sid: String,
    /// When.
    pub at: UnixSeconds,
}

/// What a store gives back.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps sessions.
///
/// The security lives outside; a store does a few things, each **atomically**:
/// [`rotate`](Self::rotate) must let exactly one of any number of concurrent
/// callers with the same expected generation win, and
/// [`end`](Self::end) must report a session only to the caller that ended it.
/// A future that is dropped has either done all of its work or none.
pub trait RefreshStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a session.
    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()>;

    /// Moves the generation on by one, if it is `expected` and the session is
    /// alive: sets `rotated_at` to `now`, `replays` to 0, and `idle_until` to
    /// `now + idle`, but not past `absolute_until`.
    fn rotate(
        &self,
        id: RefreshId,
        expected: u64,
        now: UnixSeconds,
        idle: Duration,
    ) -> StoreFuture<'_, Rotation>;

    /// Counts a replay if the generation is still `generation` and fewer than
    /// `max` were counted; tells whether it did.
    fn note_replay(&self, id: RefreshId, generation: u64, max: u32) -> StoreFuture<'_, bool>;

    /// Sets `authenticated_at` of a live session and returns it.
    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>>;

    /// Ends sessions that are not ended yet, and returns which.
    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<String>>;

    /// Lists the live sessions of a subject, newest first.
    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>>;

    /// Lists the sessions that ended at or after a second.
    fn ended_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<EndedSession>>;
}

/// A store did not do what it was asked.
#[derive(Debug)]
pub struct StoreError {
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Wraps the cause.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session store failed")
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
