//! The decision: who is the caller, and may they pass?

use std::sync::Arc;
use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode, request};

use super::builder::Source;
use super::error::VerifyErrorKind;
use super::revocations::Revocations;
use super::verifier::Verifier;
use crate::clock::{Clock, UnixSeconds};
use crate::identity::Principal;
use crate::rejection::{Rejection, RejectionCode};
use crate::wire::authorization::{Bearer, bearer};
use crate::wire::cookie::{CookieLookup, lookup};

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) verifier: Verifier,
    pub(super) sources: Vec<Source>,
    pub(super) optional: bool,
    pub(super) realm: String,
    pub(super) scopes: Vec<String>,
    pub(super) max_authentication_age: Option<Duration>,
    pub(super) revocations: Option<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Rules {
    pub(super) fn check(&self, head: &request::Parts) -> Result<Option<Principal>, Rejection> {
        match self.token(head)? {
            Some(token) => self.authenticate(token, self.clock.unix_now()).map(Some),
            None if self.optional => Ok(None),
            // RFC 6750 §3.1: no error code if the request has no credentials.
            None => Err(self.challenge(StatusCode::UNAUTHORIZED, RejectionCode::TokenMissing, "")),
        }
    }

    pub(super) fn reads_cookies(&self) -> bool {
        self.sources
            .iter()
            .any(|source| matches!(source, Source::Cookie(_)))
    }

    fn token<'a>(&self, head: &'a request::Parts) -> Result<Option<&'a str>, Rejection> {
        let mut found = None;
        for source in &self.sources {
            let token = match source {
                Source::Bearer => match bearer(&head.headers) {
                    Bearer::Absent => continue,
                    Bearer::Malformed => return Err(self.unreadable("malformed-authorization")),
                    Bearer::Token(token) => token,
                },
                Source::Cookie(name) => match lookup(&head.headers, name) {
                    CookieLookup::Absent | CookieLookup::Value("") => continue,
                    CookieLookup::Ambiguous => return Err(self.unreadable("repeated-cookie")),
                    CookieLookup::Value(token) => token,
                },
            };
            if found.replace(token).is_some() {
                return Err(self.unreadable("several-credentials"));
            }
        }
        Ok(found)
    }

    fn authenticate(&self, token: &str, now: UnixSeconds) -> Result<Principal, Rejection> {
        let claims = self
            .verifier
            .verify(token, now)
            .map_err(|error| self.refused_token(error.kind()))?;
        let revoked = |session| {
            self.revocations
                .as_ref()
                .is_some_and(|revocations| revocations.contains(session))
        };
        if claims.session().is_some_and(revoked) {
            return Err(self.invalid_token(RejectionCode::SessionRevoked, "the session was ended"));
        }
        if let Some(age) = self.max_authentication_age
            && claims
                .authenticated_at()
                .is_none_or(|at| now.since(at) > age)
        {
            let parameters = format!(
                ", error=\"insufficient_user_authentication\", error_description=\"sign in again to continue\", max_age=\"{}\"",
                age.as_secs()
            );
            let code = RejectionCode::InsufficientUserAuthentication;
            return Err(self
                .challenge(StatusCode::UNAUTHORIZED, code, &parameters)
                .detail("sign in again to continue"));
        }
        let principal = claims.into_principal();
        if !self.scopes.iter().all(|scope| principal.has_scope(scope)) {
            let parameters = format!(
                ", error=\"insufficient_scope\", scope=\"{}\"",
                self.scopes.join(" ")
            );
            return Err(self.challenge(
                StatusCode::FORBIDDEN,
                RejectionCode::InsufficientScope,
                &parameters,
            ));
        }
        Ok(principal)
    }

    /// Every forgery gets the same answer. Only what a holder of a genuine
    /// token can act on is told.
    fn refused_token(&self, kind: VerifyErrorKind) -> Rejection {
        let (code, description) = match kind {
            VerifyErrorKind::Expired => (RejectionCode::TokenExpired, "the token expired"),
            VerifyErrorKind::NotYetValid => (
                RejectionCode::TokenNotYetValid,
                "the token is not valid yet",
            ),
            _ => (RejectionCode::TokenInvalid, "the token is not valid"),
        };
        self.invalid_token(code, description).kind(kind.as_str())
    }

    fn invalid_token(&self, code: RejectionCode, description: &'static str) -> Rejection {
        let parameters = format!(", error=\"invalid_token\", error_description=\"{description}\"");
        self.challenge(StatusCode::UNAUTHORIZED, code, &parameters)
            .detail(description)
    }

    fn unreadable(&self, kind: &'static str) -> Rejection {
        self.challenge(
            StatusCode::BAD_REQUEST,
            RejectionCode::InvalidRequest,
            ", error=\"invalid_request\"",
        )
        .kind(kind)
        .detail("send one token, in one place")
    }

    fn challenge(&self, status: StatusCode, code: RejectionCode, parameters: &str) -> Rejection {
        let challenge = format!("Bearer realm=\"{}\"{parameters}", self.realm);
        let challenge = HeaderValue::try_from(challenge)
            .expect("realm, scopes and descriptions were checked to be quotable");
        Rejection::new(status, code).header(WWW_AUTHENTICATE, challenge)
    }
}
