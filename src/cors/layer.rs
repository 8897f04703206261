//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::rules::{AllowOrigin, Rules};
use crate::gate::{NoWait, Policy, Verdict, gate_layer};

/// Tells browsers which pages may read the answers.
///
/// See the [module docs](crate::cors) for an example.
#[derive(Clone, Debug)]
pub struct CorsLayer(pub(super) Arc<Rules>);

impl Policy for CorsLayer {
    const NAME: &'static str = "cors";
    type Pass = AllowOrigin;
    type Wait = NoWait<AllowOrigin>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        self.0.admit(head)
    }

    fn leave(&self, pass: AllowOrigin, head: &mut response::Parts) {
        self.0.leave(pass, head);
    }
}

gate_layer!(CorsLayer);
