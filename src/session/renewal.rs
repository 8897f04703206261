//! Exchanging a refresh token.

use super::error::{RefreshError, RefreshErrorKind};
use super::events::SecurityEventKind;
use super::issuer::{Inner, TokenIssuer};
use super::refresh_token::RefreshToken;
use super::rotation::{MAX_REPLAYS, Presentation, Windows, classify};
use super::store::{EndSessions, Rotation, SessionRecord, StoreError};
use super::tokens::IssuedTokens;
use crate::clock::UnixSeconds;
use crate::jwt::{EndReason, Revocation, Revoked};

/// How often a decision is made again because the session changed meanwhile.
const ATTEMPTS: u32 = 4;

impl TokenIssuer {
    /// Exchanges a refresh token for a new pair.
    ///
    /// The previous token is answered with the same successor within the grace
    /// period, and once more later if nobody has used that successor; any other
    /// superseded token ends the session. Concurrent calls with one token are
    /// one call to the store. Dropping the future is as an answer that is lost
    /// on the way: whatever the store has done by then, the same token can be
    /// presented again.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] with its kind. A token with a wrong MAC is
    /// [`Invalid`](RefreshErrorKind::Invalid) without asking the store.
    pub async fn refresh(&self, refresh_token: &str) -> Result<IssuedTokens, RefreshError> {
        let token = self
            .inner()
            .refresh_keys
            .load()
            .decode(refresh_token)
            .ok_or_else(|| RefreshError::new(RefreshErrorKind::Invalid))?;
        let key = (token.id(), token.generation());
        self.inner().flights.join(key, self.renew(token)).await
    }

    async fn renew(&self, token: RefreshToken) -> Result<IssuedTokens, RefreshError> {
        let now = self.now();
        let mut failed = false;
        for _ in 0..ATTEMPTS {
            match self.attempt(&token, now).await {
                Ok(Some(tokens)) => return Ok(tokens),
                // It changed while it was looked at; look again.
                Ok(None) => {}
                // The store may have done it and answered too late. Asked again
                // at once, it answers a replay; asked by the client, much later,
                // it would have to forgive.
                Err(error) if error.kind() == RefreshErrorKind::Unavailable && !failed => {
                    failed = true;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::new("the session changed each time it was looked at").into())
    }

    async fn attempt(
        &self,
        token: &RefreshToken,
        now: UnixSeconds,
    ) -> Result<Option<IssuedTokens>, RefreshError> {
        let Inner { store, idle, .. } = self.inner();
        let rotation = store.rotate(token.id(), token.generation(), now, *idle);
        match rotation.await? {
            Rotation::Won(record) => {
                self.tell(SecurityEventKind::SessionRenewed, &record, now);
                Ok(Some(self.issue(token, record, now)?))
            }
            Rotation::Lost(record) => self.settle(token, record, now).await,
        }
    }

    /// Decides about a token that did not rotate.
    async fn settle(
        &self,
        token: &RefreshToken,
        record: Option<SessionRecord>,
        now: UnixSeconds,
    ) -> Result<Option<IssuedTokens>, RefreshError> {
        let inner = self.inner();
        let presentation = classify(token.generation(), record.as_ref(), now, self.windows());
        let Some(record) = record else {
            return Err(RefreshError::new(RefreshErrorKind::Invalid));
        };
        let (id, generation) = (token.id(), record.generation);
        let over = |error| {
            self.tell(SecurityEventKind::SessionUseAfterExpire, &record, now);
            Err(error)
        };
        match presentation {
            Presentation::Replay => {
                let counted = inner.store.note_replay(id, generation, MAX_REPLAYS).await?;
                let issued = counted.then(|| self.issue(token, record, now));
                Ok(issued.transpose()?)
            }
            Presentation::LostReply => {
                // Made first: what cannot be signed must not use up the one time.
                let issued = self.issue(token, record, now)?;
                let repeated = inner.store.repeat(id, generation, now).await?;
                if repeated {
                    self.tell(SecurityEventKind::TokenRepeated, issued.session(), now);
                }
                Ok(repeated.then_some(issued))
            }
            Presentation::Reuse => {
                self.end_where(EndSessions::Refresh(&id), EndReason::Reuse, now)
                    .await?;
                Err(RefreshError::new(RefreshErrorKind::Reused))
            }
            Presentation::Revoked(reason) => {
                // Perhaps another process ended it; do not wait to be told.
                let what = Revoked::Session {
                    sid: record.sid.clone(),
                    subject: record.subject.clone(),
                };
                let revocation = Revocation {
                    what,
                    reason,
                    at: now,
                };
                inner.revocations.apply([revocation], now);
                over(RefreshError::ended(reason))
            }
            Presentation::Expired => over(RefreshError::new(RefreshErrorKind::Expired)),
            Presentation::IdleTimeout => over(RefreshError::new(RefreshErrorKind::IdleTimeout)),
            Presentation::FromTheFuture => {
                crate::trace::degraded(
                    "session-store",
                    &"a refresh token is newer than the store; was a backup restored?",
                );
                Err(RefreshError::new(RefreshErrorKind::Invalid))
            }
            // The store said that it did not rotate, and shows a row that it
            // should have rotated. One that changed between the two answers
            // does not do so again.
            Presentation::Current => Ok(None),
            Presentation::Unknown => Err(RefreshError::new(RefreshErrorKind::Invalid)),
        }
    }

    /// Without anybody to see that a successor is used, no answer is lost.
    fn windows(&self) -> Windows {
        let mut windows = self.inner().windows;
        if !self.inner().receipts.are_observed() {
            windows.lost_reply = std::time::Duration::ZERO;
        }
        windows
    }
}
