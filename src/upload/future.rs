//! The future of a guarded call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response, request};
use http_body::Body;
use pin_project::pin_project;
use tokio::time::{Sleep, sleep};

use super::drain;
use super::head::farewell;
use super::rules::Rules;
use super::shared::{Refused, Shared};
use crate::gate::GateBody;
use crate::identity::RequestId;
use crate::rejection::Renderer;

/// Waits for the handler, or answers in its place.
///
/// On a violation the handler's future is dropped first, then its body reports
/// an error to whoever still reads it elsewhere.
#[pin_project]
pub struct UploadFuture<F, B> {
    #[pin]
    state: State<F, B>,
}

#[pin_project(project = StateProjection)]
enum State<F, B> {
    Answered(Option<Response<Bytes>>),
    /// Nothing that the body holds changes the answer.
    Watched(#[pin] F),
    Running(#[pin] F, Running<B>),
}

/// What is needed to answer in the handler's place.
struct Running<B> {
    shared: Arc<Shared<B>>,
    head: request::Parts,
    rules: Arc<Rules>,
    /// What the handler may still tidy up after, and for how long.
    respite: Option<(Refused<B>, Pin<Box<Sleep>>)>,
}

impl<B> Running<B> {
    /// Takes the refusal, if the handler has had its time.
    fn take_refused(&mut self, done: bool, context: &mut Context<'_>) -> Option<Refused<B>> {
        let refused = self.shared.take_refused();
        if self.rules.respite.is_zero() {
            return refused;
        }
        if let Some(refused) = refused {
            self.respite = Some((refused, Box::pin(sleep(self.rules.respite))));
        }
        let (_, timer) = self.respite.as_mut()?;
        if !done && timer.as_mut().poll(context).is_pending() {
            return None;
        }
        self.respite.take().map(|(refused, _)| refused)
    }
}

/// However the wait ends, a reader that the handler left behind must not wait
/// for ever.
impl<B> Drop for Running<B> {
    fn drop(&mut self) {
        self.shared.answer();
    }
}

impl<F, B> UploadFuture<F, B> {
    pub(super) fn watched(future: F) -> Self {
        Self {
            state: State::Watched(future),
        }
    }

    pub(super) fn running(
        future: F,
        shared: Arc<Shared<B>>,
        head: request::Parts,
        rules: Arc<Rules>,
    ) -> Self {
        Self {
            state: State::Running(
                future,
                Running {
                    shared,
                    head,
                    rules,
                    respite: None,
                },
            ),
        }
    }
}

impl<F, B: Body<Data = Bytes> + Send + 'static> UploadFuture<F, B> {
    /// Refuses a request whose body was never read.
    pub(super) fn refused(refused: Refused<B>, head: &request::Parts, rules: &Rules) -> Self {
        Self {
            state: State::Answered(Some(answer(refused, head, false, rules))),
        }
    }
}

impl<F, B, ResBody, E> Future for UploadFuture<F, B>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Output = Result<Response<GateBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let (outcome, running) = match state.as_mut().project() {
            StateProjection::Answered(response) => {
                let response = response
                    .take()
                    .expect("a future is not polled after it is ready");
                return Poll::Ready(Ok(response.map(GateBody::reply)));
            }
            StateProjection::Watched(future) => {
                return future
                    .poll(context)
                    .map_ok(|response| response.map(GateBody::inner));
            }
            StateProjection::Running(future, running) => {
                running.shared.register_response(context);
                (future.poll(context), running)
            }
        };
        let refused = running.take_refused(outcome.is_ready(), context);
        if refused.is_none() && outcome.is_pending() {
            return Poll::Pending;
        }
        // Whatever the handler made of it, a refused upload is refused.
        let answer = refused.map(|refused| answer(refused, &running.head, true, &running.rules));
        // Drops the handler first, then lets its readers go.
        state.set(State::Answered(None));
        match answer {
            Some(response) => Poll::Ready(Ok(response.map(GateBody::reply))),
            None => outcome.map_ok(|response| response.map(GateBody::inner)),
        }
    }
}

impl<F, B> fmt::Debug for UploadFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = matches!(self.state, State::Answered(_));
        f.debug_struct("UploadFuture")
            .field("answered", &answered)
            .finish_non_exhaustive()
    }
}

fn answer<B>(
    refused: Refused<B>,
    head: &request::Parts,
    polled: bool,
    rules: &Rules,
) -> Response<Bytes>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    let silent = refused.violation.is_silence();
    let mut response = refused.violation.into_rejection().respond("upload", head);
    let Some(rest) = refused.rest else {
        return response;
    };
    let cap = drain::cap(rules.max_total_bytes);
    let mut farewell = farewell(head, polled, rest.size_hint().upper(), cap);
    if silent && farewell.drain {
        (farewell.drain, farewell.close) = (false, true);
    }
    if farewell.drain {
        drain::spawn(rest, cap);
    }
    if farewell.close {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Keeps of a head what a later answer needs.
pub(super) fn essentials(head: &request::Parts) -> request::Parts {
    let (mut kept, ()) = Request::new(()).into_parts();
    kept.method = head.method.clone();
    kept.version = head.version;
    if let Some(expect) = head.headers.get(EXPECT) {
        kept.headers.insert(EXPECT, expect.clone());
    }
    kept.uri = head.uri.clone();
    for name in [ACCEPT, ACCEPT_LANGUAGE] {
        if let Some(value) = head.headers.get(&name) {
            kept.headers.insert(name, value.clone());
        }
    }
    if let Some(id) = head.extensions.get::<RequestId>() {
        kept.extensions.insert(id.clone());
    }
    if let Some(renderer) = head.extensions.get::<Renderer>() {
        kept.extensions.insert(renderer.clone());
    }
    kept
}
