//! The process's own view of what was revoked.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::shards::Shards;
use super::{EndReason, Revocation, Revoked};
use crate::clock::{Clock, UnixSeconds};
use crate::jwt::Claims;

/// What a process knows about tokens that ended early. Clones share it.
///
/// A check reads memory only and waits for nobody. An entry is kept for as long
/// as a token that it concerns can live, so the size is bounded by what is
/// revoked in that time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_rampart::clock::UnixSeconds;
/// use tower_rampart::jwt::{EndReason, Revocations};
///
/// let revocations = Revocations::new(Duration::from_secs(600));
/// revocations.revoke("session-1", EndReason::Logout, UnixSeconds::new(1_000));
/// assert!(revocations.contains("session-1"));
/// revocations.revoke("session-2", EndReason::Logout, UnixSeconds::new(1_601));
/// assert!(!revocations.contains("session-1"));
/// ```
#[derive(Clone)]
pub struct Revocations(Arc<View>);

struct View {
    keep: Duration,
    sessions: Shards<SessionEntry>,
    subjects: Shards<SubjectEntry>,
    everyone: ArcSwapOption<EveryoneEntry>,
    /// Held by whoever writes.
    writing: Mutex<()>,
    /// When nothing was missing last, by the monotonic clock; 0 is never.
    fed_at: AtomicU64,
    feed: Option<Feed>,
}

/// What is demanded of whoever feeds the view.
struct Feed {
    limit: Duration,
    clock: Arc<dyn Clock>,
}

impl Feed {
    fn millis(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}

#[derive(Clone)]
struct SessionEntry {
    reason: EndReason,
    until: UnixSeconds,
}

#[derive(Clone)]
struct SubjectEntry {
    epoch: u64,
    keep: Option<String>,
    reason: EndReason,
    until: UnixSeconds,
}

struct EveryoneEntry {
    epoch: u64,
    reason: EndReason,
    until: UnixSeconds,
}

/// Why a genuine token is not accepted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RevokedToken {
    /// Its session was ended.
    Ended(EndReason),
    /// Nobody could tell for too long whether it was, or nobody ever did.
    Unknown,
}

impl Revocations {
    /// Starts an empty view that keeps each entry for as long as access tokens
    /// may live, leeway included.
    #[must_use]
    pub fn new(keep: Duration) -> Self {
        Self::with(keep, None)
    }

    /// Starts an empty view that has to be [fed](Self::fed): it refuses every
    /// token before the first time, and when the last time is longer ago than
    /// `limit`.
    #[must_use]
    pub fn fed_every(keep: Duration, limit: Duration, clock: impl Clock) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Self::with(keep, Some(Feed { limit, clock }))
    }

    fn with(keep: Duration, feed: Option<Feed>) -> Self {
        Self(Arc::new(View {
            keep,
            sessions: Shards::default(),
            subjects: Shards::default(),
            everyone: ArcSwapOption::empty(),
            writing: Mutex::default(),
            fed_at: AtomicU64::new(0),
            feed,
        }))
    }

    /// Refuses the access tokens of a session from now on.
    pub fn revoke(&self, session: &str, reason: EndReason, now: UnixSeconds) {
        let what = Revoked::Session {
            sid: session.to_owned(),
            subject: String::new(),
        };
        let at = now;
        self.apply([Revocation { what, reason, at }], now);
    }

    /// Adds what ended, and forgets what concerns only tokens that expired. To
    /// hear something twice changes nothing.
    pub fn apply(&self, revocations: impl IntoIterator<Item = Revocation>, now: UnixSeconds) {
        let view = &*self.0;
        let (mut sessions, mut subjects) = (Vec::new(), Vec::new());
        let guard = view.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for Revocation { what, reason, at } in revocations {
            // Whoever ended it may have waited for the store, and a token that
            // was made meanwhile lives from then.
            let until = at.max(now).plus(view.keep);
            match what {
                Revoked::Session { sid, .. } => {
                    sessions.push((sid, SessionEntry { reason, until }));
                }
                Revoked::Subject {
                    subject,
                    epoch,
                    keep,
                } => {
                    let entry = SubjectEntry {
                        epoch,
                        keep,
                        reason,
                        until,
                    };
                    subjects.push((subject, entry));
                }
                Revoked::Everyone { epoch } => {
                    let known = view.everyone.load();
                    if known.as_ref().is_none_or(|known| known.epoch < epoch) {
                        let entry = EveryoneEntry {
                            epoch,
                            reason,
                            until,
                        };
                        view.everyone.store(Some(Arc::new(entry)));
                    }
                }
            }
        }
        view.sessions
            .add(sessions, |present, _| present.until >= now);
        view.subjects.add(subjects, |present, new| {
            present.epoch > new.epoch || present.epoch == new.epoch && present.until >= now
        });
        view.sessions.retain(|entry| entry.until >= now);
        view.subjects.retain(|entry| entry.until >= now);
        drop(guard);
    }

    /// Says that everything that ended until now has been applied.
    pub fn fed(&self) {
        if let Some(feed) = &self.0.feed {
            // Never 0, which is never.
            self.0.fed_at.store(feed.millis().max(1), Ordering::Relaxed);
        }
    }

    /// Tells whether a session was ended by itself.
    #[must_use]
    pub fn contains(&self, session: &str) -> bool {
        self.0.sessions.with(session, |entry| entry.is_some())
    }

    /// Decides about a genuine token. One without `sid` belongs to no session;
    /// one without epochs has epoch 0.
    ///
    /// # Errors
    ///
    /// [`RevokedToken`], with the reason if it is known.
    pub fn check(&self, claims: &Claims, now: UnixSeconds) -> Result<(), RevokedToken> {
        let view = &*self.0;
        if let Some(feed) = &view.feed {
            let fed_at = view.fed_at.load(Ordering::Relaxed);
            let age = Duration::from_millis(feed.millis().saturating_sub(fed_at));
            if fed_at == 0 || age > feed.limit {
                return Err(RevokedToken::Unknown);
            }
        }
        if let Some(everyone) = &*view.everyone.load()
            && claims.common_epoch() < everyone.epoch
            && everyone.until >= now
        {
            return Err(RevokedToken::Ended(everyone.reason));
        }
        let session = claims.session();
        let ended = view
            .subjects
            .with(claims.subject(), |entry| match entry {
                Some(entry)
                    if claims.epoch() < entry.epoch
                        && !(session.is_some() && entry.keep.as_deref() == session) =>
                {
                    Some(entry.reason)
                }
                _ => None,
            })
            .or_else(|| {
                let session = session?;
                view.sessions
                    .with(session, |entry| entry.map(|entry| entry.reason))
            });
        match ended {
            Some(reason) => Err(RevokedToken::Ended(reason)),
            None => Ok(()),
        }
    }

    /// Returns how long an entry is kept.
    #[must_use]
    pub fn keep(&self) -> Duration {
        self.0.keep
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("keep", &self.0.keep)
            .finish_non_exhaustive()
    }
}
