//! Short ways to say: build a request, call a service, look at the answer.

pub(crate) mod events;
pub(crate) mod http;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use ::http::{HeaderName, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};
use tower_rampart::identity::PeerAddr;

pub(crate) type Body = Full<Bytes>;

/// A service that counts its calls and answers with fixed headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hello {
    calls: Arc<AtomicUsize>,
    headers: ::http::HeaderMap,
}

impl Hello {
    pub(crate) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers
            .append(name, ::http::HeaderValue::from_static(value));
        self
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl<B> Service<Request<B>> for Hello {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
        *response.headers_mut() = self.headers.clone();
        ready(Ok(response))
    }
}

/// A request with headers, from 192.0.2.1.
pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder = builder.extension(PeerAddr(([192, 0, 2, 1], 4711).into()));
    builder.body(Body::default()).expect("a legal request")
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: ::http::response::Parts,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The only value of a header, or `None`.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        let mut values = self.head.headers.get_all(&name).iter();
        let only = values.next()?;
        assert!(values.next().is_none(), "{name} occurs more than once");
        Some(only.to_str().expect("a readable header"))
    }

    /// The names of the headers that begin with a prefix.
    pub(crate) fn header_names(&self, prefix: &str) -> Vec<&str> {
        self.head
            .headers
            .keys()
            .map(HeaderName::as_str)
            .filter(|name| name.starts_with(prefix))
            .collect()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().expect("a code").to_owned()
    }
}

/// Sends one request to a service.
pub(crate) async fn call<S, ReqBody, ResBody>(service: S, request: Request<ReqBody>) -> Answer
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: std::fmt::Debug,
    ResBody: http_body::Body<Data = Bytes>,
    ResBody::Error: std::fmt::Debug,
{
    let response = service
        .oneshot(request)
        .await
        .expect("the service does not fail");
    let (head, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .expect("the body does not fail")
        .to_bytes();
    Answer { head, body }
}

/// Runs what never waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits for something"),
    }
}
