//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::ask::{Later, Soon};
use super::check::{Counted, Rules};
use crate::gate::{Policy, Settings, Verdict, gate_layer};
use crate::rejection::Reply;

/// Refuses requests over a quota.
///
/// See the [module docs](crate::rate_limit) for an example.
#[derive(Clone, Debug)]
pub struct RateLimitLayer(pub(super) Arc<Rules>);

impl Policy for RateLimitLayer {
    const NAME: &'static str = "rate_limit";
    type Pass = Counted;
    type Wait = Later<Result<Counted, Reply>>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        match self.0.check(head) {
            Soon::Now(Ok(counted)) => Verdict::Pass(counted),
            Soon::Now(Err(reply)) => Verdict::Reply(reply),
            Soon::Later(later) => Verdict::Wait(later),
        }
    }

    fn enter(&self, pass: &Counted, head: &mut request::Parts) {
        self.0.enter(pass, head);
    }

    fn leave(&self, pass: Counted, head: &mut response::Parts) {
        self.0.leave(pass, head);
    }

    fn settings(&self) -> Settings {
        self.0.settings()
    }
}

gate_layer!(RateLimitLayer);
