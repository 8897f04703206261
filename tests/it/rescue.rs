//! Services that fail where nobody expects it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use tower::{Layer, Service, service_fn};
use tower_rampart::context::ContextLayer;
use tower_rampart::gate::RescueLayer;
use tower_rampart::rejection::{Refusal, Rejection, Render, Renderer};

use crate::support;
use crate::support::{Body, call};

type Outcome = Result<Response<String>, Unspeakable>;

/// An error that panics when it is asked what it is.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("canary in an error")
    }
}

/// Panics when it is polled, and again when it is dropped.
struct Twice;

impl Future for Twice {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Outcome> {
        panic!("canary in a future")
    }
}

impl Drop for Twice {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "canary in a drop");
    }
}

/// Panics when it is asked whether it is ready, as often as that is.
#[derive(Clone)]
struct NeverReady;

impl Service<Request<Body>> for NeverReady {
    type Response = Response<String>;
    type Error = Unspeakable;
    type Future = std::future::Ready<Outcome>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Unspeakable>> {
        panic!("canary before a call")
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(String::new())))
    }
}

#[tokio::test]
async fn nothing_gets_past_a_rescue() {
    let unspeakable = service_fn(|_request: Request<Body>| async { Outcome::Err(Unspeakable) });
    let twice = service_fn(|_request: Request<Body>| Twice);
    let get = || support::request("GET", "/", &[]);
    for (answer, kind) in [
        (
            call(RescueLayer.layer(unspeakable), get()).await,
            "service-error",
        ),
        (call(RescueLayer.layer(twice), get()).await, "panic"),
        (call(RescueLayer.layer(NeverReady), get()).await, "panic"),
    ] {
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.code(), "internal_error");
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
        let refusal = answer.head.extensions.get::<Refusal>().expect("a refusal");
        assert_eq!((refusal.policy(), refusal.kind()), ("rescue", kind));
    }
}

/// Answers with what it sees of a request.
#[derive(Debug)]
struct Echo;

impl Render for Echo {
    fn render(&self, rejection: &Rejection, head: &request::Parts) -> Response<Bytes> {
        let text = format!("{} {} {:?}", head.method, head.uri, head.headers["accept"]);
        let mut response = Response::new(text.into());
        *response.status_mut() = rejection.status();
        response
    }
}

/// Panics whatever it is to render.
#[derive(Debug)]
struct Broken;

impl Render for Broken {
    fn render(&self, _rejection: &Rejection, _head: &request::Parts) -> Response<Bytes> {
        panic!("canary in a renderer")
    }
}

#[tokio::test]
async fn a_renderer_that_panics_is_not_needed() {
    let unspeakable = service_fn(|_request: Request<Body>| async { Outcome::Err(Unspeakable) });
    let layers = ContextLayer::new().render(Broken);
    let asked = support::request("GET", "/", &[]);
    let answer = call(layers.layer(RescueLayer.layer(unspeakable)), asked).await;
    assert_eq!(answer.code(), "internal_error");
    assert_eq!(
        answer.json()["request_id"].as_str(),
        answer.header("x-request-id")
    );
    // One id, though two layers would name the request.
    let twice =
        ContextLayer::new().layer(ContextLayer::new().layer(RescueLayer.layer(unspeakable)));
    let answer = call(twice, support::request("GET", "/", &[])).await;
    assert_eq!(
        answer.json()["request_id"].as_str(),
        answer.header("x-request-id")
    );
}

#[tokio::test]
async fn who_renders_sees_what_was_asked() {
    let failing = service_fn(|_request: Request<Body>| async { Outcome::Err(Unspeakable) });
    let renderer = Renderer::new(Echo);
    let mut asked = support::request("DELETE", "/a?b", &[("accept", "text/plain")]);
    asked.extensions_mut().insert(renderer);
    let answer = call(RescueLayer.layer(failing), asked).await;
    assert_eq!(answer.body, "DELETE /a?b \"text/plain\"");
}
