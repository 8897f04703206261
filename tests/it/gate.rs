//! The contract of the one generic middleware.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, request, response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt};
use tower_rampart::gate::{GateLayer, Policy, Verdict};
use tower_rampart::rejection::{Refusal, Rejection, RejectionCode, Reply};

use crate::support::{Body, call, request};

type Waiting = Pin<Box<dyn Future<Output = Result<&'static str, Reply>> + Send>>;

/// Does what the request's path says.
#[derive(Clone, Debug, Default)]
struct ByPath {
    dropped: Option<Arc<AtomicBool>>,
}

fn rejection() -> Rejection {
    Rejection::new(StatusCode::IM_A_TEAPOT, RejectionCode::Other("teapot")).kind("short-and-stout")
}

impl Policy for ByPath {
    const NAME: &'static str = "by-path";
    type Pass = &'static str;
    type Wait = Waiting;

    fn admit(&self, head: &request::Parts) -> Verdict<&'static str, Waiting> {
        match head.uri.path() {
            "/refuse" => rejection().into(),
            "/wait" => Verdict::Wait(Box::pin(async {
                let mut polled = false;
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    if std::mem::replace(&mut polled, true) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                Ok("waited")
            })),
            "/wait-refuse" => Verdict::Wait(Box::pin(ready(Err(rejection().into())))),
            "/wait-forever" => {
                let guard = SetOnDrop(self.dropped.clone().unwrap_or_default());
                Verdict::Wait(Box::pin(async move {
                    let _guard = guard;
                    pending().await
                }))
            }
            _ => Verdict::Pass("passed"),
        }
    }

    fn enter(&self, pass: &&'static str, head: &mut request::Parts) {
        head.headers
            .insert("x-entered", HeaderValue::from_static(pass));
    }

    fn leave(&self, pass: &'static str, head: &mut response::Parts) {
        head.headers
            .insert("x-left", HeaderValue::from_static(pass));
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Panics if it is called without having been asked whether it is ready.
/// Cloning forgets the answer, as `poll_ready` allows.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
    clones: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self {
            ready: false,
            clones: self.clones.clone(),
        }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        let mut response = Response::new(Full::default());
        if let Some(entered) = request.headers().get("x-entered") {
            response.headers_mut().insert("x-seen", entered.clone());
        }
        ready(Ok(response))
    }
}

#[tokio::test]
async fn the_service_that_was_ready_takes_the_call() {
    for (path, expected) in [("/pass", "passed"), ("/wait", "waited")] {
        let mut service = GateLayer::new(ByPath::default()).layer(Strict::default());
        for _ in 0..3 {
            let answer = call(&mut service, request("GET", path, &[])).await;
            assert_eq!(answer.header("x-seen"), Some(expected));
            assert_eq!(answer.header("x-left"), Some(expected));
        }
    }
}

#[tokio::test]
async fn an_admitted_request_clones_nothing() {
    let inner = Strict::default();
    let clones = inner.clones.clone();
    let mut service = GateLayer::new(ByPath::default()).layer(inner);
    call(&mut service, request("GET", "/pass", &[])).await;
    assert_eq!(clones.load(Ordering::SeqCst), 0);
    call(&mut service, request("GET", "/refuse", &[])).await;
    assert_eq!(clones.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refusal_gives_back_what_the_inner_service_reserved() {
    let limited = ConcurrencyLimitLayer::new(1).layer(Strict::default());
    let mut service = GateLayer::new(ByPath::default()).layer(limited);
    for path in ["/refuse", "/wait-refuse"] {
        let answer = call(&mut service, request("GET", path, &[])).await;
        assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
        // The one permit is free again for another handle of the service.
        let mut other = service.clone();
        let ready = poll_fn(|context| Poll::Ready(other.poll_ready(context).is_ready())).await;
        assert!(ready, "{path} kept the permit");
    }
}

#[tokio::test]
async fn dropping_a_call_that_waits_drops_what_it_waits_for() {
    let dropped = Arc::new(AtomicBool::new(false));
    let policy = ByPath {
        dropped: Some(dropped.clone()),
    };
    let mut service = GateLayer::new(policy).layer(Strict::default());
    let mut future = Box::pin(service.ready().await.expect("ready").call(request(
        "GET",
        "/wait-forever",
        &[],
    )));
    let pending = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await;
    assert!(pending && !dropped.load(Ordering::SeqCst));
    drop(future);
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn dropping_an_admitted_call_drops_the_inner_future() {
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let inner = tower::service_fn(move |_request: Request<Body>| {
        let guard = SetOnDrop(flag.clone());
        async move {
            let _guard = guard;
            pending::<Result<Response<Body>, Infallible>>().await
        }
    });
    let mut service = GateLayer::new(ByPath::default()).layer(inner);
    let mut future = Box::pin(service.ready().await.expect("ready").call(request(
        "GET",
        "/pass",
        &[],
    )));
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await;
    drop(future);
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn every_refusal_says_who_refused_and_why() {
    for path in ["/refuse", "/wait-refuse"] {
        let service = GateLayer::new(ByPath::default()).layer(Strict::default());
        let answer = call(service, request("GET", path, &[])).await;
        let refusal = answer.head.extensions.get::<Refusal>().expect("a refusal");
        assert_eq!(
            (refusal.policy(), refusal.kind()),
            ("by-path", "short-and-stout")
        );
        assert_eq!(answer.code(), "teapot");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("stout"),
            "the kind is for operators"
        );
    }
}

#[tokio::test]
async fn the_error_of_the_inner_service_stays_its_own() {
    #[derive(Debug, PartialEq)]
    struct Own;
    let inner = tower::service_fn(|_request: Request<Body>| ready(Err::<Response<Body>, Own>(Own)));
    let outcome = GateLayer::new(ByPath::default())
        .layer(inner)
        .oneshot(request("GET", "/pass", &[]))
        .await;
    assert_eq!(outcome.expect_err("the inner error"), Own);
}

#[tokio::test]
async fn an_absent_policy_changes_nothing() {
    let service = GateLayer::new(None::<ByPath>).layer(Strict::default());
    let answer = call(service, request("GET", "/refuse", &[])).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let service = GateLayer::new(Some(ByPath::default())).layer(Strict::default());
    let answer = call(service, request("GET", "/wait", &[])).await;
    assert_eq!(answer.header("x-left"), Some("waited"));
}

/// Three bytes and trailers, with an exact size.
#[derive(Debug, Default)]
struct WithTrailers(u8);

impl http_body::Body for WithTrailers {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("6"));
        Poll::Ready(match self.0 {
            1 => Some(Ok(Frame::data(Bytes::from_static(b"abc")))),
            2 => Some(Ok(Frame::trailers(trailers))),
            _ => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0 >= 2
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(3)
    }
}

#[tokio::test]
async fn bodies_keep_their_size_and_their_trailers() {
    let inner = tower::service_fn(|_request: Request<Body>| {
        ready(Ok::<_, Infallible>(Response::new(WithTrailers(0))))
    });
    let service = GateLayer::new(ByPath::default()).layer(inner);
    let response = service
        .clone()
        .oneshot(request("GET", "/pass", &[]))
        .await
        .expect("no error");
    assert_eq!(response.body().size_hint().exact(), Some(3));
    let collected = response.into_body().collect().await.expect("no error");
    assert_eq!(
        collected.trailers().map(|trailers| &trailers["x-sum"]),
        Some(&HeaderValue::from_static("6"))
    );
    assert_eq!(collected.to_bytes(), "abc");

    let refused = service
        .oneshot(request("GET", "/refuse", &[]))
        .await
        .expect("no error");
    let size = refused.body().size_hint().exact().expect("an exact size");
    let mut body = pin!(refused.into_body());
    assert!(!body.is_end_stream());
    let frame = body.frame().await.expect("a frame").expect("no error");
    assert_eq!(frame.into_data().expect("data").len() as u64, size);
    assert!(body.is_end_stream());
}
