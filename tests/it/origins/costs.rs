//! What it costs: allocations, and changes while requests run.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Empty;
use tower::{Layer, Service};
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::stack::Rampart;

use super::{behind, check_closed, check_open, credentialed, dev_origins};

/// Answers with one header.
#[derive(Clone, Debug)]
struct OneHeader;

impl Service<Request<()>> for OneHeader {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        let mut response = Response::new(Empty::new());
        let kind = header::HeaderValue::from_static("text/plain");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        ready(Ok(response))
    }
}

/// How many allocations a call makes.
fn allocations<S: Service<Request<()>>>(mut service: S, method: &str, origin: &str) -> u64 {
    let mut request = Request::builder().method(method).header("origin", origin);
    if method == "OPTIONS" {
        request = request.header("access-control-request-method", "PUT");
    }
    let request = request.body(()).expect("a legal request");
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut answer = None;
    // A thread that has never looked at a list makes a place to look from.
    assert!(!dev_origins().allows(""));
    let counted = allocation_counter::measure(|| {
        let mut future = std::pin::pin!(service.call(request));
        answer = Some(future.as_mut().poll(&mut context));
    });
    assert!(answer.is_some_and(|answer| answer.is_ready()));
    counted.count_total
}

#[test]
fn row_44_allocations() {
    let few = dev_origins();
    let mut many =
        OriginPolicy::builder().csv("FEW", "http://localhost:5173,http://localhost:3000");
    for number in 0..998 {
        many = many.origin(format!("https://tenant-{number}.example.com"));
    }
    for origins in [few, many.build().expect("valid")] {
        let cors = credentialed(&origins).build().expect("valid");
        let bare = allocations(OneHeader, "GET", "http://localhost:5173");
        let added = |method, origin| allocations(cors.layer(OneHeader), method, origin);
        assert_eq!(added("GET", "http://localhost:5173") - bare, 0);
        assert_eq!(added("GET", "https://evil.example") - bare, 0);
        let preflight = added("OPTIONS", "http://localhost:5173");
        assert!(preflight <= 2, "{preflight}");
    }
}

/// V16: what is asked for is not looked at, so it costs nothing however long.
#[test]
fn long_lists_of_requested_headers_cost_nothing() {
    let cors = credentialed(&dev_origins()).build().expect("valid");
    let cost = |asked: &[String]| {
        let mut request = Request::options("/")
            .header(header::ORIGIN, "http://localhost:5173")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        for value in asked {
            request = request.header(header::ACCESS_CONTROL_REQUEST_HEADERS, value);
        }
        let request = request.body(()).expect("a legal request");
        let mut service = cors.layer(OneHeader);
        let mut context = Context::from_waker(Waker::noop());
        let counted = allocation_counter::measure(|| {
            let future = std::pin::pin!(service.call(request));
            assert!(future.poll(&mut context).is_ready());
        });
        (counted.count_total, counted.bytes_total)
    };
    let normal = cost(&["authorization,content-type".to_owned()]);
    for long in [
        vec![",".repeat(60_000)],
        vec!["accept,".repeat(8_000)],
        vec![" ".repeat(60_000)],
        vec![String::new(); 1_024],
    ] {
        for _ in 0..1_000 {
            assert_eq!(cost(&long), normal);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_43_the_list_is_replaced_while_requests_run() {
    let origins = dev_origins();
    let cors = credentialed(&origins).build().expect("valid");
    let site = behind(cors).await;
    let (done, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut outcomes = [0_u32; 2];
                while !done.load(Ordering::Relaxed) {
                    for method in ["GET", "OPTIONS"] {
                        let asked = [
                            ("Origin", "http://localhost:5173"),
                            ("Access-Control-Request-Method", "PUT"),
                        ];
                        let headers = if method == "GET" {
                            &asked[..1]
                        } else {
                            &asked[..]
                        };
                        let answer = site.send(method, "/", headers).await;
                        let open = answer.header("access-control-allow-origin").is_some();
                        match (method, open) {
                            ("GET", true) => check_open(&answer, "http://localhost:5173"),
                            ("OPTIONS", true) => {
                                assert_eq!(answer.status(), 204);
                                assert_eq!(answer.header_names("access-control-").len(), 5);
                            }
                            ("OPTIONS", false) => {
                                assert_eq!(answer.status(), 403);
                                check_closed(&answer, "preflight");
                            }
                            _ => check_closed(&answer, "get"),
                        }
                        outcomes[usize::from(open)] += 1;
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
                outcomes
            })
        })
        .collect();
    for number in 0..1_000 {
        let list = ["http://localhost:3000", "http://localhost:5173"][number % 2];
        let list = OriginPolicy::builder().origin(list);
        origins.replace(list).expect("valid");
        // Somebody is answered between any two.
        let before = answered.load(Ordering::Relaxed);
        let over = |asker: &tokio::task::JoinHandle<_>| asker.is_finished();
        while answered.load(Ordering::Relaxed) == before && !askers.iter().any(over) {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut outcomes = [0; 2];
    for asker in askers {
        let [closed, open] = asker.await.expect("no torn answer");
        outcomes = [outcomes[0] + closed, outcomes[1] + open];
    }
    assert!(
        outcomes.iter().all(|outcome| *outcome > 100),
        "{outcomes:?}"
    );
}

#[test]
fn a_list_is_replaced_for_all_who_share_it_or_for_none() {
    let origins = OriginPolicy::builder()
        .origin("https://a.example.com")
        .production();
    let origins = origins.build().expect("valid");
    let shared = origins.clone();
    let rampart = Rampart::builder()
        .cors(CorsLayer::credentialed(&origins).build().expect("valid"))
        .csrf(
            CsrfLayer::builder()
                .origins(&origins)
                .build()
                .expect("valid"),
        )
        .build()
        .expect("a safe combination");
    let status = |method: &str, origin: &str| {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("origin", origin);
        let request = request.body(()).expect("a legal request");
        let answer = crate::support::now(crate::support::call(rampart.layer(OneHeader), request));
        (
            answer.status().as_u16(),
            answer.header("access-control-allow-origin").is_some(),
        )
    };
    assert_eq!(status("POST", "https://a.example.com"), (200, true));
    let bad = OriginPolicy::builder()
        .origin("https://b.example.com")
        .origin("http://localhost:1");
    let problems = origins
        .replace(bad)
        .expect_err("still a list for production");
    assert_eq!(problems.iter().count(), 1);
    assert_eq!(status("POST", "https://a.example.com"), (200, true));
    let good = OriginPolicy::builder().origin("https://b.example.com");
    origins.replace(good).expect("valid");
    assert_eq!(status("POST", "https://a.example.com"), (403, false));
    assert_eq!(status("POST", "https://b.example.com"), (200, true));
    assert!(shared.allows("https://b.example.com"));
}
