//! One middleware for every layer: a [`Policy`] decides from the head of a
//! request, [`Gate`] does the rest.
//!
//! # Write your own policy in twenty lines
//!
//! ```
//! use http::{StatusCode, request};
//! use tower_rampart::gate::{GateLayer, NoWait, Policy, Verdict};
//! use tower_rampart::rejection::{Rejection, RejectionCode};
//!
//! #[derive(Clone, Debug)]
//! struct Teapot;
//!
//! impl Policy for Teapot {
//!     const NAME: &'static str = "teapot";
//!     type Pass = ();
//!     type Wait = NoWait<()>;
//!
//!     fn admit(&self, head: &request::Parts) -> Verdict<(), NoWait<()>> {
//!         if head.uri.path() == "/coffee" {
//!             return Rejection::new(StatusCode::IM_A_TEAPOT, RejectionCode::Other("teapot")).into();
//!         }
//!         Verdict::Pass(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! let service = GateLayer::new(Teapot).layer(service_fn(|_request: http::Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(http::Response::new("tea".to_owned()))
//! }));
//! let refused = service.clone().oneshot(http::Request::get("/coffee").body(String::new())?).await?;
//! assert_eq!(refused.status(), StatusCode::IM_A_TEAPOT);
//! let served = service.oneshot(http::Request::get("/tea").body(String::new())?).await?;
//! assert_eq!(served.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not stop
//!
//! Anything that can only be seen in the body: see [`upload`](crate::upload).

mod body;
mod future;
mod passage;
mod policy;
mod rescue;
mod service;

pub use body::GateBody;
pub use future::GateFuture;
pub use passage::{Chain, ChainWait, Passage, Step};
pub use policy::{NoWait, OptionalWait, Policy, Settings, Verdict};
pub use rescue::{Rescue, RescueFuture, RescueLayer};
pub use service::{Gate, GateLayer};

/// Makes a policy a [`Layer`](tower_layer::Layer) that wraps services in a [`Gate`].
macro_rules! gate_layer {
    ($policy:ty) => {
        impl<S> ::tower_layer::Layer<S> for $policy {
            type Service = $crate::gate::Gate<S, Self>;

            fn layer(&self, inner: S) -> Self::Service {
                $crate::gate::Gate::new(inner, self.clone())
            }
        }
    };
}
pub(crate) use gate_layer;
