//! Claims of a token whose signature held.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::UnixSeconds;
use crate::identity::Principal;
use crate::wire::claim_set::{ClaimSet, Span};

/// The verified claims of a token (RFC 7519 §4.1). Clones share one allocation.
#[derive(Clone)]
pub struct Claims(pub(super) Arc<ClaimSet>);

impl Claims {
    /// Returns the subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.subject()
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text(self.0.registered.issuer)
    }

    /// Returns the audiences.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.0.texts(&self.0.registered.audience)
    }

    /// Returns the session, `sid`.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.text(self.0.registered.session)
    }

    /// Returns the second from which the token is over, without leeway.
    #[must_use]
    pub fn expires_at(&self) -> UnixSeconds {
        UnixSeconds::new(self.0.registered.expires_at.unwrap_or_default())
    }

    /// Returns when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixSeconds> {
        self.0.registered.issued_at.map(UnixSeconds::new)
    }

    /// Returns when the subject last proved who they are.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<UnixSeconds> {
        self.0.registered.authenticated_at.map(UnixSeconds::new)
    }

    /// Returns which refresh token of its session the token came with, `rg`.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.0.registered.generation
    }

    /// Returns how often all sessions of the subject had been ended, `ep`.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.registered.epoch.unwrap_or_default()
    }

    /// Returns how often everybody's sessions had been ended, `epa`.
    #[must_use]
    pub fn common_epoch(&self) -> u64 {
        self.0.registered.common_epoch.unwrap_or_default()
    }

    /// Returns all claims; they are read at the first call.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        self.0.members()
    }

    /// Turns the claims into the caller of a request.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        Principal::from_claims(self.0)
    }

    fn text(&self, span: Option<Span>) -> Option<&str> {
        span.map(|span| self.0.text(span))
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims may hold personal data.
        f.debug_struct("Claims")
            .field("subject", &self.subject())
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}
