//! Refusal of requests that a page of another site made in the user's name.
//!
//! Stops cross-site request forgery by what browsers say of themselves, without
//! tokens. An unsafe request, or a WebSocket handshake, passes if its `Origin` is
//! allowed; else if it says `Sec-Fetch-Site: same-origin` or `none`; else, where
//! it says nothing of that, if its `Origin` is the service's own; and without
//! either field, since then no browser of the last years made it, unless a strict
//! cookie is there. Anything else is answered 403. `SameSite` cookies alone do
//! not do this: another port of the same host is the same site.
//!
//! # What it does not stop
//!
//! Clients that are no browsers write these headers as they like; they also
//! hold no user's cookies. A form of the service's own that is served with
//! `Referrer-Policy: no-referrer` has the `Origin` `null`, and is refused where
//! the browser does not send `Sec-Fetch-Site`: older ones, and over plain HTTP
//! all but to `localhost`. A proxy that rewrites `Host` or `Origin` takes the
//! ground from under the check. Safe methods pass, so handlers of `GET` must
//! change nothing.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::csrf::{CsrfLayer, OriginPolicy};
//!
//! let origins = OriginPolicy::builder().origin("http://localhost:5173").build()?;
//! let service = CsrfLayer::builder().origins(&origins).build()?.layer(service_fn(|_request: Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! }));
//! let post = |origin: &str| Request::post("/refresh").header("origin", origin).header("sec-fetch-site", "same-site").body(String::new());
//! assert_eq!(service.clone().oneshot(post("http://localhost:5173")?).await?.status(), StatusCode::OK);
//! assert_eq!(service.oneshot(post("http://localhost:9999")?).await?.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! An exemption opens exactly one method and path. `strict_cookies` refuses
//! old clients that say nothing about where they come from.

mod builder;
mod check;
mod error;
mod layer;

pub use builder::CsrfLayerBuilder;
pub use error::{ConfigError, Problem};
pub use layer::CsrfLayer;

#[doc(no_inline)]
pub use crate::origin::{OriginPolicy, OriginPolicyBuilder, Problem as OriginProblem};
