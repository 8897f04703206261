//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::builder::CorsLayerBuilder;
use super::rules::{AllowOrigin, Audience, Rules};
use crate::gate::{NoWait, Policy, Verdict, gate_layer};
use crate::origin::OriginPolicy;

/// Tells browsers which pages may read the answers.
///
/// See the [module docs](crate::cors) for an example.
#[derive(Clone, Debug)]
pub struct CorsLayer(Arc<Rules>);

impl CorsLayer {
    /// Starts a layer for pages that send cookies or other credentials.
    pub fn credentialed(origins: &OriginPolicy) -> CorsLayerBuilder {
        CorsLayerBuilder::new(Audience::Listed {
            origins: origins.clone(),
            credentials: true,
        })
    }

    /// Starts a layer for listed pages that send no credentials.
    pub fn anonymous(origins: &OriginPolicy) -> CorsLayerBuilder {
        CorsLayerBuilder::new(Audience::Listed {
            origins: origins.clone(),
            credentials: false,
        })
    }

    /// Starts a layer for a public service: every page may read, none with
    /// credentials.
    pub fn any_origin() -> CorsLayerBuilder {
        CorsLayerBuilder::new(Audience::Anybody)
    }

    pub(super) fn from_rules(rules: Arc<Rules>) -> Self {
        Self(rules)
    }
}

impl Policy for CorsLayer {
    const NAME: &'static str = "cors";
    type Pass = AllowOrigin;
    type Wait = NoWait<AllowOrigin>;

    fn admit(&self, head: &request::Parts) -> Verdict<AllowOrigin, NoWait<AllowOrigin>> {
        self.0.admit(head)
    }

    fn leave(&self, pass: AllowOrigin, head: &mut response::Parts) {
        self.0.leave(pass, head);
    }
}

gate_layer!(CorsLayer);
