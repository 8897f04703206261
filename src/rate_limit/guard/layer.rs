//! The guard as a layer.

use std::fmt;
use std::sync::Arc;

use http::header::SET_COOKIE;
use http::{StatusCode, request, response};

use super::super::ask::{Later, Soon};
use super::super::field::Field;
use super::{Attempt, LoginGuard};
use crate::gate::{Policy, Verdict, gate_layer};
use crate::identity::{ClientAddr, ClientAddrResolver};
use crate::rejection::{Rejection, RejectionCode, Reply, with_true_status};

/// What a response says of an attempt to sign in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The password was right.
    Succeeded,
    /// It was wrong, or nothing is known.
    Failed,
    /// No password was compared.
    Abandoned,
}

/// Guards a route that takes a password.
///
/// Belongs inside a [`FieldLayer`](crate::rate_limit::FieldLayer), which finds
/// the account in the body; a request without it is answered 422.
#[derive(Clone)]
pub struct LoginGuardLayer {
    guard: LoginGuard,
    resolver: ClientAddrResolver,
    outcome: Arc<dyn Fn(&response::Parts) -> Outcome + Send + Sync>,
}

impl LoginGuard {
    /// Returns a layer that counts attempts by the [`Field`] of the body.
    /// `outcome` says what a response means, for instance
    /// [`Outcome::of_json_api`].
    ///
    /// # Security
    ///
    /// What is called a success forgets failures and makes the browser a known
    /// device. A form that answers a wrong password with 200 or a redirect needs
    /// an `outcome` of its own.
    #[must_use]
    pub fn layer(
        &self,
        outcome: impl Fn(&response::Parts) -> Outcome + Send + Sync + 'static,
    ) -> LoginGuardLayer {
        LoginGuardLayer {
            guard: self.clone(),
            resolver: ClientAddrResolver::default(),
            outcome: Arc::new(outcome),
        }
    }
}

impl Outcome {
    /// Reads a response of an API that answers a wrong password with an error:
    /// 2xx is a success, 5xx no comparison, anything else a failure.
    #[must_use]
    pub fn of_json_api(head: &response::Parts) -> Self {
        if head.status.is_success() {
            Self::Succeeded
        } else if head.status.is_server_error() {
            Self::Abandoned
        } else {
            Self::Failed
        }
    }
}

impl LoginGuardLayer {
    /// Says how client addresses are found; by default the peer is the client.
    #[must_use]
    pub fn client_addr(mut self, resolver: ClientAddrResolver) -> Self {
        self.resolver = resolver;
        self
    }
}

impl fmt::Debug for LoginGuardLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginGuardLayer")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

/// An attempt that was let through, and where from.
type Pass = (ClientAddr, Attempt);

impl Policy for LoginGuardLayer {
    const NAME: &'static str = "login_guard";
    type Pass = Pass;
    type Wait = Later<Result<Pass, Reply>>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        let Some(address) = self.resolver.resolve(head) else {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let rejection = Rejection::new(status, RejectionCode::Misconfigured);
            return rejection.kind("no-client-address").into();
        };
        let Some(account) = head.extensions.get::<Field>() else {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let rejection = Rejection::new(status, RejectionCode::MissingField);
            return rejection.detail("the request names no account").into();
        };
        let attempt = self.guard.start(address, account.as_str(), &head.headers);
        match attempt {
            Soon::Now(Ok(attempt)) => Verdict::Pass((address, attempt)),
            Soon::Now(Err(limited)) => limited.into_rejection().into(),
            Soon::Later(later) => Verdict::Wait(Box::pin(async move {
                match later.await {
                    Ok(attempt) => Ok((address, attempt)),
                    Err(limited) => Err(limited.into_rejection().into()),
                }
            })),
        }
    }

    fn enter(&self, (address, _): &Pass, head: &mut request::Parts) {
        head.extensions.insert(*address);
    }

    fn leave(&self, (_, attempt): Pass, head: &mut response::Parts) {
        let outcome = with_true_status(head, |head| (self.outcome)(head));
        if let Some(cookie) = attempt.settle_soon(outcome) {
            head.headers.append(SET_COOKIE, cookie);
        }
    }
}

gate_layer!(LoginGuardLayer);
