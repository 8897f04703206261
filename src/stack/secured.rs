//! The end of an axum router.

use std::net::SocketAddr;

use ::axum::Router;
use ::axum::extract::DefaultBodyLimit;
use ::axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use ::axum::routing::RouterIntoService;
use http::request;

use super::content_length::ContentLengthLayer;
use super::layer::Rampart;
use crate::axum::connect_info;
use crate::gate::{GateLayer, NoWait, Policy, Verdict};
use crate::identity::PeerAddr;

/// Puts a finished axum router behind a [`Rampart`].
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, routing::get};
/// use tower_rampart::context::ContextLayer;
/// use tower_rampart::stack::{Rampart, RampartExt};
///
/// let rampart = Rampart::builder().context(ContextLayer::new()).build()?;
/// let app = Router::new()
///     .route("/", get(async || "hello"))
///     .rampart(&rampart);
/// // axum::serve(listener, app.into_make_service()).await?;
/// # drop(app);
/// # Ok(())
/// # }
/// ```
///
/// No route can be added outside the stack afterwards:
///
/// ```compile_fail
/// # use axum::{Router, routing::get};
/// # use tower_rampart::stack::{Rampart, RampartExt};
/// let app = Router::<()>::new().rampart(&Rampart::default());
/// app.route("/open", get(async || "hello"));
/// ```
pub trait RampartExt {
    /// Puts everything that was added so far, what finds no route included,
    /// behind the stack.
    ///
    /// Peer addresses come from where axum puts them. A
    /// [cap on lengths](super::RampartBuilder::max_content_length) under axum's
    /// own 2 MiB also holds for bodies without a declared length, unless a route
    /// sets another `DefaultBodyLimit`; a higher one raises nothing.
    fn rampart(self, rampart: &Rampart) -> Secured;
}

/// A finished router behind a [`Rampart`]: it can be served, and nothing can be
/// added to it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Secured(Router);

/// What axum's extractors read at most, unless told otherwise.
const AXUM_BYTES: u64 = 2 * 1024 * 1024;

impl RampartExt for Router {
    fn rampart(self, rampart: &Rampart) -> Secured {
        let capped = match rampart.content_length.map(ContentLengthLayer::bytes) {
            Some(cap) if cap < AXUM_BYTES => {
                let bytes = usize::try_from(cap).unwrap_or(usize::MAX);
                self.layer(DefaultBodyLimit::max(bytes))
            }
            _ => self,
        };
        Secured(capped.layer((GateLayer::new(Peer), rampart.clone())))
    }
}

impl Secured {
    /// Makes what `axum::serve` serves. The address of the peer goes with each
    /// request.
    #[must_use]
    pub fn into_make_service(self) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
        self.0.into_make_service_with_connect_info()
    }

    /// Makes a service for another server, or for tests. Whoever calls it
    /// says by [`PeerAddr`] where a request comes from.
    #[must_use]
    pub fn into_service<B>(self) -> RouterIntoService<B, ()>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.0.into_service()
    }
}

/// Tells where a request comes from, in the words of the layers.
#[derive(Clone, Copy, Debug)]
struct Peer;

impl Policy for Peer {
    const NAME: &'static str = "peer";
    type Pass = ();
    type Wait = NoWait<()>;

    fn admit(&self, _head: &request::Parts) -> Verdict<(), NoWait<()>> {
        Verdict::Pass(())
    }

    fn enter(&self, (): &(), head: &mut request::Parts) {
        let told = head.extensions.get::<PeerAddr>().is_some();
        if let (Some(peer), false) = (connect_info(&head.extensions), told) {
            head.extensions.insert(PeerAddr(peer));
        }
    }
}
