//! Each layer, and the whole stack, around a service that does nothing.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};

use criterion::Criterion;
use http::{Request, Response};
use serde_json::json;
use tower::{Layer, Service};
use tower_rampart::clock::{Clock, SystemClock};
use tower_rampart::context::ContextLayer;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::identity::PeerAddr;
use tower_rampart::jwt::{JwtLayer, KeySet, Verifier};
use tower_rampart::rate_limit::RateLimitLayer;
use tower_rampart::secret::Secret;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::stack::Rampart;

/// Answers at once.
#[derive(Clone, Debug)]
pub(crate) struct Nothing;

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

/// Measures one accepted request through each.
pub(crate) fn bench(criterion: &mut Criterion) {
    let keys = KeySet::from_secret(&Secret::random(48)).expect("a strong secret");
    let now = SystemClock.unix_now().as_u64();
    let claims = json!({"iss": "i", "aud": "a", "sub": "u", "iat": now, "exp": now + 3_600});
    let token = keys
        .sign(
            "at+jwt",
            claims.as_object().expect("an object"),
            SystemClock.unix_now(),
        )
        .expect("signed");
    let verifier = Verifier::builder(keys)
        .issuer("i")
        .audience("a")
        .build()
        .expect("valid");
    let jwt = JwtLayer::builder(verifier).build().expect("valid");
    let origins = OriginPolicy::builder()
        .origin("http://localhost:5173")
        .build()
        .expect("valid");
    let cors = CorsLayer::credentialed(&origins).build().expect("valid");
    let csrf = CsrfLayer::builder()
        .origins(&origins)
        .build()
        .expect("valid");
    let headers = SecurityHeadersLayer::api().build().expect("valid");
    let limit = RateLimitLayer::builder(
        "api",
        "1000000/1s,burst=4000000000".parse().expect("a quota"),
    )
    .build()
    .expect("valid");
    let rampart = Rampart::builder()
        .context(ContextLayer::new())
        .security_headers(headers.clone())
        .cors(cors.clone())
        .rate_limit(limit.clone())
        .csrf(csrf.clone())
        .jwt(jwt.clone())
        .build()
        .expect("a safe combination");

    let request = || {
        Request::post("/")
            .header("authorization", format!("Bearer {token}"))
            .header("origin", "http://localhost:5173")
            .extension(PeerAddr(([192, 0, 2, 1], 4711).into()))
            .body(())
            .expect("a legal request")
    };
    let mut group = criterion.benchmark_group("layer");
    macro_rules! measure {
        ($name:literal, $service:expr) => {
            let mut service = $service;
            group.bench_function($name, |bencher| {
                bencher.iter_batched(
                    request,
                    |request| poll_once(&mut service, request),
                    criterion::BatchSize::SmallInput,
                );
            });
        };
    }
    measure!("none", Nothing);
    measure!("jwt", jwt.layer(Nothing));
    measure!("cors", cors.layer(Nothing));
    measure!("csrf", csrf.layer(Nothing));
    measure!("security_headers", headers.layer(Nothing));
    measure!("rate_limit", limit.layer(Nothing));
    measure!("rampart", rampart.layer(Nothing));
    group.finish();
}

/// Runs a call that is ready at its first poll.
pub(crate) fn poll_once<S: Service<Request<()>>>(service: &mut S, request: Request<()>) {
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut future = std::pin::pin!(service.call(request));
    assert!(black_box(future.as_mut().poll(&mut context)).is_ready());
}
