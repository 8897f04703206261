//! Limits on how often a client may ask.
//!
//! Stops brute force and abuse from one address or account: a request over the
//! quota is answered 429 with `Retry-After`, `RateLimit` and
//! `RateLimit-Policy`, before anything costly runs. The decision is governor's
//! generic cell rate algorithm; memory is bounded by the capacity, whatever
//! the number of clients.
//!
//! Beside the layer there is [`LoginGuard`], which limits attempts to sign in;
//! [`RateLimiter`], for handlers; and [`RateLimitHandle`], for operators.
//!
//! # What it does not stop
//!
//! An attacker with many addresses: IPv6 clients are counted by /64, /56 and
//! /48, and each further /48 is a client of its own. Several processes each
//! count for themselves, unless they share a Redis (`RedisLimits`, by feature
//! `redis`).
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
//! `capacity` takes 16 bytes an entry at once, 48 with [`Memory::Strict`]. When
//! a place in the table is wanted, whoever owes least is forgotten first, so a
//! flood of addresses frees no abuser who asks faster than the flood. A decision
//! reads the clock once, and memory is not allocated for it. A shared Redis
//! costs a round trip for each request that it does not refuse.

#[cfg(not(feature = "redis"))]
mod alone;
// Only shared counters have to be waited for.
#[cfg_attr(not(feature = "redis"), allow(dead_code))]
mod ask;
mod builder;
mod check;
#[cfg_attr(not(feature = "redis"), allow(dead_code))]
mod counters;
mod counting;
mod error;
mod field;
mod fields;
mod guard;
mod handle;
mod key;
mod layer;
mod limiter;
mod quota;
#[cfg_attr(not(feature = "redis"), allow(dead_code))]
mod rate;
#[cfg(feature = "redis")]
mod redis;
mod sketch;
mod stats;
mod store;
mod windows;

pub use builder::RateLimitLayerBuilder;
pub use check::{Counted, WithoutAddress};
pub use error::{ConfigError, Limited, LimitedKind, Problem, QuotaParseError};
pub use field::{Field, FieldBody, FieldBodyError, FieldLayer, FieldService};
pub use fields::Fields;
pub use guard::{Attempt, LoginGuard, LoginGuardBuilder, LoginGuardLayer, Outcome};
pub use handle::RateLimitHandle;
pub use key::{Caller, Key};
pub use layer::RateLimitLayer;
pub use limiter::{Allowed, Permit, RateLimiter};
pub use quota::Quota;
#[cfg(feature = "redis")]
pub use redis::{OnFailure, RedisLimits, RedisLimitsBuilder, RedisLimitsError};
pub use stats::{Denials, Stats};
pub use store::Memory;

#[cfg(test)]
mod tests;
