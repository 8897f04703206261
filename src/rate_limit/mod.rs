//! Limits on how often a client may ask.
//!
//! Stops brute force and abuse from one address or account: a request over the
//! quota is answered 429 with `Retry-After`, `RateLimit` and
//! `RateLimit-Policy`, before anything costly runs. The decision is governor's
//! generic cell rate algorithm; memory is bounded by the capacity, whatever
//! the number of clients.
//!
//! # What it does not stop
//!
//! An attacker with many addresses: IPv6 clients are counted by /64, /56 and
//! /48, and each further /48 is a client of its own. Several processes each
//! count for themselves.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::identity::PeerAddr;
//! use tower_rampart::rate_limit::RateLimitLayer;
//!
//! let limit = RateLimitLayer::builder("api", "2/1m".parse()?).build()?;
//! let service = limit.layer(service_fn(|_request: Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! }));
//! let from = |peer: &str| -> Result<Request<String>, Box<dyn std::error::Error>> {
//!     Ok(Request::builder().extension(PeerAddr(peer.parse()?)).body(String::new())?)
//! };
//! for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
//!     assert_eq!(service.clone().oneshot(from("192.0.2.1:1000")?).await?.status(), expected);
//! }
//! assert_eq!(service.oneshot(from("192.0.2.2:1000")?).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! `capacity` takes 16 bytes an entry at once. When it is full, whoever owes
//! least is forgotten first, so a flood of addresses frees no abuser.

mod builder;
mod check;
mod error;
mod key;
mod layer;
mod limiter;
mod quota;
mod store;
mod window;

pub use builder::RateLimitLayerBuilder;
pub use check::Counted;
pub use error::{ConfigError, Limited, Problem, QuotaParseError};
pub use key::Key;
pub use layer::RateLimitLayer;
pub use limiter::{Allowed, RateLimiter};
pub use quota::Quota;

#[cfg(test)]
mod tests;
