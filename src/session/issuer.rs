//! Starting sessions, and the tokens of all.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use super::builder::{TokenIssuerBuilder, access_keys};
use super::error::{ConfigError, IssueError, Problem, RefreshError};
use super::events::{SecurityEvent, SecurityEventKind, SecurityEventSender};
use super::flights::Flights;
use super::receipts::Receipts;
use super::refresh_token::{RefreshKeys, RefreshToken};
use super::rotation::Windows;
use super::store::{Epochs, Receipt, RefreshStore, SessionRecord, StoreError};
use super::tokens::{AccessToken, IssuedTokens, NewSession};
use crate::clock::{Clock, UnixSeconds};
use crate::jwt::{JwtLayer, JwtLayerBuilder, KeySet, Revocations, Verifier};
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
    pub(super) windows: Windows,
    /// When all revocations were read last, by the monotonic clock.
    pub(super) all_synced_at: Mutex<Option<Duration>>,
    pub(super) receipts: Receipts,
    pub(super) flights: Flights<Result<IssuedTokens, RefreshError>>,
    pub(super) events: Option<SecurityEventSender>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Marks a request whose access token this service has just renewed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewed;

impl TokenIssuer {
    /// Starts an issuer with the place where its sessions are kept: a store, or
    /// an `Arc` of one.
    pub fn builder(store: impl RefreshStore) -> TokenIssuerBuilder {
        TokenIssuerBuilder::new(Arc::new(store))
    }

    pub(super) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Returns the rules by which this issuer's access tokens are believed.
    /// They do not know which sessions are over: a layer built from them needs
    /// [`revocations`](Self::revocations) too, and
    /// [`jwt_layer`](Self::jwt_layer) has both.
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

    /// Starts a layer that verifies this issuer's access tokens, refuses those
    /// that were revoked, and sees which refresh tokens reached their clients. It
    /// goes by this issuer's clock.
    ///
    /// If the store is shared with other processes, or outlives this one, it
    /// answers 503 `revocation_unavailable` until somebody
    /// [follows](Self::follow_revocations) what they revoke.
    pub fn jwt_layer(&self) -> JwtLayerBuilder {
        self.0.receipts.observe();
        let issuer = self.clone();
        JwtLayer::builder(self.verifier())
            .clock(Arc::clone(&self.0.clock))
            .revocations(self.revocations())
            .observe(move |head, caller| {
                // A token that this service put into the request itself proves
                // nothing about its client.
                if head.extensions.get::<Renewed>().is_none()
                    && let (Some(sid), Some(generation)) = (caller.session(), caller.generation())
                {
                    issuer.0.receipts.note(sid, generation);
                }
            })
    }

    /// Returns what is known about access tokens that ended early.
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        self.0.revocations.clone()
    }

    /// Starts a session for somebody who has just proved who they are. A proof
    /// that took time, such as a password that was hashed, should say
    /// [`proved_since`](NewSession::proved_since).
    ///
    /// # Errors
    ///
    /// [`IssueError`] if the subject is empty, or the store or the signing key
    /// fails; no session then exists.
    pub async fn start(&self, new: NewSession) -> Result<IssuedTokens, IssueError> {
        if new.subject.is_empty() {
            return Err(IssueError::EmptySubject);
        }
        let now = self.now();
        let token = RefreshToken::first(random_bytes());
        let epochs = match new.epochs {
            Some(epochs) => epochs,
            None => self.epochs(&new.subject).await?,
        };
        let absolute_until = now.plus(self.0.absolute);
        let record = SessionRecord {
            sid: random_id(),
            subject: new.subject,
            generation: 0,
            replays: 0,
            receipt: Receipt::Unconfirmed,
            epochs,
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
        self.tell(SecurityEventKind::SessionCreated, issued.session(), now);
        Ok(issued)
    }

    /// Returns how often a subject's sessions were ended, for
    /// [`NewSession::proved_since`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn epochs(&self, subject: &str) -> Result<Epochs, StoreError> {
        self.0.store.epochs(subject).await
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
        // Whose client has the refresh token of this generation is not known.
        Ok(Some(self.access_token(&record, None, now)?))
    }

    /// Returns a session, over or not.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn find(&self, sid: &str) -> Result<Option<SessionRecord>, StoreError> {
        self.0.store.find(sid).await
    }

    /// Lists the live sessions of a subject, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn list(&self, subject: &str) -> Result<Vec<SessionRecord>, StoreError> {
        self.0.store.list(subject, self.now()).await
    }

    /// Tells whoever listens.
    pub(super) fn tell(&self, kind: SecurityEventKind, record: &SessionRecord, at: UnixSeconds) {
        let Some(events) = &self.0.events else { return };
        events.send(SecurityEvent {
            kind,
            subject: record.subject.clone(),
            sid: Some(record.sid.clone()),
            reason: record.ended,
            at,
        });
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(super) fn issue(
        &self,
        token: &RefreshToken,
        record: SessionRecord,
        now: UnixSeconds,
    ) -> Result<IssuedTokens, IssueError> {
        Ok(IssuedTokens {
            access: self.access_token(&record, Some(record.generation), now)?,
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
        generation: Option<u64>,
        now: UnixSeconds,
    ) -> Result<AccessToken, IssueError> {
        let mut claims: Map<String, Value> =
            serde_json::from_str(&record.claims).unwrap_or_default();
        let expires_at = now.plus(self.0.access).min(record.absolute_until);
        let registered: [(&str, Value); 8] = [
            ("iss", self.0.issuer.as_str().into()),
            ("aud", self.0.audience.as_str().into()),
            ("sub", record.subject.as_str().into()),
            ("iat", now.as_u64().into()),
            ("exp", expires_at.as_u64().into()),
            ("jti", random_id().into()),
            ("sid", record.sid.as_str().into()),
            ("auth_time", record.authenticated_at.as_u64().into()),
        ];
        claims.extend(registered.map(|(name, value)| (name.to_owned(), value)));
        // Most epochs are 0, which needs no words.
        let given = |epoch| Some(epoch).filter(|epoch| *epoch > 0);
        for (name, number) in [
            ("rg", generation),
            ("ep", given(record.epochs.subject)),
            ("epa", given(record.epochs.common)),
        ] {
            claims.remove(name);
            claims.extend(number.map(|number| (name.to_owned(), number.into())));
        }
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
