//! Cross-origin resource sharing: which pages may read this service's answers.
//!
//! Stops pages of other origins from reading answers: an origin that is not on
//! the list gets no `Access-Control-*` field at all. A preflight is answered
//! here with constants, 204 or 403; the browser compares methods and headers,
//! so nothing of the request is parsed.
//!
//! # What it does not stop
//!
//! The request itself. A page that may not read an answer can still cause it:
//! [`csrf`](crate::csrf) with the same [`OriginPolicy`] refuses that. Clients
//! that are no browsers are not bound by CORS. A layer inside another one can
//! close to an origin what the outer one opens; all else the outer one says,
//! preflights included.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Method, Request, Response, header};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::cors::{CorsLayer, OriginPolicy};
//!
//! let origins = OriginPolicy::builder().origin("http://localhost:5173").build()?;
//! let cors = CorsLayer::credentialed(&origins).methods([Method::PUT]).build()?;
//! let service = cors.layer(service_fn(|_request: Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! }));
//! let from = |origin: &str| Request::builder().header(header::ORIGIN, origin).body(String::new());
//!
//! let allowed = service.clone().oneshot(from("http://localhost:5173")?).await?;
//! assert_eq!(allowed.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:5173");
//! let denied = service.oneshot(from("https://evil.example")?).await?;
//! assert!(!denied.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! A longer `max_age` saves preflights and delays a change of the methods and
//! headers in browsers that cached the answer; the origin is checked each time.

mod builder;
mod error;
mod layer;
mod rules;

pub use builder::CorsLayerBuilder;
pub use error::{ConfigError, Problem};
pub use layer::{CorsLayer, Sharing};

#[doc(no_inline)]
pub use crate::origin::{OriginPolicy, OriginPolicyBuilder, Problem as OriginProblem};
