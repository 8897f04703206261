//! Uploads through the layer, with handlers good and bad, and over a socket.

mod connection;
mod corpus;
mod costs;
mod differential;
mod edges;
mod report;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::axum::Router;
use ::axum::extract::{DefaultBodyLimit, Multipart};
use ::axum::routing::{post, put};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, ServiceExt};
use tower_rampart::upload::{FileRule, Kind, Problem, TextRule, UploadBody, UploadLayer};

use crate::support::{Answer, Body, call};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08 and more bytes";

fn form() -> UploadLayer {
    let file = FileRule::images().max_bytes(1_000).required();
    UploadLayer::multipart()
        .file("file", file)
        .text("title", TextRule::max_bytes(20))
        .build()
        .expect("valid")
}

fn multipart(file_name: &str, declared: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\nContent-Type: {declared}\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n--B--\r\n"].concat()
}

fn post_form(body: Vec<u8>) -> Request<Body> {
    Request::post("/")
        .header("content-type", "multipart/form-data; boundary=B")
        .body(body.into())
        .expect("legal")
}

/// Cuts a body into frames, so that no length is known.
fn streamed(request: Request<Body>, size: usize) -> Request<::axum::body::Body> {
    let (head, body) = request.into_parts();
    let bytes = futures(body);
    let frames: Vec<_> = bytes
        .chunks(size)
        .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    let stream = StreamBody::new(tokio_stream(frames));
    Request::from_parts(head, ::axum::body::Body::new(stream))
}

/// The bytes of a body that is ready at once.
fn futures(body: Body) -> Bytes {
    let mut body = body;
    let mut context = Context::from_waker(std::task::Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut context) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().expect("data"),
        _ => Bytes::new(),
    }
}

pub(crate) fn tokio_stream<T: Unpin>(items: Vec<T>) -> impl futures_core::Stream<Item = T> + Unpin {
    struct Items<T>(std::vec::IntoIter<T>);
    impl<T: Unpin> futures_core::Stream for Items<T> {
        type Item = T;
        fn poll_next(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<T>> {
            Poll::Ready(self.0.next())
        }
    }
    Items(items.into_iter())
}

/// An axum handler that knows nothing of the layer.
fn app() -> Router {
    async fn upload(mut form: Multipart) -> Result<String, String> {
        let mut seen = String::new();
        while let Some(field) = form.next_field().await.map_err(|error| error.to_string())? {
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(|error| error.to_string())?;
            seen += &format!("{name}={} ", bytes.len());
        }
        Ok(seen)
    }
    Router::new()
        .route("/", post(upload))
        .layer(DefaultBodyLimit::disable())
        .layer(form())
}

async fn send(request: Request<Body>) -> Answer {
    let whole = call(app(), clone(&request)).await;
    for size in [1, 7, 64] {
        let cut = call(app(), streamed(clone(&request), size)).await;
        assert_eq!(cut.status(), whole.status(), "frames of {size} bytes");
        if whole.status() != StatusCode::OK {
            assert_eq!(cut.code(), whole.code(), "frames of {size} bytes");
        }
    }
    whole
}

fn clone(request: &Request<Body>) -> Request<Body> {
    request.clone()
}

#[tokio::test]
async fn a_picture_passes_and_the_handler_keeps_its_own_parser() {
    let answer = send(post_form(multipart("a.png", "image/png", PNG))).await;
    assert_eq!(
        (answer.status(), &answer.body[..]),
        (StatusCode::OK, format!("file={} ", PNG.len()).as_bytes())
    );
}

#[tokio::test]
async fn what_is_refused_says_which_rule() {
    let big = [PNG, &[0; 1_000]].concat();
    let huge = [PNG, &[0; 70_000]].concat();
    let title =
        b"--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nx\r\n--B--\r\n".to_vec();
    let unknown =
        b"--B\r\nContent-Disposition: form-data; name=\"evil\"\r\n\r\nx\r\n--B--\r\n".to_vec();
    for (body, status, rule) in [
        (multipart("a.png", "image/png", &big), 413, "part-size"),
        (
            multipart("a.png", "image/png", b"<html><script>"),
            415,
            "part-type",
        ),
        (multipart("a.png", "image/jpeg", PNG), 415, "part-type"),
        (multipart("a.html", "image/png", PNG), 415, "part-type"),
        (multipart("../a.png", "image/png", PNG), 422, "filename"),
        (title, 422, "required-field"),
        (unknown, 422, "unknown-field"),
        (b"--B\r\n".to_vec(), 400, "syntax"),
    ] {
        let answer = send(post_form(body)).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.json()["rule"]),
            (status, &rule.into())
        );
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("a.png"),
            "names are not repeated"
        );
    }
    let answer = call(app(), post_form(multipart("a.png", "image/png", &huge))).await;
    assert_eq!(
        (answer.status().as_u16(), answer.code().as_str()),
        (413, "body_too_large")
    );
    assert_eq!(answer.json()["limit"], 1_000 + 20 + 64 * 1024);
}

#[tokio::test]
async fn the_head_alone_is_refused_where_it_can_be() {
    for (content_type, status) in [
        (None, 415),
        (Some("application/json"), 415),
        (Some("multipart/mixed; boundary=B"), 415),
        (Some("multipart/form-data"), 400),
        (Some("multipart/form-data; boundary="), 400),
        (Some("multipart/form-data; boundary=\"\""), 400),
        (Some("multipart/form-data; boundary=A; boundary=B"), 400),
        (Some("multipart/form-data; boundary*=utf-8''B"), 400),
        (Some("multipart/form-data; boundary=\"B \""), 400),
        (Some("multipart/form-data; boundary*0=B"), 400),
        (Some("multipart/form-data; boundary=\"B"), 400),
    ] {
        let mut request = post_form(multipart("a.png", "image/png", PNG));
        request.headers_mut().remove("content-type");
        if let Some(value) = content_type {
            request
                .headers_mut()
                .insert("content-type", value.parse().expect("legal"));
        }
        assert_eq!(
            send(request).await.status().as_u16(),
            status,
            "{content_type:?}"
        );
    }
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    let mut request = post_form(vec![]);
    request
        .headers_mut()
        .insert("content-type", long.parse().expect("legal"));
    assert_eq!(send(request).await.status(), StatusCode::BAD_REQUEST);
    let mut request = post_form(multipart("a.png", "image/png", PNG));
    request
        .headers_mut()
        .insert("content-encoding", "gzip".parse().expect("legal"));
    let answer = send(request).await;
    assert_eq!(
        (answer.status().as_u16(), answer.header("accept-encoding")),
        (415, Some("identity"))
    );
    let mut twice = post_form(multipart("a.png", "image/png", PNG));
    twice.headers_mut().append(
        "content-type",
        "multipart/form-data; boundary=C".parse().expect("legal"),
    );
    assert_eq!(send(twice).await.status(), StatusCode::BAD_REQUEST);
    let get = call(
        app(),
        Request::get("/").body(Body::default()).expect("legal"),
    )
    .await;
    assert_eq!(
        get.status(),
        StatusCode::METHOD_NOT_ALLOWED,
        "a request without body is none of this layer's business"
    );
}

#[tokio::test]
async fn whatever_a_handler_makes_of_it_a_refused_upload_is_refused() {
    async fn unwraps(mut form: Multipart) {
        while let Some(field) = form.next_field().await.expect("a field") {
            field.bytes().await.expect("bytes");
        }
    }
    async fn swallows(mut form: Multipart) -> &'static str {
        while let Ok(Some(field)) = form.next_field().await {
            let _ = field.bytes().await;
        }
        "fine"
    }
    async fn detaches(body: ::axum::body::Body) -> &'static str {
        let reading = tokio::spawn(async move { body.collect().await.is_err() });
        assert!(
            reading.await.expect("no panic"),
            "the reader learns that the upload was refused"
        );
        "fine"
    }
    let bad = multipart("a.png", "image/png", &[PNG, &[0; 1_000]].concat());
    for handler in [post(unwraps), post(swallows), post(detaches)] {
        let app = Router::new()
            .route("/", handler)
            .layer(DefaultBodyLimit::disable())
            .layer(form());
        for size in [16, 4_096] {
            let answer = call(app.clone(), streamed(post_form(bad.clone()), size)).await;
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
}

fn avatar() -> UploadLayer {
    UploadLayer::raw(FileRule::kinds([Kind::Png]).max_bytes(100))
        .require_length()
        .build()
        .expect("valid")
}

#[tokio::test]
async fn a_raw_body_is_one_file() {
    let app = Router::new()
        .route(
            "/",
            put(|body: Bytes| async move { body.len().to_string() }),
        )
        .layer(avatar());
    let request = |declared: &str, body: &[u8]| {
        let request = Request::put("/").header("content-type", declared);
        request
            .body(Body::from(Bytes::copy_from_slice(body)))
            .expect("legal")
    };
    let exact = [PNG, &vec![0; 100 - PNG.len()]].concat();
    let over = [PNG, &vec![0; 101 - PNG.len()]].concat();
    for (declared, body, status) in [
        ("image/png", &exact[..], 200),
        ("image/x-png", PNG, 200),
        ("image/png", &over, 413),
        ("image/jpeg", PNG, 415),
        ("image/png", b"GIF89a0123456789", 415),
        ("image/png", b"\x89PNG", 415),
        ("image/png", b"", 415),
        ("text/html", b"<p>", 415),
    ] {
        let answer = call(app.clone(), request(declared, body)).await;
        assert_eq!(
            answer.status().as_u16(),
            status,
            "{declared} {}",
            body.len()
        );
        if status == 415 && declared == "text/html" {
            assert_eq!(answer.header("accept"), Some("image/png"));
        }
    }
    let unknown_length = call(app, streamed(request("image/png", PNG), 8)).await;
    assert_eq!(unknown_length.status(), StatusCode::LENGTH_REQUIRED);
}

/// A client that stops sending.
struct Silent(Option<Bytes>);

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_is_not_waited_for() {
    let start = multipart("a.png", "image/png", PNG)[..100].to_vec();
    let (head, ()) = post_form(vec![]).map(|_| ()).into_parts();
    let request = Request::from_parts(head, Silent(Some(start.into())));
    let begun = tokio::time::Instant::now();
    let answer = call(app(), request).await;
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (StatusCode::REQUEST_TIMEOUT, "upload_timeout")
    );
    assert_eq!(answer.header("connection"), Some("close"));
    // What has come is worth another part of a second.
    let patience = Duration::from_secs(10)..Duration::from_secs(11);
    assert!(patience.contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

/// A body that comes byte by byte, one each so often.
struct Drip {
    bytes: Bytes,
    each: Duration,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let each = self.each;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(each)));
        std::task::ready!(std::future::Future::poll(timer.as_mut(), context));
        self.timer = None;
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(1)))))
    }
}

/// Sends a picture of so many bytes, one each so often, to a handler that takes
/// so long over each.
async fn drip(
    layer: &UploadLayer,
    bytes: usize,
    each: Duration,
    handler: Duration,
) -> (u16, String, Duration) {
    let service = layer.layer(tower::service_fn(
        move |request: Request<UploadBody<Drip>>| async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                frame.map_err(|_| std::io::Error::other("cut"))?;
                tokio::time::sleep(handler).await;
            }
            Ok::<_, std::io::Error>(Response::new(Full::new(Bytes::from_static(b"stored"))))
        },
    ));
    let picture = [PNG, &vec![0; bytes - PNG.len()]].concat();
    let body = Drip {
        bytes: picture.into(),
        each,
        timer: None,
    };
    let request = Request::put("/").header("content-type", "image/png");
    let begun = tokio::time::Instant::now();
    let answer = call(service, request.body(body).expect("a legal request")).await;
    let rule = match answer.status() {
        StatusCode::OK => String::new(),
        _ => answer.json()["rule"].as_str().expect("a rule").to_owned(),
    };
    (answer.status().as_u16(), rule, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_drips_is_not_waited_for_and_a_slow_handler_is() {
    let (second, quick) = (Duration::from_secs(1), Duration::from_millis(1));
    let builder = || UploadLayer::raw(FileRule::images());
    let layer = builder().build().expect("valid");
    // Never silent for long, and never done: 240 bytes a second are asked for.
    let (status, rule, took) = drip(&layer, 1_000, 2 * second, Duration::ZERO).await;
    assert_eq!((status, rule.as_str()), (408, "rate"));
    assert!(took < 12 * second, "{took:?}");
    // As fast as that, for longer than the grace.
    let (status, _, took) = drip(&layer, 10_000, 4 * quick, Duration::ZERO).await;
    assert_eq!(status, 200);
    assert!(took >= 40 * second, "{took:?}");
    // The handler takes a minute over it; the client does not.
    let (status, _, took) = drip(&layer, 100, quick, second).await;
    assert_eq!(status, 200);
    assert!(took > 60 * second, "{took:?}");

    let patient = builder().min_rate(0, Duration::ZERO).idle(60 * second);
    let (status, _, _) = drip(&patient.build().expect("valid"), 100, 50 * second, quick).await;
    assert_eq!(status, 200, "as slow as it likes");
    let late = builder().min_rate(0, Duration::ZERO).deadline(20 * second);
    let (status, rule, took) = drip(&late.build().expect("valid"), 100, second, second).await;
    assert_eq!((status, rule.as_str()), (408, "deadline"));
    assert!(
        took > 25 * second,
        "the handler's time is not the client's: {took:?}"
    );
}

/// A reader that looks ahead finds nothing, does something else, and looks
/// again when it is done: multipart parsers do.
#[tokio::test(start_paused = true)]
async fn a_handler_that_reads_ahead_makes_nobody_late() {
    let second = Duration::from_secs(1);
    let layer = UploadLayer::raw(FileRule::images()).build().expect("valid");
    let service = layer.layer(tower::service_fn(
        |request: Request<UploadBody<Drip>>| async move {
            let mut body = Box::pin(request.into_body());
            for _ in 0..100 {
                // Twice, since there is a pause after every frame.
                for _ in 0..2 {
                    let ahead = std::future::poll_fn(|context| {
                        Poll::Ready(body.as_mut().poll_frame(context).is_ready())
                    });
                    assert!(!ahead.await, "there is nothing yet");
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
                body.frame()
                    .await
                    .expect("a byte")
                    .map_err(std::io::Error::other)?;
            }
            Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let drip = |each| Drip {
        bytes: [PNG, &[0; 92][..]].concat().into(),
        each,
        timer: None,
    };
    let put = || Request::put("/").header("content-type", "image/png");
    let request = put().body(drip(second / 20)).expect("a legal request");
    let answer = call(service.clone(), request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    // The patience of ten seconds is used up by the client alone.
    let request = put().body(drip(second)).expect("a legal request");
    let answer = call(service, request).await;
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_reader_gets_one_frame_at_a_time_however_fast_they_come() {
    let layer = UploadLayer::raw(FileRule::kinds([Kind::Png]))
        .build()
        .expect("valid");
    let service = layer.layer(tower::service_fn(
        |request: Request<UploadBody<::axum::body::Body>>| async move {
            let mut body = request.into_body();
            let mut context = Context::from_waker(std::task::Waker::noop());
            let mut ready_in_a_row = 0;
            let mut most = 0;
            loop {
                match Pin::new(&mut body).poll_frame(&mut context) {
                    Poll::Ready(None) => break,
                    Poll::Ready(Some(frame)) => {
                        frame.expect("no error");
                        ready_in_a_row += 1;
                        most = most.max(ready_in_a_row);
                    }
                    Poll::Pending => ready_in_a_row = 0,
                }
            }
            assert_eq!(most, 1);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let request = Request::put("/")
        .header("content-type", "image/png")
        .body(Body::from([PNG, &[0; 10_000]].concat()));
    let answer = call(service, streamed(request.expect("legal"), 100)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn refusing_gives_back_what_the_inner_service_reserved() {
    let limited =
        tower::limit::ConcurrencyLimitLayer::new(1).layer(crate::support::Hello::default());
    let mut service = form().layer(limited);
    let request = Request::post("/").body(Body::from("x")).expect("legal");
    let answer = call(&mut service, request).await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut other = service.clone();
    let ready = std::future::poll_fn(|context| {
        Poll::Ready(tower::Service::<Request<Body>>::poll_ready(&mut other, context).is_ready())
    });
    assert!(ready.await, "the permit was kept");
}

#[test]
fn rules_that_could_never_be_kept_are_problems() {
    let problems = UploadLayer::multipart()
        .build()
        .expect_err("no fields")
        .into_problems();
    assert_eq!(problems, [Problem::NoFields]);
    let raw = UploadLayer::raw(FileRule::images())
        .max_parts(3)
        .max_total_bytes(9)
        .text("t", TextRule::max_bytes(1));
    let problems = raw.build().expect_err("no effect").into_problems();
    assert_eq!(
        problems
            .iter()
            .filter(|problem| matches!(problem, Problem::FormsOnly { .. }))
            .count(),
        3
    );
    assert!(
        UploadLayer::multipart()
            .text("x name", TextRule::max_bytes(1))
            .build()
            .is_err()
    );
    assert!(
        UploadLayer::raw(FileRule::images())
            .idle(Duration::MAX)
            .build()
            .is_ok()
    );
    let problems = UploadLayer::multipart()
        .file("file", FileRule::kinds([]).max_bytes(0))
        .text("file", TextRule::max_bytes(1))
        .text("a\"b", TextRule::max_bytes(1_000))
        .max_total_bytes(100)
        .max_parts(0)
        .idle(Duration::ZERO)
        .build()
        .expect_err("seven problems")
        .into_problems();
    assert_eq!(problems.len(), 7, "{problems:#?}");
}

#[tokio::test]
async fn a_request_that_is_dropped_midway_leaves_nothing_running() {
    let request = post_form(multipart("a.png", "image/png", PNG)).map(|_| Silent(None));
    let mut future = Box::pin(app().oneshot(request));
    let pending = std::future::poll_fn(|context| {
        Poll::Ready(std::future::Future::poll(future.as_mut(), context).is_pending())
    });
    assert!(pending.await);
    drop(future);
}

#[tokio::test]
async fn a_reader_that_was_left_behind_is_let_go_when_the_client_leaves() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = std::sync::Arc::new(std::sync::Mutex::new(Some(sender)));
    let service = form().layer(tower::service_fn(
        move |request: Request<UploadBody<Body>>| {
            let sender = sender
                .lock()
                .expect("not poisoned")
                .take()
                .expect("called once");
            // Hands the body to somebody else, and waits for something of its own.
            sender.send(request.into_body()).expect("somebody waits");
            std::future::pending::<Result<Response<Body>, Infallible>>()
        },
    ));
    let mut future = Box::pin(tower::ServiceExt::oneshot(
        service,
        post_form(b"nonsense".to_vec()),
    ));
    std::future::poll_fn(|context| {
        assert!(std::future::Future::poll(future.as_mut(), context).is_pending());
        Poll::Ready(())
    })
    .await;
    let reader = tokio::spawn(receiver.await.expect("a body").collect());
    tokio::task::yield_now().await;
    drop(future);
    assert!(
        reader
            .await
            .expect("no panic")
            .expect_err("an error")
            .is_refused()
    );
}
