//! The layer.

use std::sync::Arc;

use http::request;

use super::check::Rules;
use crate::gate::{NoWait, Policy, Verdict, gate_layer};
use crate::identity::Principal;

/// Lets requests pass whose token is verified, and puts their [`Principal`]
/// into the extensions.
///
/// See the [module docs](crate::jwt) for an example.
#[derive(Clone, Debug)]
pub struct JwtLayer(pub(super) Arc<Rules>);

impl Policy for JwtLayer {
    const NAME: &'static str = "jwt";
    type Pass = Option<Principal>;
    type Wait = NoWait<Option<Principal>>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        self.0.check(head).into()
    }

    fn enter(&self, pass: &Self::Pass, head: &mut request::Parts) {
        // Whatever stood there before was not verified by this layer.
        head.extensions.remove::<Principal>();
        if let Some(principal) = pass {
            head.extensions.insert(principal.clone());
        }
    }
}

gate_layer!(JwtLayer);
