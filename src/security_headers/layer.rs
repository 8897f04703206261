//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::builder::SecurityHeadersLayerBuilder;
use super::rules::{Rules, Seen};
use crate::gate::{NoWait, Policy, Verdict, gate_layer};

/// Adds the headers that tell browsers to be strict.
///
/// See the [module docs](crate::security_headers) for an example.
#[derive(Clone, Debug)]
pub struct SecurityHeadersLayer(Arc<Rules>);

impl SecurityHeadersLayer {
    /// Starts with the headers of a service without pages: nothing may be
    /// loaded or framed.
    pub fn api() -> SecurityHeadersLayerBuilder {
        SecurityHeadersLayerBuilder::api()
    }

    /// Starts with the headers of a service with pages that load only from
    /// itself.
    pub fn web() -> SecurityHeadersLayerBuilder {
        SecurityHeadersLayerBuilder::web()
    }

    pub(super) fn from_rules(rules: Arc<Rules>) -> Self {
        Self(rules)
    }
}

impl Policy for SecurityHeadersLayer {
    const NAME: &'static str = "security_headers";
    type Pass = Seen;
    type Wait = NoWait<Seen>;

    fn admit(&self, head: &request::Parts) -> Verdict<Seen, NoWait<Seen>> {
        Verdict::Pass(Rules::look(head))
    }

    fn leave(&self, pass: Seen, head: &mut response::Parts) {
        self.0.leave(pass, head);
    }
}

gate_layer!(SecurityHeadersLayer);
