//! The service side of the gate.

use std::fmt;
use std::mem;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::body::GateBody;
use super::future::{GateFuture, Held};
use super::passage::{Passage, Step};

/// Applies a [`Policy`](super::Policy), or a [`Chain`](super::Chain) of them, to every request of a
/// service.
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

impl<S, P: Passage> fmt::Debug for Gate<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("policies", &P::names())
            .finish_non_exhaustive()
    }
}

impl<S, P, ReqBody, ResBody> Service<Request<ReqBody>> for Gate<S, P>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    P: Passage,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = GateFuture<S, P, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let held = Ready(Some(&mut self.inner));
        let step = self.policy.go(&mut head);
        held.keep();
        match step {
            Step::Pass(passes) => {
                let future = self.inner.call(Request::from_parts(head, body));
                GateFuture::inner(self.policy.clone(), passes, future)
            }
            Step::Reply(response) => {
                // `poll_ready` may have reserved something, a permit for
                // instance; only the service that holds it can give it back,
                // by being dropped.
                drop(self.take_ready());
                GateFuture::replied(response)
            }
            Step::Wait(wait) => {
                let service = self.take_ready();
                let policy = self.policy.clone();
                GateFuture::waiting(
                    wait,
                    Held {
                        policy,
                        service,
                        head,
                        body,
                    },
                )
            }
        }
    }
}

/// A service that said it is ready, while a policy decides: one that panics must not
/// leave behind what `poll_ready` reserved.
struct Ready<'a, S: Clone>(Option<&'a mut S>);

impl<S: Clone> Ready<'_, S> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl<S: Clone> Drop for Ready<'_, S> {
    fn drop(&mut self) {
        if let Some(service) = self.0.take() {
            *service = service.clone();
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

/// Makes any [`Policy`](super::Policy), or [`Chain`](super::Chain), a layer.
#[derive(Clone, Debug)]
pub struct GateLayer<P>(P);

impl<P: Passage> GateLayer<P> {
    /// Wraps a policy.
    pub fn new(policy: P) -> Self {
        Self(policy)
    }
}

impl<S, P: Passage> Layer<S> for GateLayer<P> {
    type Service = Gate<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Gate::new(inner, self.0.clone())
    }
}
