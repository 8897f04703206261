//! Ending sessions, and hearing of those that others ended.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::detached::{OwnedEnd, detached};
use super::events::{SecurityEvent, SecurityEventKind};
use super::issuer::TokenIssuer;
use super::store::{EndSessions, StoreError};
use crate::clock::UnixSeconds;
use crate::jwt::{EndReason, Revocation, Revoked};

/// What is read again at each feed: clocks of processes differ, and a change
/// may become visible after a later one.
const FEED_OVERLAP: Duration = Duration::from_secs(60);

/// How often everything is read again that can matter, whatever clocks say.
const FEED_ALL: Duration = Duration::from_secs(30);

/// How often [`TokenIssuer::follow_revocations`] asks.
const FOLLOW: Duration = Duration::from_millis(500);

impl TokenIssuer {
    /// Ends the session of a refresh token; a token that is not ours, or whose
    /// session is over, changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn end_by_refresh_token(
        &self,
        refresh_token: &str,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        if let Some(token) = self.inner().refresh_keys.load().decode(refresh_token) {
            self.end_where(EndSessions::Refresh(&token.id()), reason, self.now())
                .await?;
        }
        Ok(())
    }

    /// Ends sessions, and refuses their access tokens from now on. Tells whether
    /// anything changed; an empty subject has no sessions. Goes on to its end
    /// when the future is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn end(&self, which: EndSessions<'_>, reason: EndReason) -> Result<bool, StoreError> {
        self.end_where(which, reason, self.now()).await
    }

    /// Makes everybody sign in again. Their clients are told
    /// `reauthentication_required` and the reason.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn revoke_everyone(&self, reason: EndReason) -> Result<(), StoreError> {
        self.end(EndSessions::Everyone, reason).await.map(drop)
    }

    /// Learns what other processes revoked, twice a second and for ever. To be
    /// spawned at the start, on a Tokio runtime with timers; by then
    /// [`sync_revocations`](Self::sync_revocations) should have succeeded once.
    ///
    /// The clocks of the processes may differ by a minute; beyond that, half a
    /// minute more can pass until a revocation is heard of.
    pub async fn follow_revocations(self) {
        let mut every = tokio::time::interval(FOLLOW);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut silent = false;
        loop {
            every.tick().await;
            let outcome = self.sync_revocations().await;
            if let (Err(error), false) = (&outcome, silent) {
                crate::trace::degraded("session-revocations", error);
            }
            silent = outcome.is_err();
        }
    }

    /// Learns once what other processes revoked.
    ///
    /// If the store is shared, access tokens are refused before this succeeded
    /// for the first time, and when it has not for longer than the builder's
    /// [`stale_after`](super::TokenIssuerBuilder::stale_after).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; what was known stays known.
    pub async fn sync_revocations(&self) -> Result<(), StoreError> {
        let (now, monotonic) = (self.now(), self.inner().clock.monotonic());
        let revocations = &self.inner().revocations;
        let all_at = *self.all_synced_at();
        let all = all_at.is_none_or(|at| monotonic.saturating_sub(at) >= FEED_ALL);
        let back = match all {
            true => revocations.keep() + FEED_OVERLAP,
            false => FEED_OVERLAP,
        };
        let since = now.minus(back);
        let revoked = self.inner().store.revoked_since(since).await?;
        revocations.apply(revoked, now);
        revocations.fed();
        if all {
            *self.all_synced_at() = Some(monotonic);
        }
        Ok(())
    }

    /// When everything was read last, by the monotonic clock.
    fn all_synced_at(&self) -> MutexGuard<'_, Option<Duration>> {
        let synced = self.inner().all_synced_at.lock();
        synced.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn end_where(
        &self,
        which: EndSessions<'_>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let (issuer, which) = (self.clone(), OwnedEnd::from(which));
        // Whoever asked may go away, a thief on purpose; what the store has done
        // must be told all the same.
        detached(async move {
            let which = which.borrow();
            if matches!(
                which,
                EndSessions::One { subject: "", .. } | EndSessions::Subject { subject: "", .. }
            ) {
                return Ok(false);
            }
            let revoked = issuer.inner().store.end(which, reason, now).await?;
            let any = !revoked.is_empty();
            for one in &revoked {
                issuer.tell_revoked(one);
            }
            issuer.inner().revocations.apply(revoked, issuer.now());
            Ok(any)
        })
        .await
    }

    fn tell_revoked(&self, revocation: &Revocation) {
        let Some(events) = &self.inner().events else {
            return;
        };
        let (subject, sid) = match revocation.what.clone() {
            Revoked::Session { sid, subject } => (subject, Some(sid)),
            Revoked::Subject { subject, .. } => (subject, None),
            Revoked::Everyone { .. } => (String::new(), None),
        };
        events.send(SecurityEvent {
            kind: match revocation.reason {
                EndReason::Reuse => SecurityEventKind::TokenReuse,
                _ => SecurityEventKind::TokenRevoked,
            },
            subject,
            sid,
            reason: Some(revocation.reason),
            at: revocation.at,
        });
    }
}
