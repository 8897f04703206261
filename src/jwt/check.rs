//! The decision: who is the caller, and may they pass?

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, request};

use super::builder::Source;
use super::claims::Claims;
use super::error::VerifyErrorKind;
use super::require::{Challenge, Requirements};
use super::revocation::{EndReason, Revocations, RevokedToken};
use super::verifier::Verifier;
use crate::clock::{Clock, UnixSeconds};
use crate::gate::Verdict;
use crate::identity::Principal;
use crate::rejection::{Rejection, RejectionCode, Reply};
use crate::wire::authorization::{Bearer, bearer};
use crate::wire::cookie::{CookieLookup, lookup};

/// How long a client is told to wait for keys that cannot be had.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Sees every admitted caller.
#[derive(Clone)]
pub(super) struct Observer(pub(super) Arc<Observe>);

type Observe = dyn Fn(&request::Parts, &Principal) + Send + Sync;

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) verifier: Verifier,
    pub(super) sources: Vec<Source>,
    pub(super) optional: bool,
    pub(super) requirements: Requirements,
    pub(super) challenge: Challenge,
    pub(super) revocations: Option<Revocations>,
    pub(super) observer: Option<Observer>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Who makes an admitted request; `None` is nobody.
pub(super) type Caller = Option<Principal>;

/// The wait for a key that a token names and nobody has seen yet.
pub(super) type Wait = Pin<Box<dyn Future<Output = Result<Caller, Reply>> + Send>>;

impl Rules {
    pub(super) fn check(self: &Arc<Self>, head: &request::Parts) -> Verdict<Caller, Wait> {
        let token = match self.token(head) {
            Ok(Some(token)) => token,
            Ok(None) if self.optional => return Verdict::Pass(None),
            Ok(None) => return self.challenge.missing().into(),
            Err(rejection) => return rejection.into(),
        };
        let looked_for = |kind: &VerifyErrorKind| {
            matches!(
                kind,
                VerifyErrorKind::UnknownKey | VerifyErrorKind::KeysNotLoaded
            )
        };
        let now = self.clock.unix_now();
        match self.verify(token, now) {
            Ok(claims) => self.admit(claims, now).into(),
            Err(kind) => match Some(kind)
                .filter(looked_for)
                .and_then(|_| self.verifier.look_for_key(token))
            {
                None => self.refuse(kind).into(),
                Some(looking) => {
                    let (rules, token) = (Arc::clone(self), token.to_owned());
                    Verdict::Wait(Box::pin(async move {
                        looking.await;
                        let now = rules.clock.unix_now();
                        let claims = rules
                            .verify(&token, now)
                            .map_err(|kind| rules.refuse(kind))?;
                        Ok(rules.admit(claims, now)?)
                    }))
                }
            },
        }
    }

    pub(super) fn reads_cookies(&self) -> bool {
        self.sources
            .iter()
            .any(|source| matches!(source, Source::Cookie(_)))
    }

    fn token<'a>(&self, head: &'a request::Parts) -> Result<Option<&'a str>, Rejection> {
        let unreadable = |kind| Err(self.challenge.unreadable(kind));
        let mut found = None;
        for source in &self.sources {
            let token = match source {
                Source::Bearer => match bearer(&head.headers) {
                    Bearer::Absent => continue,
                    Bearer::Malformed => return unreadable("malformed-authorization"),
                    Bearer::Token(token) => token,
                },
                Source::Cookie(name) => match lookup(&head.headers, name) {
                    CookieLookup::Absent | CookieLookup::Value("") => continue,
                    CookieLookup::Ambiguous => return unreadable("repeated-cookie"),
                    CookieLookup::Value(token) => token,
                },
            };
            if found.replace(token).is_some() {
                return unreadable("several-credentials");
            }
        }
        Ok(found)
    }

    fn verify(&self, token: &str, now: UnixSeconds) -> Result<Claims, VerifyErrorKind> {
        let claims = self.verifier.verify(token, now);
        claims.map_err(|error| error.kind())
    }

    /// Decides about a token that is genuine.
    fn admit(&self, claims: Claims, now: UnixSeconds) -> Result<Caller, Rejection> {
        if let Some(revocations) = &self.revocations {
            let revoked = revocations.check(&claims, now);
            revoked.map_err(|revoked| self.refuse_revoked(revoked))?;
        }
        let principal = claims.into_principal();
        self.requirements.check(&principal, now, &self.challenge)?;
        Ok(Some(principal))
    }

    /// The holder of a genuine token may know why its session is over.
    fn refuse_revoked(&self, revoked: RevokedToken) -> Rejection {
        let RevokedToken::Ended(reason) = revoked else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Rejection::new(status, RejectionCode::RevocationUnavailable)
                .retry_after(RETRY_AFTER)
                .kind("stale-revocations");
        };
        let (code, description) = match reason {
            EndReason::SecurityIncident => {
                (RejectionCode::ReauthenticationRequired, "sign in again")
            }
            _ => (RejectionCode::SessionRevoked, "the session was ended"),
        };
        self.challenge
            .invalid_token(code, description)
            .member("reason", reason.as_str())
    }

    /// Every forgery gets the same answer. Only what a holder of a genuine
    /// token can act on is told.
    fn refuse(&self, kind: VerifyErrorKind) -> Rejection {
        let (code, description) = match kind {
            // The token was never judged, so it is not challenged.
            VerifyErrorKind::KeysNotLoaded => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return Rejection::new(status, RejectionCode::TemporarilyUnavailable)
                    .retry_after(RETRY_AFTER)
                    .kind(kind.as_str());
            }
            VerifyErrorKind::Expired => (RejectionCode::TokenExpired, "the token expired"),
            VerifyErrorKind::NotYetValid => (
                RejectionCode::TokenNotYetValid,
                "the token is not valid yet",
            ),
            VerifyErrorKind::SigningKeyRevoked => {
                let code = RejectionCode::SigningKeyRevoked;
                return self
                    .challenge
                    .invalid_token(code, "the key that signed the token was revoked")
                    .member("action", "refresh")
                    .kind(kind.as_str());
            }
            _ => (RejectionCode::TokenInvalid, "the token is not valid"),
        };
        self.challenge
            .invalid_token(code, description)
            .kind(kind.as_str())
    }
}
