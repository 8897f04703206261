//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::builder::RateLimitLayerBuilder;
use super::check::{Counted, Rules};
use super::key::Key;
use super::limiter::RateLimiter;
use super::quota::Quota;
use crate::gate::{NoWait, Policy, Verdict, gate_layer};

/// Refuses requests over a quota.
///
/// See the [module docs](crate::rate_limit) for an example.
#[derive(Clone, Debug)]
pub struct RateLimitLayer(Arc<Rules>);

impl RateLimitLayer {
    /// Starts a layer with the name that clients are told and its quota.
    pub fn builder(name: impl Into<String>, quota: Quota) -> RateLimitLayerBuilder {
        RateLimitLayerBuilder::new(name.into(), quota)
    }

    /// Returns the limiter, to count from a handler.
    #[must_use]
    pub fn limiter(&self) -> RateLimiter {
        self.0.limiter.clone()
    }

    /// Tells whether requests are counted by subject.
    #[must_use]
    pub fn counts_subjects(&self) -> bool {
        self.0.key == Key::Subject
    }

    pub(super) fn from_rules(rules: Arc<Rules>) -> Self {
        Self(rules)
    }
}

impl Policy for RateLimitLayer {
    const NAME: &'static str = "rate_limit";
    type Pass = Counted;
    type Wait = NoWait<Counted>;

    fn admit(&self, head: &request::Parts) -> Verdict<Counted, NoWait<Counted>> {
        self.0.check(head).into()
    }

    fn enter(&self, pass: &Counted, head: &mut request::Parts) {
        self.0.enter(pass, head);
    }

    fn leave(&self, pass: Counted, head: &mut response::Parts) {
        self.0.leave(pass, head);
    }
}

gate_layer!(RateLimitLayer);
