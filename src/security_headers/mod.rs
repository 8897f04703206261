//! The response headers that tell browsers to be strict.
//!
//! Stops content sniffing, framing, leaking of referrers, and caching of
//! answers to requests with credentials unless a handler says how. Touches
//! every response, refusals of
//! inner layers included, so it belongs outermost.
//!
//! # What it does not stop
//!
//! Script injection in pages whose own `Content-Security-Policy` allows inline
//! scripts. Clients that are no browsers ignore all of it.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::security_headers::SecurityHeadersLayer;
//!
//! let service = SecurityHeadersLayer::api().build()?.layer(service_fn(|_request: Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! }));
//! let response = service.oneshot(Request::new(String::new())).await?;
//! assert_eq!(response.headers()["x-content-type-options"], "nosniff");
//! assert!(!response.headers().contains_key("strict-transport-security"));
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! `hsts` holds until it expires: browsers refuse plain HTTP to the host until
//! then, or until they were told a time of zero over TLS. A policy with a nonce
//! costs a random number and some allocations a response, which is not cached
//! unless a handler says so.

mod builder;
mod csp;
mod directives;
mod error;
mod layer;
mod rules;

pub use builder::SecurityHeadersLayerBuilder;
pub use csp::{ContentSecurityPolicy, CspNonce};
pub use error::{ConfigError, Problem};
pub use layer::SecurityHeadersLayer;
pub use rules::Seen;
