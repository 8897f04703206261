//! The layer.

use std::sync::Arc;

use http::request;

use super::check::Rules;
use crate::gate::{NoWait, Policy, Settings, Verdict, gate_layer};

/// Refuses unsafe requests that a page of another site made.
///
/// See the [module docs](crate::csrf) for an example.
#[derive(Clone, Debug)]
pub struct CsrfLayer(pub(super) Arc<Rules>);

impl CsrfLayer {
    /// Tells whether it was said which pages of other origins may change things,
    /// if only that none may.
    #[must_use]
    pub fn names_origins(&self) -> bool {
        let rules = &self.0;
        rules.origins.is_some() || rules.own_origins.is_some() || rules.own_pages_only
    }
}

impl Policy for CsrfLayer {
    const NAME: &'static str = "csrf";
    type Pass = ();
    type Wait = NoWait<()>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        self.0.check(head).into()
    }

    fn settings(&self) -> Settings {
        self.0.settings()
    }
}

gate_layer!(CsrfLayer);
