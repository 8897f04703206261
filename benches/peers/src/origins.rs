//! CORS and CSRF beside tower-http's, and the whole stack beside a bare service.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use criterion::Criterion;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response};
use tower::{Layer, Service};
use tower_http::cors::AllowOrigin;
use tower_http::csrf::CsrfLayer as TheirCsrf;
use tower_rampart::context::ContextLayer;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::identity::PeerAddr;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::stack::Rampart;

use crate::{Answered, PLENTIFUL, ours, run};

const PAGE: &str = "http://localhost:5173";

/// Answers with one header.
#[derive(Clone, Debug)]
struct OneHeader;

impl Service<Request<Body>> for OneHeader {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::empty());
        let kind = HeaderValue::from_static("text/plain");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        ready(Ok(response))
    }
}

/// So many origins; the page is the last one.
fn origins(count: usize) -> Vec<String> {
    let others = (1..count).map(|number| format!("https://tenant-{number}.example.com"));
    others.chain([PAGE.to_owned()]).collect()
}

pub(crate) fn policy(count: usize) -> OriginPolicy {
    let list = OriginPolicy::builder().csv("ORIGINS", &origins(count).join(","));
    list.build().expect("valid")
}

pub(crate) fn our_cors(count: usize) -> CorsLayer {
    CorsLayer::credentialed(&policy(count))
        .methods([Method::PUT, Method::PATCH, Method::DELETE])
        .request_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose([RETRY_AFTER])
        .build()
        .expect("valid")
}

pub(crate) fn their_cors(count: usize) -> tower_http::cors::CorsLayer {
    let list = origins(count);
    let list = list
        .iter()
        .map(|origin| HeaderValue::from_str(origin).expect("valid"));
    tower_http::cors::CorsLayer::new()
        .allow_origin(AllowOrigin::list(list))
        .allow_credentials(true)
        .allow_methods([Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(600))
}

fn request(method: &str, origin: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).header("origin", origin);
    if method == "OPTIONS" {
        request = request.header("access-control-request-method", "PUT");
    }
    let peer = PeerAddr(([192, 0, 2, 1], 4711).into());
    request.extension(peer).body(Body::empty()).expect("legal")
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("origins");
    macro_rules! measure {
        ($name:expr, $method:literal, $origin:expr, $service:expr) => {
            let mut service = $service;
            let name: String = $name;
            let asked = || request($method, $origin);
            run(&mut service, asked());
            let (counted, bare) = (asked(), asked());
            let count = allocation_counter::measure(|| {
                run(&mut service, counted);
            });
            let bare = allocation_counter::measure(|| {
                run(&mut OneHeader, bare);
            });
            let count = count.count_total as i64 - bare.count_total as i64;
            println!("allocations of {name}, beyond the service's: {count}");
            group.bench_function(&name, |bencher| {
                bencher.iter_batched(
                    asked,
                    |request| run(&mut service, request),
                    criterion::BatchSize::SmallInput,
                );
            });
        };
    }
    measure!("none".to_owned(), "GET", PAGE, OneHeader);
    for count in [2, 50] {
        for (what, method, origin) in [
            ("allowed", "GET", PAGE),
            ("denied", "GET", "https://evil.example"),
            ("preflight", "OPTIONS", PAGE),
        ] {
            let asked = || request(method, origin);
            // axum calls a clone of its service each time.
            let theirs = their_cors(count).layer(OneHeader);
            let ours = our_cors(count).layer(OneHeader);
            group.bench_function(format!("tower-http cors/{count}/{what}"), |bencher| {
                bencher.iter_batched(
                    asked,
                    |request| run(&mut theirs.clone(), request),
                    criterion::BatchSize::SmallInput,
                );
            });
            group.bench_function(format!("rampart cors/{count}/{what}"), |bencher| {
                bencher.iter_batched(
                    asked,
                    |request| run(&mut ours.clone(), request),
                    criterion::BatchSize::SmallInput,
                );
            });
        }
    }
    measure!(
        "tower-http cors/2".to_owned(),
        "GET",
        PAGE,
        their_cors(2).layer(OneHeader)
    );
    measure!(
        "rampart cors/2".to_owned(),
        "GET",
        PAGE,
        our_cors(2).layer(OneHeader)
    );
    let their_csrf = TheirCsrf::new().add_trusted_origin(PAGE).expect("valid");
    measure!(
        "tower-http csrf".to_owned(),
        "POST",
        PAGE,
        their_csrf.layer(OneHeader)
    );
    let csrf = || {
        CsrfLayer::builder()
            .origins(&policy(2))
            .build()
            .expect("valid")
    };
    measure!(
        "rampart csrf".to_owned(),
        "POST",
        PAGE,
        csrf().layer(OneHeader)
    );
    let headers = || SecurityHeadersLayer::api().build().expect("valid");
    measure!(
        "rampart security headers".to_owned(),
        "GET",
        PAGE,
        headers().layer(OneHeader)
    );
    measure!(
        "rampart context".to_owned(),
        "GET",
        PAGE,
        ContextLayer::new().layer(OneHeader)
    );
    let stack = Rampart::builder()
        .context(ContextLayer::new())
        .security_headers(headers())
        .cors(our_cors(2))
        .rate_limit(ours(PLENTIFUL, 1 << 18))
        .csrf(csrf())
        .max_content_length(1 << 20)
        .build()
        .expect("a safe combination");
    measure!(
        "rampart stack".to_owned(),
        "POST",
        PAGE,
        stack.clone().layer(OneHeader)
    );
    measure!(
        "empty stack".to_owned(),
        "POST",
        PAGE,
        Rampart::default().layer(OneHeader)
    );
    group.finish();
    let (bare, whole) = (mean(OneHeader), mean(stack.layer(OneHeader)));
    println!(
        "the whole stack: {whole:.0} ns, {:.1} times the bare service's {bare:.0} ns",
        whole / bare
    );
}

/// How long a call takes on average, in nanoseconds, of the fastest of many
/// rounds.
fn mean(mut service: impl Service<Request<Body>, Response: Answered, Error: Debug>) -> f64 {
    const CALLS: u32 = 1_000;
    let rounds = (0..200).map(|_| {
        let requests: Vec<_> = (0..CALLS).map(|_| request("POST", PAGE)).collect();
        let started = Instant::now();
        for request in requests {
            run(&mut service, request);
        }
        started.elapsed().as_nanos() as f64 / f64::from(CALLS)
    });
    rounds.fold(f64::INFINITY, f64::min)
}
