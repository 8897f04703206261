//! Routes for which a revocation two seconds old is too old.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{StatusCode, request};

use super::error::{RefreshError, RefreshErrorKind};
use super::issuer::TokenIssuer;
use crate::gate::{Policy, Verdict, gate_layer};
use crate::identity::Principal;
use crate::rejection::{Rejection, RejectionCode, Reply};

/// Asks the store about the caller's session before the request goes on: one
/// read by key.
///
/// Belongs inside [`JwtLayer`](crate::jwt::JwtLayer), around routes that cannot
/// be undone. Answers 401 if the session is over, with the reason, 503 if the
/// store does not answer, and 500 without a verified caller.
///
/// # Examples
///
/// ```
/// # use tower_rampart::secret::Secret;
/// use tower_rampart::session::{MemoryStore, StrictSessionLayer, TokenIssuer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = TokenIssuer::builder(MemoryStore::new())
///     .secret(&Secret::random(48))
///     .issuer("https://api.example")
///     .audience("api")
///     .build()?;
/// let transfers = StrictSessionLayer::new(issuer);
/// # let _ = transfers;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StrictSessionLayer(Arc<TokenIssuer>);

impl StrictSessionLayer {
    /// Asks the store of an issuer.
    #[must_use]
    pub fn new(issuer: TokenIssuer) -> Self {
        Self(Arc::new(issuer))
    }
}

impl fmt::Debug for StrictSessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrictSessionLayer").finish_non_exhaustive()
    }
}

/// The wait for the store.
type Asking = Pin<Box<dyn Future<Output = Result<(), Reply>> + Send>>;

impl Policy for StrictSessionLayer {
    const NAME: &'static str = "strict-session";
    type Pass = ();
    type Wait = Asking;

    fn admit(&self, head: &request::Parts) -> Verdict<(), Asking> {
        let Some(principal) = head.extensions.get::<Principal>() else {
            // Nobody asked who this is; letting it pass would fail open.
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Verdict::Reply(
                Rejection::new(status, RejectionCode::Misconfigured)
                    .kind("missing-jwt-layer")
                    .into(),
            );
        };
        let (issuer, principal) = (Arc::clone(&self.0), principal.clone());
        Verdict::Wait(Box::pin(async move {
            match ask(&issuer, &principal).await {
                Ok(()) => Ok(()),
                Err(error) => Err(error.into_rejection().into()),
            }
        }))
    }
}

async fn ask(issuer: &TokenIssuer, principal: &Principal) -> Result<(), RefreshError> {
    let over = |kind| Err(RefreshError::new(kind));
    let Some(sid) = principal.session() else {
        return over(RefreshErrorKind::Revoked);
    };
    let Some(session) = issuer.find(sid).await? else {
        return over(RefreshErrorKind::Revoked);
    };
    let now = issuer.now();
    match session.ended {
        Some(reason) => Err(RefreshError::ended(reason)),
        None if session.subject != principal.subject() => over(RefreshErrorKind::Revoked),
        None if now >= session.absolute_until => over(RefreshErrorKind::Expired),
        None if now >= session.idle_until => over(RefreshErrorKind::IdleTimeout),
        None => Ok(()),
    }
}

gate_layer!(StrictSessionLayer);
