//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::check::{Counted, Rules};
use crate::gate::{NoWait, Policy, Verdict, gate_layer};

/// Refuses requests over a quota.
///
/// See the [module docs](crate::rate_limit) for an example.
#[derive(Clone, Debug)]
pub struct RateLimitLayer(pub(super) Arc<Rules>);

impl Policy for RateLimitLayer {
    const NAME: &'static str = "rate_limit";
    type Pass = Counted;
    type Wait = NoWait<Counted>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
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
