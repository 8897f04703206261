//! The guide: how the parts fit, why they are set as they are, and how to get here
//! from elsewhere.
//!
//! From nothing to a protected route (`cargo add tower-rampart --features axum`, and
//! `axum`, and `tokio` with `full`):
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_rampart::{identity::Principal, jwt::{JwtLayer, KeySet, Verifier}, secret::Secret};
//!
//! async fn notes(caller: Principal) -> String {
//!     format!("notes of {}", caller.subject())
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let secret = std::env::var("SECRET_KEY").map_or_else(|_| Secret::random(48), Secret::new);
//! #   #[cfg(any())]
//!     let secret = Secret::new(std::env::var("SECRET_KEY")?);
//!     let verifier = Verifier::builder(KeySet::from_secret(&secret)?).issuer("https://api.example").audience("notes");
//!     let app = Router::new().route("/notes", get(notes)).layer(JwtLayer::builder(verifier.build()?).build()?);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! #   use tower::ServiceExt;
//! #   let request = http::Request::get("/notes").body(axum::body::Body::empty())?;
//! #   assert_eq!(app.clone().oneshot(request).await?.status(), 401);
//! #   let stopped = axum::serve(listener, app).with_graceful_shutdown(async {});
//! #   return Ok(stopped.await?);
//! #   #[cfg(any())]
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! Whoever comes without a token gets 401 with a challenge and a problem document;
//! whoever comes with one is a [`Principal`](crate::identity::Principal) in the
//! handler. To issue tokens as well, with refresh and sign-out, see
//! [`session`](crate::session); to add the other layers, [`ordering`].

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}

#[doc = include_str!("ordering.md")]
pub mod ordering {}

#[doc = include_str!("proxies.md")]
pub mod proxies {}

#[doc = include_str!("recipes.md")]
pub mod recipes {}

#[doc = include_str!("reliability.md")]
pub mod reliability {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("threats.md")]
pub mod threats {}
