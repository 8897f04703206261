//! Where sessions are kept.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod shared;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::clock::UnixSeconds;
use crate::jwt::{EndReason, Revocation};

pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use redis::RedisStore;
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
    /// Whether the client has the current token.
    pub receipt: Receipt,
    /// The epochs at which the session was still good.
    pub epochs: Epochs,
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

/// Whether the current refresh token may be handed out a second time, because
/// the answer that brought it seems lost.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Receipt {
    /// It may: nobody has used it, or an access token that came with it.
    #[default]
    Unconfirmed,
    /// It was.
    Repeated,
    /// It must not: an access token that came with it was used, or its
    /// predecessor was handed out twice. Two losses in a row look like two
    /// parties who take turns.
    Confirmed,
}

/// How often sessions were ended as a whole. A session that started at a lower
/// number than the present one is over.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Epochs {
    /// All sessions of the subject.
    pub subject: u64,
    /// Everybody's.
    pub common: u64,
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
#[non_exhaustive]
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
    /// All there are.
    Everyone,
}

/// What a store gives back.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps sessions.
///
/// The security lives outside; a store does a few things, each **atomically**:
/// of any number of concurrent [`rotate`](Self::rotate) calls for one
/// generation, in however many processes, exactly one wins, and what it wrote
/// is what the others then read. A call whose future is dropped, or that fails,
/// has either happened or not; both are fine, half of it is not.
///
/// A session is *over* if it was ended, if its time is up, or if it is of an
/// earlier epoch than its subject's or everybody's; a record that a store
/// returns says so in [`ended`](SessionRecord::ended), for the last with the
/// reason of the epoch. Epochs only ever grow, and what happens while one
/// changes may still succeed: its tokens carry the old number and are refused
/// later.
///
/// No subject is empty.
///
/// Sessions that are over are remembered for a day, so that a late replay is
/// told apart from a token that never existed.
pub trait RefreshStore: fmt::Debug + Send + Sync + 'static {
    /// Tells whether anybody but this process can end sessions, or did before it
    /// started. If so, access tokens are refused until
    /// [`sync_revocations`](super::TokenIssuer::sync_revocations) was called.
    fn is_shared(&self) -> bool {
        true
    }

    /// Adds a session.
    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()>;

    /// Returns the present epochs of a subject; 0 and 0 for one never seen.
    fn epochs<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Epochs>;

    /// Moves the generation on by one, if it is `expected` and the session is
    /// not over: sets `rotated_at` to `now`, `replays` to 0, `receipt` to
    /// unconfirmed, or to confirmed if it was repeated, and `idle_until` to
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

    /// Makes the current token one that is handed out again: if the generation
    /// is still `generation` and its receipt unconfirmed, sets the receipt to
    /// repeated, `rotated_at` to `now` and `replays` to 0; tells whether it did.
    fn repeat(&self, id: RefreshId, generation: u64, now: UnixSeconds) -> StoreFuture<'_, bool>;

    /// Confirms the receipt of a generation, if it is the current one and its
    /// receipt unconfirmed.
    fn confirm<'a>(&'a self, sid: &'a str, generation: u64) -> StoreFuture<'a, ()>;

    /// Returns a session, over or not.
    fn find<'a>(&'a self, sid: &'a str) -> StoreFuture<'a, Option<SessionRecord>>;

    /// Sets `authenticated_at` of a session that is not over, and returns it.
    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>>;

    /// Ends sessions that were not ended yet, and returns what that revokes.
    ///
    /// Ending all of a subject's, or everybody's, raises the epoch by one; the
    /// one to keep, if it is not over, is taken along. Both happen, or neither.
    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<Revocation>>;

    /// Lists a subject's sessions that are not over, newest first.
    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>>;

    /// Returns what was revoked at or after a second.
    fn revoked_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<Revocation>>;
}

/// How long a session that is over is remembered.
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

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
