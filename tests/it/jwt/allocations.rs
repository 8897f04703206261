//! What a request costs the allocator.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tower::{Layer, Service};
use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::jwt::{JwtLayer, Verifier};

/// Answers without allocating.
#[derive(Clone, Debug)]
struct Nothing;

impl Service<Request<()>> for Nothing {
    type Response = Response<http_body_util::Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        ready(Ok(Response::new(http_body_util::Empty::new())))
    }
}

/// Three of them are the map of extensions, its table and the principal's
/// place in it; one each the claims' text, the principal, and the roles if
/// there are several.
#[test]
fn an_accepted_request_allocates_six_times_at_most() {
    let keys = TestKeys::hs256();
    let token = keys
        .token()
        .claim("jti", "6f1c1f0e2d3b4a59687786959fa4b3c2")
        .claim("sid", "0123456789abcdef0123456789abcdef")
        .claim("roles", vec!["user", "admin"])
        .claim("scope", "a b c d e f")
        .claim(
            "more",
            serde_json::json!({"nested": [1, 2, {"deep": "er"}]}),
        )
        .sign();
    let verifier = Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience())
        .build()
        .expect("valid");
    let layer = JwtLayer::builder(verifier).build().expect("valid");
    let mut service = layer.layer(Nothing);
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    let request = request.body(()).expect("a legal request");
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());

    let mut answer = None;
    let counted = allocation_counter::measure(|| {
        let mut future = std::pin::pin!(service.call(request));
        answer = Some(future.as_mut().poll(&mut context));
    });
    let Some(Poll::Ready(Ok(answer))) = answer else {
        panic!("nothing to wait for");
    };
    assert_eq!(answer.status(), 200);
    assert!(counted.count_total <= 6, "{counted:?}");
}
