//! One policy, or several one behind the other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, request, response};
use pin_project::pin_project;
use tower_layer::Layer;

use super::policy::{Policy, Verdict};
use super::service::Gate;
use crate::rejection::Reply;

/// What a [`Gate`](super::Gate) asks about a request: a [`Policy`], or a [`Chain`]
/// of them.
///
/// Every policy is one. Nobody else can implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` decides about no requests",
    label = "not a `Policy`",
    note = "a builder becomes a layer with `.build()?`; a policy of your own implements `tower_rampart::gate::Policy`"
)]
pub trait Passage: Clone + sealed::Sealed {
    /// What the request side leaves for the response side.
    type Passes;

    /// What has to be waited for.
    type Wait;

    /// Decides, and marks the head if the request may go on.
    fn go(&self, head: &mut request::Parts) -> Step<Self::Passes, Self::Wait>;

    /// Goes on waiting, and then as [`go`](Self::go) does.
    fn wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        head: &mut request::Parts,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Passes, Response<Bytes>>>;

    /// Adds to the response of a request that went on.
    fn back(&self, passes: Self::Passes, head: &mut response::Parts);

    /// Lists the names of the policies, the outermost first.
    fn names() -> Vec<&'static str>;
}

mod sealed {
    // What cannot be named cannot be implemented.
    #[allow(unnameable_types)]
    pub trait Sealed {}
}

impl<P: Policy> sealed::Sealed for P {}

impl<A: Passage, B: Passage> sealed::Sealed for Chain<A, B> {}

/// How far a request came.
#[derive(Debug)]
pub enum Step<P, W> {
    /// To the service.
    Pass(P),
    /// Not further: this is the answer.
    Reply(Response<Bytes>),
    /// To something that has to be waited for.
    Wait(W),
}

impl<P: Policy> Passage for P {
    type Passes = P::Pass;
    type Wait = P::Wait;

    fn go(&self, head: &mut request::Parts) -> Step<P::Pass, P::Wait> {
        match self.admit(head) {
            Verdict::Pass(pass) => {
                self.enter(&pass, head);
                Step::Pass(pass)
            }
            Verdict::Reply(reply) => Step::Reply(answer::<P>(reply, head)),
            Verdict::Wait(wait) => Step::Wait(wait),
        }
    }

    fn wait(
        &self,
        wait: Pin<&mut P::Wait>,
        head: &mut request::Parts,
        context: &mut Context<'_>,
    ) -> Poll<Result<P::Pass, Response<Bytes>>> {
        Poll::Ready(match ready!(wait.poll(context)) {
            Ok(pass) => {
                self.enter(&pass, head);
                Ok(pass)
            }
            Err(reply) => Err(answer::<P>(reply, head)),
        })
    }

    fn back(&self, pass: P::Pass, head: &mut response::Parts) {
        self.leave(pass, head);
    }

    fn names() -> Vec<&'static str> {
        vec![P::NAME]
    }
}

fn answer<P: Policy>(reply: Reply, head: &request::Parts) -> Response<Bytes> {
    match reply {
        Reply::Refusal(rejection) => rejection.respond(P::NAME, head),
        Reply::Response(response) => response,
    }
}

/// One passage, and another one behind it, in one gate.
///
/// The first is the outermost. The second sees what the first wrote into the head, and
/// the first completes the answers of the second: all is as if each had a gate of its
/// own, but the request is taken apart and put together once. What `leave` of the first
/// does to an answer of the second may be done while the service is called, before
/// anybody polls.
///
/// A wrong order is as easy here as with layers, and nothing catches panics between the
/// two: use [`Rampart`](crate::stack::Rampart) for the layers of this crate. A policy
/// that may be left out goes in as an `Option`: `Chain(Some(a), None::<B>)`.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower::{Layer, service_fn};
/// use tower_rampart::context::ContextLayer;
/// use tower_rampart::gate::Chain;
/// use tower_rampart::security_headers::SecurityHeadersLayer;
///
/// let chain = Chain(ContextLayer::new(), SecurityHeadersLayer::api().build()?);
/// let service = chain.layer(service_fn(|_request: http::Request<String>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new("tea".to_owned()))
/// }));
/// # drop(service);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Chain<A, B>(pub A, pub B);

/// What a [`Chain`] waits for: its first part, or its second.
#[pin_project]
pub struct ChainWait<A: Passage, B: Passage>(#[pin] Waiting<A, B>);

#[pin_project(project = WaitingProjection)]
enum Waiting<A: Passage, B: Passage> {
    First(#[pin] A::Wait),
    // What is further in is dropped first.
    Second(#[pin] B::Wait, Option<A::Passes>),
}

impl<S, A: Passage, B: Passage> Layer<S> for Chain<A, B> {
    type Service = Gate<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Gate::new(inner, self.clone())
    }
}

impl<A: Passage, B: Passage> Chain<A, B> {
    /// Goes on behind the first part.
    fn second(
        &self,
        first: A::Passes,
        head: &mut request::Parts,
    ) -> Step<(B::Passes, A::Passes), Waiting<A, B>> {
        match self.1.go(head) {
            Step::Pass(second) => Step::Pass((second, first)),
            Step::Reply(response) => Step::Reply(self.complete(first, response)),
            Step::Wait(wait) => Step::Wait(Waiting::Second(wait, Some(first))),
        }
    }

    /// Completes an answer of the second part.
    fn complete(&self, first: A::Passes, response: Response<Bytes>) -> Response<Bytes> {
        let (mut head, body) = response.into_parts();
        self.0.back(first, &mut head);
        Response::from_parts(head, body)
    }
}

impl<A: Passage, B: Passage> Passage for Chain<A, B> {
    type Passes = (B::Passes, A::Passes);
    type Wait = ChainWait<A, B>;

    fn go(&self, head: &mut request::Parts) -> Step<Self::Passes, Self::Wait> {
        match self.0.go(head) {
            Step::Pass(first) => match self.second(first, head) {
                Step::Pass(passes) => Step::Pass(passes),
                Step::Reply(response) => Step::Reply(response),
                Step::Wait(wait) => Step::Wait(ChainWait(wait)),
            },
            Step::Reply(response) => Step::Reply(response),
            Step::Wait(wait) => Step::Wait(ChainWait(Waiting::First(wait))),
        }
    }

    fn wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        head: &mut request::Parts,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Passes, Response<Bytes>>> {
        let mut waiting = wait.project().0;
        loop {
            let next = match waiting.as_mut().project() {
                WaitingProjection::First(wait) => {
                    let first = match ready!(self.0.wait(wait, head, context)) {
                        Ok(first) => first,
                        Err(response) => return Poll::Ready(Err(response)),
                    };
                    match self.second(first, head) {
                        Step::Pass(passes) => return Poll::Ready(Ok(passes)),
                        Step::Reply(response) => return Poll::Ready(Err(response)),
                        Step::Wait(wait) => wait,
                    }
                }
                WaitingProjection::Second(wait, first) => {
                    let outcome = ready!(self.1.wait(wait, head, context));
                    let first = first.take().expect("a wait ends once");
                    return Poll::Ready(match outcome {
                        Ok(second) => Ok((second, first)),
                        Err(response) => Err(self.complete(first, response)),
                    });
                }
            };
            waiting.set(next);
        }
    }

    fn back(&self, (second, first): Self::Passes, head: &mut response::Parts) {
        self.1.back(second, head);
        self.0.back(first, head);
    }

    fn names() -> Vec<&'static str> {
        [A::names(), B::names()].concat()
    }
}

impl<A: Passage, B: Passage> fmt::Debug for ChainWait<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = match &self.0 {
            Waiting::First(_) => A::names(),
            Waiting::Second(..) => B::names(),
        };
        f.debug_tuple("ChainWait").field(&names).finish()
    }
}
