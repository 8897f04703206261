//! Sessions: short access tokens, and refresh tokens that rotate.
//!
//! Stops the quiet reuse of a stolen refresh token: each can be used once, the
//! one that follows is the same for everybody who asks within a short grace
//! period (two tabs, a retry), is given out once more later as long as nobody
//! has used it (an answer that was lost), and any other use of an old one ends
//! the whole session (RFC 9700 §4.14.2). A token with a wrong MAC never reaches
//! the store, and the store holds nothing that can be turned into a token.
//!
//! What ends sessions reaches access tokens through
//! [`Revocations`](crate::jwt::Revocations): at once in the same process, within
//! a second in others that [follow](TokenIssuer::follow_revocations), and without
//! a question to the store on any request. A [`StrictSessionLayer`] asks it
//! where a second is too long. With a store that other processes share, somebody
//! has to follow: until then every access token is refused.
//!
//! # What it does not stop
//!
//! A thief who uses a stolen token before its owner does is detected when the
//! owner comes back; one who uses it within the grace period, or who shows none
//! of its access tokens to this service, a renewal later. Two answers lost in a row, each for longer than
//! the grace period, sign an honest client out: a thief and an owner who take
//! turns look the same.
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
//! A shorter access lifetime means more refreshes, each one write, and one more
//! when the new access token is first used. A longer grace period gives a thief
//! who is just behind the owner more time; so does a longer
//! [`lost_reply`](TokenIssuerBuilder::lost_reply), once.

mod builder;
mod cookies;
mod detached;
mod ending;
mod error;
mod events;
mod flights;
mod issuer;
mod layer;
mod receipts;
mod refresh;
mod refresh_token;
mod renewal;
mod rotation;
mod store;
mod strict;
mod tokens;

pub use builder::TokenIssuerBuilder;
pub use cookies::SessionCookies;
pub use error::{ConfigError, IssueError, Problem, RefreshError, RefreshErrorKind};
pub use events::{
    SecurityEvent, SecurityEventKind, SecurityEventReceiver, SecurityEventSender, security_events,
};
pub use issuer::TokenIssuer;
pub use layer::SessionLayer;
pub use strict::StrictSessionLayer;

pub use store::{
    EndSessions, Epochs, MemoryStore, Receipt, RefreshId, RefreshStore, Rotation, SessionRecord,
    StoreError, StoreFuture,
};

pub use tokens::{AccessToken, IssuedTokens, NewSession};

#[cfg(feature = "postgres")]
pub use store::PostgresStore;
#[cfg(feature = "redis")]
pub use store::RedisStore;
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;

#[doc(no_inline)]
pub use crate::jwt::{EndReason, Revocation, Revoked};
#[doc(no_inline)]
pub use crate::origin::{OriginPolicy, OriginPolicyBuilder, Problem as OriginProblem};

#[cfg(test)]
mod tests;
