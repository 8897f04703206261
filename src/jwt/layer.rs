//! The layer.

use std::sync::Arc;

use http::request;

use super::builder::Source;
use super::check::{Caller, Rules, Wait};
use crate::gate::{Policy, Settings, Verdict, gate_layer};
use crate::identity::{Anonymous, Principal};

/// Lets requests pass whose token is verified, and puts their [`Principal`]
/// into the extensions; [`Anonymous`] instead if credentials are optional and
/// there are none.
///
/// See the [module docs](crate::jwt) for an example.
#[derive(Clone, Debug)]
pub struct JwtLayer(pub(super) Arc<Rules>);

impl Policy for JwtLayer {
    const NAME: &'static str = "jwt";
    type Pass = Caller;
    type Wait = Wait;

    fn admit(&self, head: &request::Parts) -> Verdict<Caller, Wait> {
        self.0.check(head)
    }

    fn enter(&self, caller: &Caller, head: &mut request::Parts) {
        // Whatever stood there before was not verified by this layer.
        head.extensions.remove::<Principal>();
        head.extensions.remove::<Anonymous>();
        match caller {
            Some(principal) => {
                if let Some(observer) = &self.0.observer {
                    observer.0(head, principal);
                }
                head.extensions.insert(principal.clone());
            }
            None => drop(head.extensions.insert(Anonymous)),
        }
    }

    fn settings(&self) -> Settings {
        let sources = self.0.sources.iter().map(|source| match source {
            Source::Bearer => "bearer".to_owned(),
            Source::Cookie(name) => format!("cookie {name}"),
        });
        let strangers = if self.0.optional {
            "pass"
        } else {
            "are refused"
        };
        vec![
            ("tokens from", sources.collect::<Vec<_>>().join(", ")),
            ("strangers", strangers.to_owned()),
        ]
    }
}

gate_layer!(JwtLayer);
