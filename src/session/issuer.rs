//! Starting, refreshing and ending sessions.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use super::builder::{TokenIssuerBuilder, access_keys};
use super::error::{ConfigError, IssueError, Problem, RefreshError, RefreshErrorKind};
use super::refresh_token::{RefreshKeys, RefreshToken};
use super::rotation::{MAX_REPLAYS, Presentation, classify};
use super::store::{EndReason, EndSessions, RefreshStore, Rotation, SessionRecord, StoreError};
use super::tokens::{AccessToken, IssuedTokens, NewSession};
use crate::clock::{Clock, UnixSeconds};
use crate::jwt::{KeySet, Revocations, Verifier};
use crate::secret::{Secret, random_bytes, random_id};

/// Issues access and refresh tokens. Clones share everything.
///
/// See the [module docs](crate::session) for an example.
#[derive(Clone, Debug)]
pub struct TokenIssuer(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Arc<dyn RefreshStore>,
    pub(super) refresh_keys: ArcSwap<RefreshKeys>,
    pub(super) keys: KeySet,
    /// Whether the keys come from the secret, and change with it.
    pub(super) derived: bool,
    pub(super) verifier: Verifier,
    pub(super) revocations: Revocations,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) access: Duration,
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    pub(super) grace: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl TokenIssuer {
    /// Starts an issuer with the place where its sessions are kept.
    pub fn builder(store: impl RefreshStore) -> TokenIssuerBuilder {
        TokenIssuerBuilder::new(Arc::new(store))
    }

    pub(super) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Returns the rules by which this issuer's access tokens are believed.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.0.verifier.clone()
    }

    /// Returns the keys of access tokens. A change of them is a change here.
    #[must_use]
    pub fn keys(&self) -> KeySet {
        self.0.keys.clone()
    }

    /// Takes over other secrets while requests run. The first one makes new
    /// tokens. Refresh tokens of the others are accepted as long as they are
    /// here; keys of access tokens that are derived change too, and those of
    /// the others verify until the last token they can have signed is over.
    ///
    /// # Errors
    ///
    /// A problem for each secret that is too weak, or that occurs twice; then
    /// nothing changes.
    pub fn replace_secrets(
        &self,
        current: &Secret,
        previous: &[Secret],
    ) -> Result<(), ConfigError> {
        let jwt = |error: crate::jwt::ConfigError| error.map(Problem::Jwt);
        let until = self.now().plus(self.0.revocations.keep());
        let keys = access_keys(current, previous, until).map_err(jwt)?;
        let secrets = std::iter::once(current).chain(previous);
        let refresh_keys = RefreshKeys::from_secrets(secrets);
        if self.0.derived {
            self.0.keys.replace(&keys).map_err(jwt)?;
        }
        self.0.refresh_keys.store(Arc::new(refresh_keys));
        Ok(())
    }

    /// Returns the sessions whose access tokens are refused before they expire.
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        self.0.revocations.clone()
    }

    /// Starts a session for somebody who has just proved who they are.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if the store or the signing key fails; no session then
    /// exists.
    pub async fn start(&self, new: NewSession) -> Result<IssuedTokens, IssueError> {
        let now = self.now();
        let token = RefreshToken::first(random_bytes());
        let absolute_until = now.plus(self.0.absolute);
        let record = SessionRecord {
            sid: random_id(),
            subject: new.subject,
            generation: 0,
            replays: 0,
            created_at: now,
            authenticated_at: now,
            rotated_at: now,
            idle_until: now.plus(self.0.idle).min(absolute_until),
            absolute_until,
            ended: None,
            client: new.client,
            address: new.address,
            claims: Value::Object(new.claims).to_string(),
        };
        let issued = self.issue(&token, record.clone(), now)?;
        self.0.store.create(token.id(), record).await?;
        Ok(issued)
    }

    /// Exchanges a refresh token for a new pair.
    ///
    /// The previous token is answered with the same successor within the grace
    /// period; any other superseded token ends the session.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] with its kind. A token with a wrong MAC is
    /// [`Invalid`](RefreshErrorKind::Invalid) without asking the store.
    pub async fn refresh(&self, refresh_token: &str) -> Result<IssuedTokens, RefreshError> {
        let invalid = || RefreshError::new(RefreshErrorKind::Invalid);
        let token = self
            .0
            .refresh_keys
            .load()
            .decode(refresh_token)
            .ok_or_else(invalid)?;
        let now = self.now();
        let record = match self
            .0
            .store
            .rotate(token.id(), token.generation(), now, self.0.idle)
            .await?
        {
            Rotation::Won(record) => record,
            Rotation::Lost(record) => self.settle(&token, record, now).await?,
        };
        Ok(self.issue(&token, record, now)?)
    }

    /// Decides about a token that did not rotate.
    async fn settle(
        &self,
        token: &RefreshToken,
        record: Option<SessionRecord>,
        now: UnixSeconds,
    ) -> Result<SessionRecord, RefreshError> {
        let store = &self.0.store;
        let presentation = classify(token.generation(), record.as_ref(), now, self.0.grace);
        match (presentation, record) {
            (Presentation::Replay, Some(record)) => {
                if store
                    .note_replay(token.id(), record.generation, MAX_REPLAYS)
                    .await?
                {
                    Ok(record)
                } else {
                    self.end_reused(token, now).await
                }
            }
            (Presentation::Reuse, _) => self.end_reused(token, now).await,
            (Presentation::Revoked(reason), record) => {
                // Perhaps another process ended it; do not wait to be told.
                if let Some(record) = record {
                    self.0.revocations.revoke(&record.sid, now);
                }
                Err(RefreshError::ended(reason))
            }
            (Presentation::Expired, _) => Err(RefreshError::new(RefreshErrorKind::Expired)),
            (Presentation::IdleTimeout, _) => Err(RefreshError::new(RefreshErrorKind::IdleTimeout)),
            (Presentation::FromTheFuture, _) => {
                crate::trace::degraded(
                    "session-store",
                    &"a refresh token is newer than the store; was a backup restored?",
                );
                Err(RefreshError::new(RefreshErrorKind::Invalid))
            }
            (Presentation::Unknown, _) => Err(RefreshError::new(RefreshErrorKind::Invalid)),
            // The store said that it did not rotate, and shows a row that it
            // should have rotated: it breaks its contract.
            (Presentation::Current | Presentation::Replay, _) => {
                Err(StoreError::new("rotation was not atomic").into())
            }
        }
    }

    async fn end_reused(
        &self,
        token: &RefreshToken,
        now: UnixSeconds,
    ) -> Result<SessionRecord, RefreshError> {
        self.end_where(EndSessions::Refresh(&token.id()), EndReason::Reuse, now)
            .await?;
        Err(RefreshError::new(RefreshErrorKind::Reused))
    }

    /// Returns a fresh access token for a session whose subject has just
    /// proved again who they are; `None` if the session is over.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if the store or the signing key fails.
    pub async fn reauthenticate(&self, sid: &str) -> Result<Option<AccessToken>, IssueError> {
        let now = self.now();
        let Some(record) = self.0.store.reauthenticate(sid, now).await? else {
            return Ok(None);
        };
        Ok(Some(self.access_token(&record, now)?))
    }

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
        if let Some(token) = self.0.refresh_keys.load().decode(refresh_token) {
            self.end_where(EndSessions::Refresh(&token.id()), reason, self.now())
                .await?;
        }
        Ok(())
    }

    /// Ends sessions, and refuses their access tokens from now on. Returns how
    /// many ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn end(
        &self,
        which: EndSessions<'_>,
        reason: EndReason,
    ) -> Result<usize, StoreError> {
        self.end_where(which, reason, self.now()).await
    }

    /// Lists the live sessions of a subject, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn list(&self, subject: &str) -> Result<Vec<SessionRecord>, StoreError> {
        self.0.store.list(subject, self.now()).await
    }

    /// Learns of sessions that other processes ended. To be called at the
    /// start and every second or two.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; what was known stays known.
    pub async fn sync_revocations(&self) -> Result<(), StoreError> {
        let (now, revocations) = (self.now(), &self.0.revocations);
        let ended = self
            .0
            .store
            .ended_since(now.minus(revocations.keep()))
            .await?;
        revocations.revoke_all(ended.into_iter().map(|ended| (ended.sid, ended.at)), now);
        Ok(())
    }

    async fn end_where(
        &self,
        which: EndSessions<'_>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> Result<usize, StoreError> {
        let ended = self.0.store.end(which, reason, now).await?;
        let count = ended.len();
        self.0
            .revocations
            .revoke_all(ended.into_iter().map(|sid| (sid, now)), now);
        Ok(count)
    }

    fn issue(
        &self,
        token: &RefreshToken,
        record: SessionRecord,
        now: UnixSeconds,
    ) -> Result<IssuedTokens, IssueError> {
        Ok(IssuedTokens {
            access: self.access_token(&record, now)?,
            refresh: self
                .0
                .refresh_keys
                .load()
                .encode(&token.at_generation(record.generation)),
            refresh_lifetime: record.idle_until.since(now),
            record,
        })
    }

    fn access_token(
        &self,
        record: &SessionRecord,
        now: UnixSeconds,
    ) -> Result<AccessToken, IssueError> {
        let mut claims: Map<String, Value> =
            serde_json::from_str(&record.claims).unwrap_or_default();
        let expires_at = now.plus(self.0.access).min(record.absolute_until);
        let registered: [(&str, Value); 9] = [
            ("iss", self.0.issuer.as_str().into()),
            ("aud", self.0.audience.as_str().into()),
            ("sub", record.subject.as_str().into()),
            ("iat", now.as_u64().into()),
            ("exp", expires_at.as_u64().into()),
            ("jti", random_id().into()),
            ("sid", record.sid.as_str().into()),
            ("rg", record.generation.into()),
            ("auth_time", record.authenticated_at.as_u64().into()),
        ];
        claims.extend(registered.map(|(name, value)| (name.to_owned(), value)));
        Ok(AccessToken {
            text: self.0.keys.sign("at+jwt", &claims, now)?,
            lifetime: expires_at.since(now),
        })
    }

    pub(super) fn now(&self) -> UnixSeconds {
        self.0.clock.unix_now()
    }

    pub(super) fn access_lifetime(&self) -> Duration {
        self.0.access
    }
}
