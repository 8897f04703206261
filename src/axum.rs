//! axum's peer address, and extractors for what the layers found out.
//!
//! An extractor whose layer is missing answers 500: a handler never runs
//! believing that somebody is anonymous who was not asked.
//!
//! # What it does not stop
//!
//! A handler that extracts nothing runs for everybody. Wrap the router.
//!
//! # Examples
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_rampart::identity::Principal;
//!
//! async fn me(principal: Principal) -> String {
//!     principal.subject().to_owned()
//! }
//!
//! let router: Router = Router::new().route("/me", get(me));
//! # drop(router);
//! ```

use std::any::type_name;
use std::net::SocketAddr;

use ::axum::extract::ConnectInfo;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{Extensions, HeaderValue, StatusCode, request};

use crate::identity::{Anonymous, ClientAddr, Principal, RequestId};
use crate::rejection::{Rejection, RejectionCode};

/// Finds the peer's address where axum puts it. For
/// [`ClientAddrResolverBuilder::peer`](crate::identity::ClientAddrResolverBuilder::peer),
/// with `into_make_service_with_connect_info::<SocketAddr>()`.
#[must_use]
pub fn connect_info(extensions: &Extensions) -> Option<SocketAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0)
}

/// A layer that should have run did not, or let a stranger pass whom the
/// handler has no use for.
#[derive(Debug)]
pub struct MissingLayer(Box<http::Response<bytes::Bytes>>);

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        self.0.map(axum_core::body::Body::from)
    }
}

fn extension<T: Clone + Send + Sync + 'static>(head: &request::Parts) -> Result<T, MissingLayer> {
    head.extensions.get::<T>().cloned().ok_or_else(|| {
        crate::trace::degraded("missing-layer", &type_name::<T>());
        let rejection = Rejection::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            RejectionCode::Misconfigured,
        );
        MissingLayer(Box::new(
            rejection.kind("missing-layer").into_response(head),
        ))
    })
}

macro_rules! extract {
    ($($extension:ty),*) => {$(
        /// Extracts what a layer put into the request; 500 if it did not.
        impl<S: Sync> FromRequestParts<S> for $extension {
            type Rejection = MissingLayer;

            async fn from_request_parts(head: &mut request::Parts, _state: &S) -> Result<Self, MissingLayer> {
                extension(head)
            }
        }
    )*};
}

extract!(ClientAddr, RequestId);
#[cfg(feature = "upload")]
extract!(crate::upload::UploadReport);

/// Extracts the verified caller; 401 if the route lets strangers pass and one
/// came, 500 if no layer asked who it is.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = MissingLayer;

    async fn from_request_parts(
        head: &mut request::Parts,
        _state: &S,
    ) -> Result<Self, MissingLayer> {
        if head.extensions.get::<Anonymous>().is_some() {
            let rejection = Rejection::new(StatusCode::UNAUTHORIZED, RejectionCode::TokenMissing)
                .header(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"api\""),
                );
            return Err(MissingLayer(Box::new(rejection.into_response(head))));
        }
        extension(head)
    }
}

/// Extracts the verified caller, or nobody where strangers may pass; 500 if no
/// layer asked who it is.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = MissingLayer;

    async fn from_request_parts(
        head: &mut request::Parts,
        _state: &S,
    ) -> Result<Option<Self>, MissingLayer> {
        match head.extensions.get::<Anonymous>() {
            Some(Anonymous) => Ok(None),
            None => extension(head).map(Some),
        }
    }
}
