//! The slots of [`Rampart`].

use super::content_length::ContentLengthLayer;
use super::error::{ConfigError, Problem};
use super::layer::Rampart;
use crate::config::Problems;
use crate::context::ContextLayer;
use crate::cors::CorsLayer;
use crate::csrf::CsrfLayer;
use crate::jwt::{JwtLayer, RequireLayer};
use crate::rate_limit::RateLimitLayer;
use crate::security_headers::SecurityHeadersLayer;
use crate::session::{SessionLayer, StrictSessionLayer};

/// Collects the layers of a [`Rampart`], in any order.
#[derive(Debug, Default)]
#[must_use]
pub struct RampartBuilder {
    slots: Rampart,
    /// What upload layers inside will take, each in bytes.
    uploads: Vec<u64>,
}

impl RampartBuilder {
    /// Fills the slot that names requests and finds client addresses.
    pub fn context(mut self, layer: ContextLayer) -> Self {
        self.slots.context = Some(layer);
        self
    }

    /// Fills the slot of the response headers.
    pub fn security_headers(mut self, layer: SecurityHeadersLayer) -> Self {
        self.slots.security_headers = Some(layer);
        self
    }

    /// Fills the slot of cross-origin resource sharing.
    pub fn cors(mut self, layer: CorsLayer) -> Self {
        self.slots.cors = Some(layer);
        self
    }

    /// Fills the slot of the limit by address, before anything costly.
    pub fn rate_limit(mut self, layer: RateLimitLayer) -> Self {
        self.slots.rate_limit = Some(layer);
        self
    }

    /// Fills the slot of the check for cross-site requests.
    pub fn csrf(mut self, layer: CsrfLayer) -> Self {
        self.slots.csrf = Some(layer);
        self
    }

    /// Fills the slot that refuses bodies whose declared length is over a cap,
    /// in bytes; see [`ContentLengthLayer`].
    pub fn max_content_length(mut self, bytes: u64) -> Self {
        self.slots.content_length = Some(ContentLengthLayer::max(bytes));
        self
    }

    /// Says which upload layer guards a route inside, so that its size and the
    /// [cap on lengths](Self::max_content_length) can be compared.
    #[cfg(feature = "upload")]
    pub fn around_upload(mut self, layer: &crate::upload::UploadLayer) -> Self {
        self.uploads.push(layer.max_total_bytes());
        self
    }

    /// Fills the slot that renews tokens in cookies.
    pub fn session(mut self, layer: SessionLayer) -> Self {
        self.slots.session = Some(layer);
        self
    }

    /// Fills the slot that verifies tokens.
    pub fn jwt(mut self, layer: JwtLayer) -> Self {
        self.slots.jwt = Some(layer);
        self
    }

    /// Fills the slot of the limit by subject, once the subject is known.
    pub fn rate_limit_subject(mut self, layer: RateLimitLayer) -> Self {
        self.slots.rate_limit_subject = Some(layer);
        self
    }

    /// Fills the slot that asks the store whether a session is over.
    pub fn strict_session(mut self, layer: StrictSessionLayer) -> Self {
        self.slots.strict_session = Some(layer);
        self
    }

    /// Fills the slot of what a caller must have: a scope, a role, a recent
    /// sign-in.
    pub fn require(mut self, layer: RequireLayer) -> Self {
        self.slots.require = Some(layer);
        self
    }

    /// Checks the combination.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<Rampart, ConfigError> {
        let slots = self.slots;
        let mut problems = Vec::new();
        let cookies =
            slots.session.is_some() || slots.jwt.as_ref().is_some_and(JwtLayer::reads_cookies);
        if cookies && slots.csrf.is_none() {
            problems.push(Problem::CookiesWithoutCsrf);
        }
        // Pages that may send credentials also have something to do with them.
        if slots
            .cors
            .as_ref()
            .is_some_and(CorsLayer::sends_credentials)
        {
            if slots
                .csrf
                .as_ref()
                .is_some_and(|csrf| !csrf.names_origins())
            {
                problems.push(Problem::CsrfWithoutOrigins);
            }
            if slots
                .session
                .as_ref()
                .is_some_and(|session| !session.names_origins())
            {
                problems.push(Problem::SessionWithoutOrigins);
            }
        }
        let bearer_only = slots
            .jwt
            .as_ref()
            .is_some_and(|jwt| !jwt.reads_cookies() && !jwt.is_optional());
        let sent = slots
            .cors
            .as_ref()
            .is_none_or(CorsLayer::lets_pages_authorize);
        if bearer_only && !sent {
            problems.push(Problem::CorsWithoutAuthorization);
        }
        if slots.session.is_some() && slots.jwt.is_none() {
            problems.push(Problem::SessionWithoutJwt);
        }
        let by_subject = |limit: &Option<RateLimitLayer>| {
            limit.as_ref().is_some_and(RateLimitLayer::counts_subjects)
        };
        if by_subject(&slots.rate_limit) {
            problems.push(Problem::SubjectBeforeJwt);
        }
        if by_subject(&slots.rate_limit_subject) && slots.jwt.is_none() {
            problems.push(Problem::SubjectWithoutJwt);
        }
        if slots.strict_session.is_some() && slots.jwt.is_none() {
            problems.push(Problem::StrictSessionWithoutJwt);
        }
        if slots.require.is_some() && slots.jwt.is_none() {
            problems.push(Problem::RequireWithoutJwt);
        }
        if let Some(cap) = slots.content_length.map(ContentLengthLayer::bytes) {
            let refused = self.uploads.into_iter().filter(|upload| *upload > cap);
            problems.extend(refused.map(|upload| Problem::UploadOverCap { cap, upload }));
        }
        Problems::check(problems, || slots)
    }
}
