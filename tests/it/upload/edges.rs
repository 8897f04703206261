//! Bodies that fail, stall, or are not there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tower::Layer;
use tower_rampart::upload::{
    FileRule, Kind, Problem, TextRule, UploadBody, UploadLayer, UploadReport, VerdictError,
};

use super::corpus::{form, in_pieces};
use crate::support::{Answer, call};

/// What a body does next.
#[derive(Debug)]
enum Next {
    Bytes(&'static [u8]),
    Fail,
    /// Nothing any more, without an end.
    Silence,
}

#[derive(Debug)]
struct Scripted(VecDeque<Next>);

fn scripted(next: impl Into<VecDeque<Next>>) -> Scripted {
    Scripted(next.into())
}

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.0.front() {
            Some(Next::Silence) => Poll::Pending,
            Some(Next::Bytes(bytes)) => {
                let frame = Frame::data(Bytes::from_static(bytes));
                self.0.pop_front();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Next::Fail) => Poll::Ready(Some(Err(io::Error::other("reset")))),
            None => Poll::Ready(None),
        }
    }
}

fn post<B>(body: B) -> Request<B> {
    let request = Request::post("/").header("content-type", "multipart/form-data; boundary=B");
    request.body(body).expect("legal")
}

/// Reads until the body fails or the form is complete, as a parser does, keeps
/// the body, and asks for the verdict.
async fn verdict_beside_an_open_body(layer: UploadLayer, body: Scripted) -> String {
    let service = layer.layer(tower::service_fn(
        |request: Request<UploadBody<Scripted>>| async move {
            let report = request
                .extensions()
                .get::<UploadReport>()
                .expect("a report")
                .clone();
            let (mut body, mut read) = (request.into_body(), Vec::new());
            while !read.ends_with(b"--B--")
                && let Some(Ok(frame)) = body.frame().await
            {
                read.extend(frame.into_data().expect("data"));
            }
            let verdict = match report.verdict().await {
                Ok(summary) => format!("{} bytes", summary.bytes()),
                Err(VerdictError::Refused { rule, .. }) => rule.to_owned(),
                Err(error) => error.to_string(),
            };
            drop(body);
            Ok::<_, Infallible>(Response::new(Full::from(verdict)))
        },
    ));
    let answer = tokio::time::timeout(Duration::from_secs(60), call(service, post(body)));
    let answer: Answer = answer.await.expect("the verdict does not hang");
    String::from_utf8(answer.body.to_vec()).expect("text")
}

#[tokio::test(start_paused = true)]
async fn a_verdict_comes_although_the_body_stays_open() {
    let enforced = || form().build().expect("valid");
    let logged = || form().dangerous_log_only().build().expect("valid");
    const START: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nhello";
    for layer in [enforced(), logged()] {
        let body = scripted([Next::Bytes(START), Next::Fail]);
        let verdict = verdict_beside_an_open_body(layer, body).await;
        assert_eq!(verdict, "the body was not read to its end");
    }
    // A parser that has seen the end looks no further.
    const PHOTO: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08 and\r\n--B--";
    let whole = scripted([Next::Bytes(PHOTO), Next::Silence]);
    let verdict = verdict_beside_an_open_body(logged(), whole).await;
    assert_eq!(verdict, format!("{} bytes", PHOTO.len()));
}

/// Answers what it was sent.
async fn echo<B>(request: Request<UploadBody<B>>) -> Result<Response<Full<Bytes>>, io::Error>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = request
        .into_body()
        .collect()
        .await
        .map_err(io::Error::other)?;
    Ok(Response::new(Full::new(read.to_bytes())))
}

#[tokio::test]
async fn requests_without_a_body_pass_untouched() {
    /// A middleware whose bodies tell nothing about their length.
    struct Mute(Empty<Bytes>);
    impl http_body::Body for Mute {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Pin::new(&mut self.0).poll_frame(context)
        }
    }
    let service = form()
        .build()
        .expect("valid")
        .layer(tower::service_fn(echo::<Mute>));
    for (method, version, headers, expected) in [
        (Method::GET, Version::HTTP_11, None, 200),
        (Method::HEAD, Version::HTTP_11, None, 200),
        (Method::OPTIONS, Version::HTTP_11, None, 200),
        (Method::DELETE, Version::HTTP_11, None, 200),
        (Method::POST, Version::HTTP_11, None, 415),
        (
            Method::DELETE,
            Version::HTTP_11,
            Some(("content-length", "3")),
            415,
        ),
        (
            Method::GET,
            Version::HTTP_11,
            Some(("transfer-encoding", "chunked")),
            415,
        ),
        // There a body needs no header to be there.
        (Method::DELETE, Version::HTTP_2, None, 415),
    ] {
        let mut request = Request::new(Mute(Empty::new()));
        *request.method_mut() = method.clone();
        *request.version_mut() = version;
        if let Some((name, value)) = headers {
            request
                .headers_mut()
                .insert(name, value.parse().expect("legal"));
        }
        let answer = call(service.clone(), request).await;
        assert_eq!(
            answer.status().as_u16(),
            expected,
            "{method} {version:?} {headers:?}"
        );
    }
}

#[tokio::test]
async fn what_nobody_judges_nobody_reads() {
    // As behind a layer that unpacks a body, and takes its length away.
    for method in [Method::GET, Method::DELETE] {
        let service = form()
            .build()
            .expect("valid")
            .layer(tower::service_fn(echo::<Scripted>));
        let mut request = Request::new(scripted([Next::Bytes(b"<?php no form at all")]));
        *request.method_mut() = method;
        let answer = call(service, request).await;
        assert_eq!((answer.status(), answer.body.len()), (StatusCode::OK, 0));
    }
}

#[tokio::test]
async fn whoever_has_read_a_whole_file_knows_that_it_was_judged() {
    let cases = [
        (Kind::Png, &[&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0"[..]][..]),
        (
            Kind::Jpeg,
            &[b"\xff\xd8\xff\xe0\0\x10", b"JFIF and no more"],
        ),
        (Kind::Text, &[b"hello, wor", b"ld \xc3"]),
    ];
    for (kind, pieces) in cases {
        let mut rule = FileRule::kinds([kind]);
        if kind != Kind::Text {
            rule = rule.max_pixels(1_000);
        }
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Reads as much as it was told there is, and never asks for the end.
        let service = UploadLayer::raw(rule)
            .build()
            .expect("valid")
            .layer(tower::service_fn(
                move |request: Request<UploadBody<_>>| async move {
                    let (mut body, mut read) = (request.into_body(), 0);
                    while read < length
                        && let Some(Ok(frame)) = body.frame().await
                    {
                        let frame: Frame<Bytes> = frame;
                        read += frame.into_data().expect("data").len();
                    }
                    assert!(read < length, "all of it, and nobody judged the end");
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                },
            ));
        let request = Request::put("/").header("content-type", kind.media_type());
        let request = request
            .body(in_pieces(pieces.iter().copied()))
            .expect("legal");
        let answer = call(service, request).await;
        assert_eq!(
            answer.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{kind:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all_is_no_sign_of_life() {
    /// An empty frame each second.
    struct Sighs(Pin<Box<tokio::time::Sleep>>);
    impl http_body::Body for Sighs {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::ready!(std::future::Future::poll(self.0.as_mut(), context));
            self.0 = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }
    let rule = FileRule::kinds([Kind::Png]);
    let layer = UploadLayer::raw(rule)
        .min_rate(0, Duration::ZERO)
        .build()
        .expect("valid");
    let service = layer.layer(tower::service_fn(echo::<Sighs>));
    let sighs = Sighs(Box::pin(tokio::time::sleep(Duration::from_secs(1))));
    let request = Request::put("/").header("content-type", "image/png");
    let begun = tokio::time::Instant::now();
    let answer = call(service, request.body(sighs).expect("legal")).await;
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    assert!(
        begun.elapsed() < Duration::from_secs(32),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_body_of_nothing_lets_others_go_on() {
    /// Always ready, never with anything.
    struct Nothing;
    impl http_body::Body for Nothing {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }
    let layer = UploadLayer::raw(FileRule::kinds([Kind::Png]))
        .build()
        .expect("valid");
    let service = layer.layer(tower::service_fn(
        |request: Request<UploadBody<Nothing>>| async move {
            let mut body = Box::pin(request.into_body());
            let mut context = Context::from_waker(std::task::Waker::noop());
            assert!(body.as_mut().poll_frame(&mut context).is_pending());
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let request = Request::put("/").header("content-type", "image/png");
    let answer = call(service, request.body(Nothing).expect("legal")).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_for_ever_unless_it_is_asked_for() {
    let patient = |idle| {
        let rule = FileRule::kinds([Kind::Png]);
        let layer = UploadLayer::raw(rule)
            .idle(idle)
            .min_rate(0, Duration::ZERO);
        layer
            .build()
            .expect("valid")
            .layer(tower::service_fn(echo::<Scripted>))
    };
    let silent = || {
        let request = Request::put("/").header("content-type", "image/png");
        request.body(scripted([Next::Silence])).expect("legal")
    };
    let year = Duration::from_secs(365 * 86_400);
    let waited = tokio::time::timeout(year, call(patient(Duration::MAX), silent()));
    assert!(waited.await.is_err(), "as long as it takes");
    let waited = tokio::time::timeout(year, call(patient(Duration::from_secs(9)), silent()));
    assert_eq!(
        waited.await.expect("an answer").status(),
        StatusCode::REQUEST_TIMEOUT
    );
}

#[tokio::test]
async fn what_is_said_of_the_body_as_it_came_goes_when_it_is_written_anew() {
    const SAID: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];
    for (layer, kept) in [(form(), true), (form().canonical(), false)] {
        let service = layer.build().expect("valid").layer(tower::service_fn(
            move |request: Request<UploadBody<Full<Bytes>>>| async move {
                for name in SAID {
                    assert_eq!(request.headers().contains_key(name), kept, "{name}");
                }
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            },
        ));
        let mut request = post(Full::from("--B--"));
        for name in SAID {
            request
                .headers_mut()
                .insert(name, "x".parse().expect("legal"));
        }
        assert_eq!(call(service, request).await.status(), StatusCode::OK);
    }
}

#[test]
fn counts_and_times_that_contradict_each_other_are_problems() {
    let problems = UploadLayer::multipart()
        .file("one", FileRule::images().max_count(100))
        .file("two", FileRule::images().required())
        .text("text", TextRule::max_bytes(10))
        .max_files(1)
        .max_texts(1)
        .min_rate(240, Duration::ZERO)
        .dangerous_log_only()
        .canonical()
        .respite(Duration::from_secs(1))
        .deadline(Duration::from_secs(1))
        .build()
        .expect_err("six problems")
        .into_problems();
    let above = |setting, limit| Problem::CountAboveTotal {
        setting,
        limit,
        wanted: 100,
    };
    let nothing = |setting| Problem::ChangesNothing { setting };
    for expected in [
        Problem::Zero {
            field: "min_rate, grace".to_owned(),
        },
        above("max_parts", 64),
        above("max_files", 1),
        nothing("canonical"),
        nothing("respite"),
        nothing("deadline"),
    ] {
        assert!(
            problems.contains(&expected),
            "{expected:?} in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 6, "{problems:#?}");
}

#[tokio::test]
async fn trailers_are_no_part_of_a_file() {
    let frames = [
        Frame::data(Bytes::from_static(b"\x89PNG\r\n\x1a\n and the rest")),
        Frame::trailers(http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x-checksum"),
            http::HeaderValue::from_static(
                "a header that is longer than what the file may have left",
            ),
        )])),
    ];
    let body = http_body_util::StreamBody::new(super::tokio_stream(
        frames.map(Ok::<_, Infallible>).into(),
    ));
    let rule = FileRule::kinds([Kind::Png]).max_bytes(21);
    let service = UploadLayer::raw(rule)
        .build()
        .expect("valid")
        .layer(tower::service_fn(
            |request: Request<UploadBody<_>>| async move {
                let read = request
                    .into_body()
                    .collect()
                    .await
                    .map_err(io::Error::other)?;
                assert!(read.trailers().is_none(), "nobody has judged them");
                Ok::<_, io::Error>(Response::new(Full::new(read.to_bytes())))
            },
        ));
    let request = Request::put("/").header("content-type", "image/png");
    let answer = call(service, request.body(body).expect("legal")).await;
    assert_eq!((answer.status(), answer.body.len()), (StatusCode::OK, 21));
}

#[tokio::test]
async fn a_handler_that_does_not_read_answers_as_it_likes() {
    let service = form().build().expect("valid").layer(tower::service_fn(
        |request: Request<UploadBody<Scripted>>| async move {
            drop(request);
            Ok::<_, Infallible>(Response::new(Full::from("early")))
        },
    ));
    let answer = call(service, post(scripted([Next::Bytes(b"no form at all")]))).await;
    assert_eq!(
        (answer.status(), &answer.body[..]),
        (StatusCode::OK, &b"early"[..])
    );
}
