//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::rules::{Rules, Seen};
use crate::gate::{NoWait, Policy, Settings, Verdict, gate_layer};

/// Adds the headers that tell browsers to be strict.
///
/// See the [module docs](crate::security_headers) for an example.
#[derive(Clone, Debug)]
pub struct SecurityHeadersLayer(pub(super) Arc<Rules>);

impl Policy for SecurityHeadersLayer {
    const NAME: &'static str = "security_headers";
    type Pass = Seen;
    type Wait = NoWait<Seen>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        Verdict::Pass(self.0.look(head))
    }

    fn enter(&self, pass: &Seen, head: &mut request::Parts) {
        if let Some(nonce) = &pass.nonce {
            head.extensions.insert(nonce.clone());
        }
    }

    fn leave(&self, pass: Seen, head: &mut response::Parts) {
        self.0.leave(&pass, head);
    }

    fn settings(&self) -> Settings {
        self.0.settings()
    }
}

gate_layer!(SecurityHeadersLayer);
