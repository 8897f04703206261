//! Sessions: short access tokens, and refresh tokens that rotate.
//!
//! Stops the quiet reuse of a stolen refresh token: each can be used once, the
//! one that follows is the same for everybody who asks within a short grace
//! period (two tabs, a retry), and any later use of an old one ends the whole
//! session (RFC 9700 §4.14.2). A token with a wrong MAC never reaches the
//! store, and the store holds nothing that can be turned into a token.
//!
//! # What it does not stop
//!
//! A navigation that another site starts and cuts short can use up a refresh
//! token whose successor then never arrives; the same goes for a handler that
//! takes longer than the grace period. A thief who uses a stolen token before its owner does is detected only when
//! the owner comes back. An access token lives until it expires or its session
//! is in [`Revocations`](crate::jwt::Revocations).
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_rampart::secret::Secret;
//! use tower_rampart::session::{MemoryStore, NewSession, RefreshErrorKind, TokenIssuer};
//!
//! let issuer = TokenIssuer::builder(MemoryStore::new())
//!     .secret(&Secret::random(48))
//!     .issuer("https://api.example")
//!     .audience("api")
//!     .build()?;
//! let first = issuer.start(NewSession::of("user-1")).await?;
//! let second = issuer.refresh(first.refresh_token()).await?;
//! let third = issuer.refresh(second.refresh_token()).await?;
//!
//! let reuse = issuer.refresh(first.refresh_token()).await.expect_err("two generations old");
//! assert_eq!(reuse.kind(), RefreshErrorKind::Reused);
//! let dead = issuer.refresh(third.refresh_token()).await.expect_err("the whole session is over");
//! assert_eq!(dead.kind(), RefreshErrorKind::Revoked);
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! A shorter access lifetime means more refreshes, each one write. A longer
//! grace period gives a thief who is just behind the owner more time.

mod builder;
mod cookies;
mod error;
mod issuer;
mod layer;
mod refresh;
mod refresh_token;
mod rotation;
mod store;
mod tokens;

pub use builder::TokenIssuerBuilder;
pub use cookies::SessionCookies;
pub use error::{ConfigError, IssueError, Problem, RefreshError, RefreshErrorKind};
pub use issuer::TokenIssuer;
pub use layer::SessionLayer;
pub use store::{
    EndReason, EndSessions, EndedSession, MemoryStore, RefreshId, RefreshStore, Rotation,
    SessionRecord, StoreError, StoreFuture,
};

pub use tokens::{AccessToken, IssuedTokens, NewSession};

#[cfg(feature = "sqlite")]
pub use store::SqliteStore;

#[doc(no_inline)]
pub use crate::origin::{OriginPolicy, OriginPolicyBuilder, Problem as OriginProblem};

#[cfg(test)]
mod tests;
