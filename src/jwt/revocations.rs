//! Sessions that ended before their access tokens did.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::clock::UnixSeconds;

/// The sessions whose access tokens are refused. Clones share it.
///
/// An entry is kept for as long as a token of its session can live, so the
/// size is bounded by the sessions that end in that time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_rampart::clock::UnixSeconds;
/// use tower_rampart::jwt::Revocations;
///
/// let revocations = Revocations::new(Duration::from_secs(600));
/// revocations.revoke("session-1", UnixSeconds::new(1_000));
/// assert!(revocations.contains("session-1"));
/// revocations.revoke("session-2", UnixSeconds::new(1_601));
/// assert!(!revocations.contains("session-1"));
/// ```
#[derive(Clone, Debug)]
pub struct Revocations {
    keep: Duration,
    sessions: Arc<RwLock<HashMap<String, UnixSeconds>>>,
}

impl Revocations {
    /// Starts an empty list that keeps each session for as long as its access
    /// tokens may live, leeway included.
    #[must_use]
    pub fn new(keep: Duration) -> Self {
        Self {
            keep,
            sessions: Arc::default(),
        }
    }

    /// Refuses the access tokens of a session from now on.
    pub fn revoke(&self, session: &str, now: UnixSeconds) {
        self.revoke_all([(session.to_owned(), now)], now);
    }

    /// Refuses the access tokens of sessions that ended at the given times, and
    /// forgets those whose tokens have all expired.
    pub fn revoke_all(
        &self,
        ended: impl IntoIterator<Item = (String, UnixSeconds)>,
        now: UnixSeconds,
    ) {
        let mut sessions = self
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, until| *until >= now);
        sessions.extend(
            ended
                .into_iter()
                .map(|(session, at)| (session, at.plus(self.keep))),
        );
    }

    /// Tells whether a session ended.
    #[must_use]
    pub fn contains(&self, session: &str) -> bool {
        self.sessions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(session)
    }

    /// Returns how long an entry is kept.
    #[must_use]
    pub fn keep(&self) -> Duration {
        self.keep
    }
}
