//! The process's own view of what was revoked.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::shards::Shards;
use super::{EndReason, Revocation, Revoked};
use crate::clock::UnixSeconds;
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
    /// The last second at which nothing was missing; 0 if nobody feeds the view.
    fed_at: AtomicU64,
    stale_after: Option<Duration>,
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
    /// Nobody could tell for too long whether it was.
    Unknown,
}

impl Revocations {
    /// Starts an empty view that keeps each entry for as long as access tokens
    /// may live, leeway included.
    #[must_use]
    pub fn new(keep: Duration) -> Self {
        Self::with(keep, None)
    }

    /// Starts an empty view that refuses every token when it was fed once, and
    /// then not for so long.
    #[must_use]
    pub fn stale_after(keep: Duration, limit: Duration) -> Self {
        Self::with(keep, Some(limit))
    }

    fn with(keep: Duration, stale_after: Option<Duration>) -> Self {
        Self(Arc::new(View {
            keep,
            sessions: Shards::default(),
            subjects: Shards::default(),
            everyone: ArcSwapOption::empty(),
            writing: Mutex::default(),
            fed_at: AtomicU64::new(0),
            stale_after,
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
        let guard = view.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for Revocation { what, reason, at } in revocations {
            let until = at.plus(view.keep);
            match what {
                Revoked::Session { sid, .. } => {
                    view.sessions
                        .update(&sid, |_| SessionEntry { reason, until });
                }
                Revoked::Subject {
                    subject,
                    epoch,
                    keep,
                } => view.subjects.update(&subject, |known| match known {
                    Some(known) if known.epoch > epoch => known.clone(),
                    _ => SubjectEntry {
                        epoch,
                        keep,
                        reason,
                        until,
                    },
                }),
                Revoked::Everyone { epoch } => {
                    let known = view.everyone.load();
                    if known.as_ref().is_none_or(|known| known.epoch <= epoch) {
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
        view.sessions.retain(|entry| entry.until >= now);
        view.subjects.retain(|entry| entry.until >= now);
        drop(guard);
    }

    /// Says that everything that ended before `now` has been applied.
    pub fn fed(&self, now: UnixSeconds) {
        self.0.fed_at.fetch_max(now.as_u64(), Ordering::Relaxed);
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
        if let Some(limit) = view.stale_after {
            let fed_at = view.fed_at.load(Ordering::Relaxed);
            if fed_at > 0 && now.since(UnixSeconds::new(fed_at)) > limit {
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
