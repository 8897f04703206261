//! All layers in the one right order.
//!
//! Stops the most frequent mistake with layers: a wrong order. CORS inside
//! authentication turns preflights into 401; a limit outside CORS hides its
//! 429 from pages; a token refresh outside CSRF lets other sites rotate tokens.
//! [`Rampart`] takes its layers in any order and applies them in one, and
//! refuses combinations that cannot be safe. A service that panics or fails is
//! answered for, inside CORS and the security headers.
//!
//! # What it does not stop
//!
//! A service that is reached around it. Wrap the finished router, not a part of
//! it; for axum (feature `axum`) `RampartExt` does that and lets nobody add a
//! route afterwards. Guard uploads on their routes, innermost, with
//! [`UploadLayer`](crate::upload::UploadLayer).
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::cors::{CorsLayer, OriginPolicy};
//! use tower_rampart::csrf::CsrfLayer;
//! use tower_rampart::security_headers::SecurityHeadersLayer;
//! use tower_rampart::stack::Rampart;
//!
//! let origins = OriginPolicy::builder().origin("http://localhost:5173").build()?;
//! let rampart = Rampart::builder()
//!     .csrf(CsrfLayer::builder().origins(&origins).build()?)
//!     .cors(CorsLayer::credentialed(&origins).build()?)
//!     .security_headers(SecurityHeadersLayer::api().build()?)
//!     .build()?;
//! println!("{}", rampart.explain());
//!
//! let service = rampart.layer(service_fn(|_request: Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! }));
//! let forged = Request::post("/").header("origin", "https://evil.example").body(String::new())?;
//! let refused = service.oneshot(forged).await?;
//! assert_eq!(refused.status(), StatusCode::FORBIDDEN);
//! assert_eq!(refused.headers()["x-content-type-options"], "nosniff");
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! An empty slot costs a few nanoseconds and changes no type, so a service with
//! a `Rampart` can be named: [`RampartService`].

mod builder;
mod content_length;
mod error;
mod explain;
mod layer;
#[cfg(feature = "axum")]
mod secured;

pub use builder::RampartBuilder;
pub use content_length::ContentLengthLayer;
pub use error::{ConfigError, Problem};
pub use explain::Explanation;
pub use layer::{Rampart, RampartService};
#[cfg(feature = "axum")]
pub use secured::{RampartExt, Secured};
