//! The guard as a layer.

use std::fmt;
use std::sync::Arc;

use http::header::SET_COOKIE;
use http::{StatusCode, request, response};

use super::super::counters::{Later, Soon};
use super::super::field::Field;
use super::{Attempt, LoginGuard};
use crate::gate::{Policy, Verdict, gate_layer};
use crate::identity::{ClientAddr, ClientAddrResolver};
use crate::rejection::{Rejection, RejectionCode, Reply};

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
/// the account in the body; a request without it is answered 422. A response
/// of 2xx or 3xx is a success, one of 5xx gives back what was counted for the
/// account, any other is a failure.
#[derive(Clone)]
pub struct LoginGuardLayer {
    guard: LoginGuard,
    resolver: ClientAddrResolver,
    outcome: Arc<dyn Fn(&response::Parts) -> Outcome + Send + Sync>,
}

impl LoginGuard {
    /// Returns a layer that counts attempts by the [`Field`] of the body.
    #[must_use]
    pub fn layer(&self) -> LoginGuardLayer {
        LoginGuardLayer {
            guard: self.clone(),
            resolver: ClientAddrResolver::default(),
            outcome: Arc::new(|head| by_status(head.status)),
        }
    }
}

fn by_status(status: StatusCode) -> Outcome {
    if status.is_success() || status.is_redirection() {
        Outcome::Succeeded
    } else if status.is_server_error() {
        Outcome::Abandoned
    } else {
        Outcome::Failed
    }
}

impl LoginGuardLayer {
    /// Says how client addresses are found; by default the peer is the client.
    #[must_use]
    pub fn client_addr(mut self, resolver: ClientAddrResolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Says what a response means.
    #[must_use]
    pub fn outcome(
        mut self,
        outcome: impl Fn(&response::Parts) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        self.outcome = Arc::new(outcome);
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
        let outcome = (self.outcome)(head);
        if let Some(cookie) = attempt.settle_soon(outcome) {
            head.headers.append(SET_COOKIE, cookie);
        }
    }
}

gate_layer!(LoginGuardLayer);
