//! The future of a gated call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, request};
use pin_project::pin_project;
use tower_service::Service;

use super::body::GateBody;
use super::passage::Passage;

/// Waits for the policy, then for the service; or holds the answer already.
///
/// Dropping it drops whatever it is waiting for, and nothing goes on behind
/// its back.
#[pin_project]
pub struct GateFuture<S: Service<Request<B>>, P: Passage, B>(#[pin] State<S, P, B>);

#[pin_project(project = StateProjection)]
enum State<S: Service<Request<B>>, P: Passage, B> {
    Replied(Option<Response<Bytes>>),
    Waiting(#[pin] P::Wait, Option<Held<S, P, B>>),
    Inner(#[pin] S::Future, Option<(P, P::Passes)>),
}

/// What is needed when the wait is over.
pub(super) struct Held<S, P, B> {
    pub(super) policy: P,
    pub(super) service: S,
    pub(super) head: request::Parts,
    pub(super) body: B,
}

impl<S: Service<Request<B>>, P: Passage, B> GateFuture<S, P, B> {
    pub(super) fn inner(policy: P, passes: P::Passes, future: S::Future) -> Self {
        Self(State::Inner(future, Some((policy, passes))))
    }

    pub(super) fn replied(response: Response<Bytes>) -> Self {
        Self(State::Replied(Some(response)))
    }

    pub(super) fn waiting(wait: P::Wait, held: Held<S, P, B>) -> Self {
        Self(State::Waiting(wait, Some(held)))
    }
}

impl<S, P, B, ResBody> Future for GateFuture<S, P, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    P: Passage,
{
    type Output = Result<Response<GateBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().0;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Replied(reply) => {
                    let reply = reply
                        .take()
                        .expect("a future is not polled after it is ready");
                    return Poll::Ready(Ok(reply.map(GateBody::reply)));
                }
                StateProjection::Waiting(wait, held) => {
                    let waiting = held.as_mut().expect(ONCE);
                    let outcome = ready!(waiting.policy.wait(wait, &mut waiting.head, context));
                    let mut held = held.take().expect(ONCE);
                    match outcome {
                        Ok(passes) => {
                            let request = Request::from_parts(held.head, held.body);
                            State::Inner(held.service.call(request), Some((held.policy, passes)))
                        }
                        Err(response) => State::Replied(Some(response)),
                    }
                }
                StateProjection::Inner(future, passes) => {
                    let response = ready!(future.poll(context))?;
                    let (mut head, body) = response.into_parts();
                    if let Some((policy, passes)) = passes.take() {
                        policy.back(passes, &mut head);
                    }
                    return Poll::Ready(Ok(Response::from_parts(head, GateBody::inner(body))));
                }
            };
            state.set(next);
        }
    }
}

const ONCE: &str = "a wait ends once";

impl<S: Service<Request<B>>, P: Passage, B> fmt::Debug for GateFuture<S, P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Replied(_) => "replied",
            State::Waiting(..) => "waiting",
            State::Inner(..) => "inner",
        };
        f.debug_struct("GateFuture")
            .field("policies", &P::names())
            .field("state", &state)
            .finish()
    }
}
