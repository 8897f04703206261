//! Panics and errors of a service, as answers.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, request};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::GateBody;
use crate::identity::RequestId;
use crate::rejection::{Rejection, RejectionCode, Renderer};

/// Answers 500 where the service panics or fails, so that the layers outside
/// can complete the answer: a page cannot read one without CORS fields.
///
/// What went wrong goes to the log. The service's error type stays, but a call
/// never fails any more; only a service that says it cannot become ready still
/// does. A body that panics while it streams is not caught.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{Request, Response, StatusCode};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_rampart::gate::RescueLayer;
///
/// let service = RescueLayer.layer(service_fn(|_request: Request<String>| async {
///     Err::<Response<String>, _>("the disk is full")
/// }));
/// let answer = service.oneshot(Request::new(String::new())).await?;
/// assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RescueLayer;

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue {
            inner,
            panicked: None,
        }
    }
}

/// The service of a [`RescueLayer`].
#[derive(Debug)]
pub struct Rescue<S> {
    inner: S,
    /// What the service said when it panicked instead of becoming ready.
    panicked: Option<String>,
}

impl<S: Clone> Clone for Rescue<S> {
    fn clone(&self) -> Self {
        RescueLayer.layer(self.inner.clone())
    }
}

impl<S, B, ResBody> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: fmt::Display,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = RescueFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // What is left in a broken state is the service's own; it was going to
        // be asked again after a panic anyway, by the next request.
        let polled = catch_unwind(AssertUnwindSafe(|| self.inner.poll_ready(context)));
        polled.unwrap_or_else(|panic| {
            self.panicked = Some(message(&*panic));
            Poll::Ready(Ok(()))
        })
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = Asked::of(&request);
        if let Some(panic) = self.panicked.take() {
            let state = State::Panicked(Some(panic));
            return RescueFuture { asked, state };
        }
        let called = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        RescueFuture {
            asked,
            state: match called {
                Ok(future) => State::Running(future),
                Err(panic) => State::Panicked(Some(message(&*panic))),
            },
        }
    }
}

/// What is still known of a request once the service has taken it.
struct Asked {
    method: Method,
    id: Option<RequestId>,
    /// Who renders the answer, and may want to see what was asked.
    renderer: Option<(Renderer, Uri, HeaderMap)>,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let renderer = request.extensions().get::<Renderer>().cloned();
        let seen = |renderer| (renderer, request.uri().clone(), request.headers().clone());
        Self {
            method: request.method().clone(),
            id: request.extensions().get().cloned(),
            renderer: renderer.map(seen),
        }
    }

    fn answer<B>(&self, kind: &'static str, detail: &dyn fmt::Display) -> Response<GateBody<B>> {
        let mut head: request::Parts = Request::new(()).into_parts().0;
        head.method = self.method.clone();
        if let Some(id) = &self.id {
            head.extensions.insert(id.clone());
        }
        if let Some((renderer, uri, headers)) = &self.renderer {
            head.extensions.insert(renderer.clone());
            head.uri = uri.clone();
            head.headers = headers.clone();
        }
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let rejection = Rejection::new(status, RejectionCode::InternalError)
            .kind(kind)
            .detail("something went wrong here; it was logged");
        let response = rejection.respond_to_failure("rescue", &head, detail);
        response.map(GateBody::reply)
    }
}

/// Waits for the service, and answers in its place if it fails.
#[pin_project]
pub struct RescueFuture<F> {
    asked: Asked,
    #[pin]
    state: State<F>,
}

#[pin_project(project = StateProjection)]
enum State<F> {
    Running(#[pin] F),
    /// It will not be polled again.
    Panicked(Option<String>),
}

impl<F, ResBody, E> Future for RescueFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    E: fmt::Display,
{
    type Output = Result<Response<GateBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.state.as_mut().project() {
            StateProjection::Running(future) => {
                catch_unwind(AssertUnwindSafe(|| future.poll(context)))
            }
            StateProjection::Panicked(message) => {
                let message = message.take();
                let message = message.expect("a future is not polled after it is ready");
                return Poll::Ready(Ok(this.asked.answer("panic", &message)));
            }
        };
        match polled {
            Ok(poll) => Poll::Ready(Ok(match ready!(poll) {
                Ok(response) => response.map(GateBody::inner),
                Err(error) => {
                    let text = catch_unwind(AssertUnwindSafe(|| error.to_string()));
                    let text = text.unwrap_or_else(|panic| message(&*panic));
                    this.asked.answer("service-error", &text)
                }
            })),
            Err(panic) => {
                // What panicked once may do so again while it is dropped.
                let dropped = || this.state.set(State::Panicked(None));
                let _ = catch_unwind(AssertUnwindSafe(dropped));
                let message = message(&*panic);
                Poll::Ready(Ok(this.asked.answer("panic", &message)))
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

impl<F> fmt::Debug for RescueFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RescueFuture").finish_non_exhaustive()
    }
}
