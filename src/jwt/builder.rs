//! The settings of [`JwtLayer`].

use std::sync::Arc;
use std::time::Duration;

use http::request;

use super::check::{Observer, Rules};
use super::error::{ConfigError, Problem};
use super::layer::JwtLayer;
use super::require::{Challenge, Requirements};
use super::revocation::Revocations;
use super::verifier::Verifier;
use crate::clock::{Clock, SystemClock};
use crate::config::Problems;
use crate::identity::Principal;
use crate::wire::cookie;

/// Where a token is looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// The `Authorization` header with the scheme `Bearer` (RFC 6750 §2.1).
    Bearer,
    /// A cookie of this name.
    Cookie(String),
}

impl JwtLayer {
    /// Starts a layer with the rules by which tokens are believed.
    pub fn builder(verifier: Verifier) -> JwtLayerBuilder {
        JwtLayerBuilder::new(verifier)
    }

    /// Tells whether a token may come in a cookie, which any page can make a
    /// browser send.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.0.optional
    }

    /// Tells whether tokens are taken from cookies.
    #[must_use]
    pub fn reads_cookies(&self) -> bool {
        self.0.reads_cookies()
    }
}

/// Collects the settings of a [`JwtLayer`].
#[derive(Debug)]
#[must_use]
pub struct JwtLayerBuilder {
    rules: Rules,
}

impl JwtLayerBuilder {
    pub(super) fn new(verifier: Verifier) -> Self {
        Self {
            rules: Rules {
                verifier,
                sources: vec![Source::Bearer],
                optional: false,
                requirements: Requirements::default(),
                challenge: Challenge::default(),
                revocations: None,
                observer: None,
                clock: Arc::new(SystemClock),
            },
        }
    }

    /// Replaces the places where a token is looked for; the bearer header by
    /// default. A request that fills two of them is answered 400.
    ///
    /// # Security
    ///
    /// Browsers attach cookies on their own: a cookie source needs
    /// [`CsrfLayer`](crate::csrf) in front.
    pub fn sources(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.rules.sources = sources.into_iter().collect();
        self
    }

    /// Lets requests without credentials pass, without a principal. Bad
    /// credentials are still refused.
    pub fn optional(mut self) -> Self {
        self.rules.optional = true;
        self
    }

    /// Sets the realm of the challenge (RFC 9110 §11.5); `api` by default.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.rules.challenge.realm = realm.into();
        self
    }

    /// Names where clients learn about this API (RFC 9728 §5.1), an https URL;
    /// a parameter of every challenge.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.rules.challenge.metadata = Some(url.into());
        self
    }

    /// Adds a scope that the caller must have; otherwise 403
    /// `insufficient_scope` (RFC 6750 §3.1).
    pub fn require_scope(mut self, scope: impl Into<String>) -> Self {
        self.rules.requirements.scopes.push(scope.into());
        self
    }

    /// Adds a role, a member of the claim `roles`, that the caller must have;
    /// otherwise 403 `insufficient_role`.
    pub fn require_role(mut self, role: impl Into<String>) -> Self {
        self.rules.requirements.roles.push(role.into());
        self
    }

    /// Demands that the caller signed in at most this long ago; otherwise 401
    /// with a step-up challenge (RFC 9470 §3).
    pub fn require_fresh(mut self, age: Duration) -> Self {
        self.rules.requirements.max_age = Some(age);
        self
    }

    /// Demands that the caller signed in with one of these authentication
    /// context classes (`acr`); otherwise 401 with a step-up challenge
    /// (RFC 9470 §3).
    pub fn require_context_class<T: Into<String>>(
        mut self,
        classes: impl IntoIterator<Item = T>,
    ) -> Self {
        let classes = classes.into_iter().map(Into::into).collect();
        self.rules.requirements.context_classes = Some(classes);
        self
    }

    /// Refuses the access tokens of sessions that ended.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.rules.revocations = Some(revocations);
        self
    }

    /// Shows every request that is let through, with its caller, before it goes
    /// on. What it does is done on each request, so it must not wait.
    pub fn observe(
        mut self,
        observer: impl Fn(&request::Parts, &Principal) + Send + Sync + 'static,
    ) -> Self {
        self.rules.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.rules.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<JwtLayer, ConfigError> {
        let rules = self.rules;
        let mut problems = Vec::new();
        if rules.sources.is_empty() {
            problems.push(Problem::NoSources);
        }
        for source in &rules.sources {
            if let Source::Cookie(name) = source
                && !cookie::is_name(name)
            {
                problems.push(Problem::BadCookieName { name: name.clone() });
            }
        }
        problems.extend(rules.challenge.problems());
        problems.extend(rules.requirements.problems());
        if rules.optional && !rules.requirements.is_empty() {
            problems.push(Problem::OptionalRequirements);
        }
        if let Some(revocations) = &rules.revocations {
            let (keep, tokens) = (revocations.keep(), rules.verifier.longest_life());
            if keep < tokens {
                problems.push(Problem::RevocationsTooShort { keep, tokens });
            }
        }
        Problems::check(problems, || JwtLayer(Arc::new(rules)))
    }
}
