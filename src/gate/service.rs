//! The service side of the gate.

use std::fmt;
use std::mem;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::body::GateBody;
use super::future::GateFuture;
use super::policy::{Policy, Verdict};

/// Applies a [`Policy`] to every request of a service.
#[derive(Clone)]
pub struct Gate<S, P> {
    inner: S,
    policy: P,
}

impl<S, P> Gate<S, P> {
    /// Puts a policy in front of a service.
    pub fn new(inner: S, policy: P) -> Self {
        Self { inner, policy }
    }

    /// Returns the service behind the gate.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns the policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// Takes the gate away.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P: Policy> fmt::Debug for Gate<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("policy", &P::NAME)
            .finish_non_exhaustive()
    }
}

impl<S, P, ReqBody, ResBody> Service<Request<ReqBody>> for Gate<S, P>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    P: Policy,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = GateFuture<S, P, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        match self.policy.admit(&head) {
            Verdict::Pass(pass) => {
                self.policy.enter(&pass, &mut head);
                let future = self.inner.call(Request::from_parts(head, body));
                GateFuture::inner(self.policy.clone(), pass, future)
            }
            Verdict::Reply(reply) => {
                // `poll_ready` may have reserved something, a permit for
                // instance; only the service that holds it can give it back,
                // by being dropped.
                drop(self.take_ready());
                GateFuture::replied(reply, &head)
            }
            Verdict::Wait(wait) => {
                let ready = self.take_ready();
                GateFuture::waiting(
                    self.policy.clone(),
                    wait,
                    ready,
                    Request::from_parts(head, body),
                )
            }
        }
    }
}

impl<S: Clone, P> Gate<S, P> {
    /// Takes the service that said it is ready; a clone, which has to be asked
    /// again, stays.
    fn take_ready(&mut self) -> S {
        let fresh = self.inner.clone();
        mem::replace(&mut self.inner, fresh)
    }
}

/// Makes any [`Policy`] a layer.
#[derive(Clone, Debug)]
pub struct GateLayer<P>(P);

impl<P: Policy> GateLayer<P> {
    /// Wraps a policy.
    pub fn new(policy: P) -> Self {
        Self(policy)
    }
}

impl<S, P: Policy> Layer<S> for GateLayer<P> {
    type Service = Gate<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Gate::new(inner, self.0.clone())
    }
}
