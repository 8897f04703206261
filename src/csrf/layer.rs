//! The layer.

use std::sync::Arc;

use http::request;

use super::builder::CsrfLayerBuilder;
use super::check::Rules;
use crate::gate::{NoWait, Policy, Verdict, gate_layer};

/// Refuses unsafe requests that a page of another site made.
///
/// See the [module docs](crate::csrf) for an example.
#[derive(Clone, Debug)]
pub struct CsrfLayer(Arc<Rules>);

impl CsrfLayer {
    /// Starts a layer that lets only the service's own pages change things.
    pub fn builder() -> CsrfLayerBuilder {
        CsrfLayerBuilder::default()
    }

    pub(super) fn from_rules(rules: Arc<Rules>) -> Self {
        Self(rules)
    }
}

impl Policy for CsrfLayer {
    const NAME: &'static str = "csrf";
    type Pass = ();
    type Wait = NoWait<()>;

    fn admit(&self, head: &request::Parts) -> Verdict<(), NoWait<()>> {
        self.0.check(head).into()
    }
}

gate_layer!(CsrfLayer);
