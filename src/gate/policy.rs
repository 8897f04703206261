//! What a layer decides.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{request, response};
use pin_project::pin_project;

use crate::rejection::{Rejection, Reply};

/// Decides, from the head of a request, whether it may go on.
///
/// `admit` cannot change the head, so a policy never half-changes a request
/// and then refuses it; `enter` is the one place that writes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` decides about no requests",
    label = "not a `Policy`",
    note = "a builder becomes a layer with `.build()?`; a policy of your own implements `tower_rampart::gate::Policy`"
)]
pub trait Policy: Clone {
    /// Names the policy in the log and in [`Refusal`](crate::rejection::Refusal).
    const NAME: &'static str;

    /// What the request side leaves for the response side.
    type Pass;

    /// A check that has to wait for a store; [`NoWait`] if there is none.
    type Wait: Future<Output = Result<Self::Pass, Reply>>;

    /// Reads the head. Changes nothing and never blocks.
    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait>;

    /// Marks an admitted request.
    fn enter(&self, pass: &Self::Pass, head: &mut request::Parts) {
        let _ = (pass, head);
    }

    /// Adds to the response of an admitted request, or to the answer of a policy further
    /// in.
    fn leave(&self, pass: Self::Pass, head: &mut response::Parts) {
        let _ = (pass, head);
    }

    /// Tells, in words and without secrets, how the policy is set: name and
    /// value of each setting, for people who ask what applies.
    fn settings(&self) -> Settings {
        Settings::new()
    }
}

/// The settings of a [`Policy`], by name.
pub type Settings = Vec<(&'static str, String)>;

/// The outcome of [`Policy::admit`].
#[derive(Debug)]
pub enum Verdict<P, W> {
    /// The request goes on to the service.
    Pass(P),
    /// The request is answered here.
    Reply(Reply),
    /// The answer depends on something that has to be waited for.
    Wait(W),
}

impl<P, W> From<Rejection> for Verdict<P, W> {
    fn from(rejection: Rejection) -> Self {
        Self::Reply(rejection.into())
    }
}

impl<P, W> From<Result<P, Rejection>> for Verdict<P, W> {
    fn from(outcome: Result<P, Rejection>) -> Self {
        match outcome {
            Ok(pass) => Self::Pass(pass),
            Err(rejection) => rejection.into(),
        }
    }
}

/// The [`Policy::Wait`] of a policy that never waits. It has no values.
#[derive(Debug)]
pub struct NoWait<P>(Never, PhantomData<fn() -> P>);

#[derive(Clone, Copy, Debug)]
enum Never {}

impl<P> Future for NoWait<P> {
    type Output = Result<P, Reply>;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0 {}
    }
}

/// A policy that may be left out without changing the type of the service.
impl<P: Policy> Policy for Option<P> {
    const NAME: &'static str = P::NAME;
    type Pass = Option<P::Pass>;
    type Wait = OptionalWait<P::Wait>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        let Some(policy) = self else {
            return Verdict::Pass(None);
        };
        match policy.admit(head) {
            Verdict::Pass(pass) => Verdict::Pass(Some(pass)),
            Verdict::Reply(reply) => Verdict::Reply(reply),
            Verdict::Wait(wait) => Verdict::Wait(OptionalWait(wait)),
        }
    }

    fn enter(&self, pass: &Self::Pass, head: &mut request::Parts) {
        if let (Some(policy), Some(pass)) = (self, pass) {
            policy.enter(pass, head);
        }
    }

    fn leave(&self, pass: Self::Pass, head: &mut response::Parts) {
        if let (Some(policy), Some(pass)) = (self, pass) {
            policy.leave(pass, head);
        }
    }

    fn settings(&self) -> Settings {
        self.as_ref().map_or_else(Settings::new, P::settings)
    }
}

/// The [`Policy::Wait`] of an optional policy.
#[pin_project]
#[derive(Debug)]
pub struct OptionalWait<W>(#[pin] W);

impl<P, W: Future<Output = Result<P, Reply>>> Future for OptionalWait<W> {
    type Output = Result<Option<P>, Reply>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.project().0.poll(context)).map(Some))
    }
}
