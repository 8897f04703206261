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
use super::policy::Policy;
use crate::rejection::Reply;

/// Waits for the policy, then for the service; or holds the answer already.
///
/// Dropping it drops whatever it is waiting for, and nothing goes on behind
/// its back.
#[pin_project]
pub struct GateFuture<S: Service<Request<B>>, P: Policy, B>(#[pin] State<S, P, B>);

#[pin_project(project = StateProjection)]
enum State<S: Service<Request<B>>, P: Policy, B> {
    Replied(Option<Response<Bytes>>),
    Waiting(#[pin] P::Wait, Option<(P, S, Request<B>)>),
    Inner(#[pin] S::Future, Option<(P, P::Pass)>),
}

impl<S: Service<Request<B>>, P: Policy, B> GateFuture<S, P, B> {
    pub(super) fn inner(policy: P, pass: P::Pass, future: S::Future) -> Self {
        Self(State::Inner(future, Some((policy, pass))))
    }

    pub(super) fn replied(reply: Reply, head: &request::Parts) -> Self {
        Self(State::Replied(Some(answer::<P>(reply, head))))
    }

    pub(super) fn waiting(policy: P, wait: P::Wait, ready: S, request: Request<B>) -> Self {
        Self(State::Waiting(wait, Some((policy, ready, request))))
    }
}

impl<S, P, B, ResBody> Future for GateFuture<S, P, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    P: Policy,
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
                    let outcome = ready!(wait.poll(context));
                    let (policy, mut service, request) = held.take().expect("a wait ends once");
                    let (mut head, body) = request.into_parts();
                    match outcome {
                        Ok(pass) => {
                            policy.enter(&pass, &mut head);
                            let future = service.call(Request::from_parts(head, body));
                            State::Inner(future, Some((policy, pass)))
                        }
                        Err(reply) => State::Replied(Some(answer::<P>(reply, &head))),
                    }
                }
                StateProjection::Inner(future, pass) => {
                    let response = ready!(future.poll(context))?;
                    let (mut head, body) = response.into_parts();
                    if let Some((policy, pass)) = pass.take() {
                        policy.leave(pass, &mut head);
                    }
                    return Poll::Ready(Ok(Response::from_parts(head, GateBody::inner(body))));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, P: Policy, B> fmt::Debug for GateFuture<S, P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Replied(_) => "replied",
            State::Waiting(..) => "waiting",
            State::Inner(..) => "inner",
        };
        f.debug_struct("GateFuture")
            .field("policy", &P::NAME)
            .field("state", &state)
            .finish()
    }
}

fn answer<P: Policy>(reply: Reply, head: &request::Parts) -> Response<Bytes> {
    match reply {
        Reply::Refusal(rejection) => rejection.respond(P::NAME, head),
        Reply::Response(response) => response,
    }
}
