//! Verification of access tokens.
//!
//! Stops forged, altered, expired, misdirected and revoked tokens: compact JWS
//! only (RFC 7515 §3.1), the algorithm fixed by the key (RFC 8725 §3.1),
//! `iss`, `aud`, `exp`, `iat` and `sub` demanded, repeated members, unknown critical
//! headers and non-canonical base64url refused. Answers 401 with a
//! `WWW-Authenticate` challenge (RFC 6750 §3); 400 for credentials that cannot
//! be read or that come twice; 403 for a missing scope.
//!
//! # What it does not stop
//!
//! A stolen token: until it expires, or its session is revoked, whoever holds
//! it is the subject. Tokens in cookies need [`csrf`](crate::csrf) beside them.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Request, Response, StatusCode};
//! use serde_json::json;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::clock::{Clock, SystemClock};
//! use tower_rampart::identity::Principal;
//! use tower_rampart::jwt::{JwtLayer, KeySet, Verifier};
//! use tower_rampart::secret::Secret;
//!
//! let keys = KeySet::from_secret(&Secret::random(48))?;
//! let verifier = Verifier::builder(keys.clone()).issuer("https://api.example").audience("api").build()?;
//! let service = JwtLayer::builder(verifier).build()?.layer(service_fn(|request: Request<String>| async move {
//!     let who = request.extensions().get::<Principal>().map(|p| p.subject().to_owned());
//!     Ok::<_, std::convert::Infallible>(Response::new(who.unwrap_or_default()))
//! }));
//!
//! let refused = service.clone().oneshot(Request::new(String::new())).await?;
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//!
//! let now = SystemClock.unix_now().as_u64();
//! let claims = json!({"iss": "https://api.example", "aud": "api", "sub": "user-1", "iat": now, "exp": now + 600});
//! let token = keys.sign("at+jwt", claims.as_object().ok_or("an object")?, SystemClock.unix_now())?;
//! let request = Request::builder().header("authorization", format!("Bearer {token}")).body(String::new())?;
//! assert_eq!(service.oneshot(request).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # What each setting costs
//!
//! A longer leeway or lifetime lets a stolen token live longer. Each
//! requirement (`require_scope`, `require_fresh`) is a comparison.

mod algorithm;
mod backend;
mod builder;
mod cache;
mod check;
mod claims;
mod derive;
mod error;
mod jwk;
mod jwk_set;
mod key;
mod key_set;
mod key_set_builder;
mod key_state;
mod keys;
mod layer;
mod pem;
mod public;
#[cfg(feature = "jwks-client")]
mod remote;
mod require;
mod revocation;
#[cfg(feature = "test-util")]
pub mod testing;
mod token;
mod verifier;

pub use algorithm::Algorithm;
pub use builder::{JwtLayerBuilder, Source};
pub use claims::Claims;
pub use error::{ConfigError, Problem, SignError, VerifyError, VerifyErrorKind};
pub use jwk_set::{JwkSet, SkippedJwk};
pub use key::{SigningKey, VerifyingKey};
pub use key_set::KeySet;
pub use key_set_builder::KeySetBuilder;
pub use key_state::KeyState;
pub use layer::JwtLayer;
#[cfg(feature = "jwks-client")]
pub use remote::{
    FetchError, FetchJwks, Fetched, Following, HttpFetch, RemoteKeys, RemoteKeysBuilder,
};
pub use require::{RequireLayer, RequireLayerBuilder};
pub use revocation::{EndReason, Revocation, Revocations, Revoked, RevokedToken};
pub use verifier::{Verifier, VerifierBuilder};

#[cfg(feature = "session")]
pub(crate) use derive::{check_secret, derive};
