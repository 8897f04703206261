//! What a handler is told, and what is only told.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::Layer;
use tower_rampart::rejection::RejectionCode;
use tower_rampart::upload::{
    FileRule, Kind, TextRule, UploadBody, UploadLayer, UploadReport, UploadSummary, VerdictError,
};

use super::corpus::{cases, form, in_pieces};
use super::{PNG, multipart};
use crate::support::call;

type Verdict = Result<UploadSummary, VerdictError>;

/// What a handler got of an upload that it read to its end.
struct Seen {
    status: StatusCode,
    bytes: Vec<u8>,
    length: Option<String>,
    verdict: Verdict,
}

async fn send(layer: &UploadLayer, content_type: &str, body: &[u8], size: usize) -> Seen {
    let length = body.len().to_string();
    let request = Request::post("/").header("content-type", content_type);
    let request = request.header(CONTENT_LENGTH, length);
    read(layer, request.body(()).expect("legal"), body, size).await
}

async fn read(layer: &UploadLayer, request: Request<()>, body: &[u8], size: usize) -> Seen {
    let seen = Arc::new(Mutex::new((Vec::new(), None)));
    let report = Arc::new(Mutex::new(None));
    let service = layer.layer(tower::service_fn(|request: Request<UploadBody<_>>| {
        let (seen, kept) = (seen.clone(), report.clone());
        async move {
            let length = request.headers().get(CONTENT_LENGTH);
            seen.lock().expect("fine").1 =
                length.map(|value| value.to_str().expect("text").to_owned());
            let report = request
                .extensions()
                .get::<UploadReport>()
                .expect("a report")
                .clone();
            *kept.lock().expect("fine") = Some(report.clone());
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let frame: http_body::Frame<Bytes> = frame.expect("no error");
                seen.lock()
                    .expect("fine")
                    .0
                    .extend(frame.into_data().expect("data"));
            }
            report.verdict().await.ok();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    }));
    let request = request.map(|()| in_pieces(body.chunks(size.max(1))));
    let status = call(service, request).await.status();
    let report = report.lock().expect("fine").take();
    let verdict = match report {
        Some(report) => report.verdict().await,
        None => Err(VerdictError::Unfinished),
    };
    let (bytes, length) = std::mem::take(&mut *seen.lock().expect("fine"));
    Seen {
        status,
        bytes,
        length,
        verdict,
    }
}

const FORM: &str = "multipart/form-data; boundary=B";

#[tokio::test]
async fn a_handler_is_told_what_was_uploaded() {
    let layer = form().sha256().build().expect("valid");
    let text = "--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nhello\r\n";
    let empty = "--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"\"\r\n\r\n\r\n";
    let photo = String::from_utf8_lossy(
        b"--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n",
    )
    .into_owned();
    let body = [
        text.as_bytes(),
        empty.as_bytes(),
        photo.as_bytes(),
        PNG,
        b"\r\n--B--",
    ]
    .concat();
    for size in [1, 10, 10_000] {
        let seen = send(&layer, FORM, &body, size).await;
        assert_eq!(seen.status, StatusCode::OK);
        let summary = seen.verdict.expect("accepted");
        assert_eq!(summary.bytes(), body.len() as u64);
        let [title, photo] = summary.parts() else {
            panic!("the empty input is no part: {summary:?}");
        };
        assert_eq!(
            (title.field(), title.bytes(), title.file()),
            (Some("title"), 5, None)
        );
        let file = photo.file().expect("a file");
        assert_eq!(
            (photo.field(), photo.bytes()),
            (Some("photo"), PNG.len() as u64)
        );
        assert_eq!((file.name(), file.kind()), (Some("a.png"), Kind::Png));
        // Computed by another program.
        let digest = file
            .sha256()
            .expect("asked for")
            .map(|byte| format!("{byte:02x}"))
            .concat();
        assert_eq!(
            digest,
            "ad4be3b68b7341150ca8498e6c8db91196d7d3c7b31437e748fb069f103826f4"
        );
    }
    let seen = send(&form().build().expect("valid"), FORM, &body, 10).await;
    let summary = seen.verdict.expect("accepted");
    assert_eq!(summary.parts()[1].file().expect("a file").sha256(), None);

    let refused = multipart("a.php", "image/png", PNG);
    let refused = String::from_utf8_lossy(&refused).replace("name=\"file\"", "name=\"photo\"");
    let seen = send(&layer, FORM, refused.as_bytes(), 10).await;
    assert_eq!(seen.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let told = VerdictError::Refused {
        rule: "part-type",
        code: RejectionCode::MediaTypeMismatch,
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    assert_eq!(seen.verdict, Err(told));
}

#[tokio::test]
async fn a_body_that_is_dropped_has_no_verdict() {
    let layer = form().build().expect("valid");
    let service = layer.layer(tower::service_fn(
        |mut request: Request<UploadBody<Full<Bytes>>>| async move {
            let report = request
                .extensions_mut()
                .remove::<UploadReport>()
                .expect("a report");
            drop(request);
            assert_eq!(report.verdict().await, Err(VerdictError::Unfinished));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let request = Request::post("/").header("content-type", FORM);
    let answer = call(service, request.body(Full::from("--B--")).expect("legal")).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_only_logged_passes_as_it_came() {
    let enforced = form().build().expect("valid");
    let logged = form().dangerous_log_only().build().expect("valid");
    let mut refused = 0;
    for case in cases() {
        for size in [5, 1_000_000] {
            let request = || case.request("/").map(drop);
            let seen = read(&logged, request(), case.body(), size).await;
            assert_eq!(seen.status, StatusCode::OK, "{}", case.name());
            assert!(seen.bytes == case.body(), "{}", case.name());
            let before = read(&enforced, request(), case.body(), size).await;
            match (&seen.verdict, case.expected()) {
                (Ok(_), None) => assert_eq!(seen.verdict, before.verdict),
                (Err(VerdictError::Refused { status, .. }), Some(expected)) => {
                    assert_eq!(*status, expected, "{}", case.name());
                    refused += 1;
                }
                (verdict, expected) => panic!("{}: {verdict:?}, {expected:?}", case.name()),
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[tokio::test]
async fn as_many_parts_as_may_be_are_taken_and_not_one_more() {
    let layer = form().max_parts(2).build().expect("valid");
    let title = b"--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nhello\r\n";
    let photo =
        b"--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n";
    let two = [&title[..], photo, PNG, b"\r\n"].concat();
    let seen = send(&layer, FORM, &[&two[..], b"--B--"].concat(), 9).await;
    assert_eq!(seen.verdict.expect("accepted").parts().len(), 2);
    let three = [&two[..], title, b"--B--"].concat();
    let refused = send(&layer, FORM, &three, 9).await.verdict;
    let refused = refused.expect_err("one too many");
    assert!(
        matches!(
            refused,
            VerdictError::Refused {
                rule: "part-count",
                ..
            }
        ),
        "{refused:?}"
    );
}

/// What is told of a form of which a reader takes so many pieces and then no more.
async fn read_in_part(pieces: &[&[u8]], taken: usize) -> Verdict {
    let layer = form().dangerous_log_only().build().expect("valid");
    let kept = Arc::new(Mutex::new(None));
    let service = layer.layer(tower::service_fn(|mut request: Request<UploadBody<_>>| {
        let kept = kept.clone();
        async move {
            *kept.lock().expect("fine") = request.extensions_mut().remove::<UploadReport>();
            let mut body = request.into_body();
            for _ in 0..taken {
                let frame: http_body::Frame<Bytes> =
                    body.frame().await.expect("a piece").expect("no error");
                drop(frame);
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    }));
    let request = Request::post("/").header("content-type", FORM);
    let body = in_pieces(pieces.iter().copied());
    call(service, request.body(body).expect("legal")).await;
    let report: Option<UploadReport> = kept.lock().expect("fine").take();
    report.expect("a report").verdict().await
}

#[tokio::test]
async fn what_is_only_logged_is_known_once_the_form_is_complete() {
    let head = b"--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n";
    let pieces = [&head[..], PNG, b"\r\n--B", b"--\r\n"];
    for taken in 0..pieces.len() {
        let told = read_in_part(&pieces, taken).await;
        assert_eq!(told, Err(VerdictError::Unfinished), "{taken}");
    }
    // A parser that has seen the end asks for nothing more.
    let told = read_in_part(&pieces, pieces.len()).await.expect("complete");
    assert_eq!(told.parts().len(), 1, "{told:?}");
}

#[tokio::test]
async fn canonical_headers_say_what_was_understood_and_nothing_else() {
    let layer = form().canonical().build().expect("valid");
    let head =
        "Content-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type:";
    let mut accepted = 0;
    for case in cases().iter().filter(|case| {
        case.headers()
            .get("content-type")
            .is_some_and(|value| value == FORM)
    }) {
        let whole = read(&layer, case.request("/").map(drop), case.body(), 1_000_000).await;
        let single = read(&layer, case.request("/").map(drop), case.body(), 1).await;
        assert!(
            case.check(whole.status).is_ok() && case.check(single.status).is_ok(),
            "{}",
            case.name()
        );
        if case.expected().is_some() {
            continue;
        }
        accepted += 1;
        assert!(whole.bytes == single.bytes, "{}", case.name());
        let text = String::from_utf8_lossy(&whole.bytes).into_owned();
        assert!(
            text.ends_with("\r\n--B--\r\n") || text.ends_with("\r\n--B--"),
            "{text:?}"
        );
        for header in ["X:", "filename*", "Encoding", "Content-Length"] {
            assert!(!text.contains(header), "{}: {text:?}", case.name());
        }
        if text.contains("filename=\"a.png\"") {
            assert!(text.contains(head), "{}: {text:?}", case.name());
        }
    }
    assert!(accepted > 20, "{accepted}");
    let seen = send(&layer, FORM, b"--B\r\ncontent-type:IMAGE/PNG\r\nX: y\r\ncontent-disposition:form-data;name=\"photo\";filename=\"a.png\";filename*=utf-8''a.png\r\n\r\n\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08 and more\r\n--B--", 3).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.length, None, "it has another length now");
    assert!(seen.bytes.starts_with(b"--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG"));
}

/// A handler that tidies up when its body fails, and answers, or never does.
async fn tidy_up(respite: Duration, answers: bool) -> (StatusCode, bool, Duration) {
    let layer = form().respite(respite).build().expect("valid");
    let tidied = Arc::new(AtomicBool::new(false));
    let service = layer.layer(tower::service_fn(|request: Request<UploadBody<_>>| {
        let tidied = tidied.clone();
        async move {
            let error = request.into_body().collect().await.expect_err("refused");
            assert!(error.is_refused());
            tokio::time::sleep(Duration::from_secs(3)).await;
            tidied.store(true, Ordering::SeqCst);
            if !answers {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    }));
    let request = Request::post("/").header("content-type", FORM);
    let request = request
        .body(in_pieces([&b"no boundary"[..]]))
        .expect("legal");
    let begun = tokio::time::Instant::now();
    let answer = call(service, request).await;
    assert_eq!(answer.code(), "malformed_multipart");
    (
        answer.status(),
        tidied.load(Ordering::SeqCst),
        begun.elapsed(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_have_time_to_tidy_up() {
    let seconds = Duration::from_secs;
    let bad = StatusCode::BAD_REQUEST;
    assert_eq!(tidy_up(seconds(10), true).await, (bad, true, seconds(3)));
    let (status, tidied, took) = tidy_up(seconds(10), false).await;
    assert_eq!((status, tidied, took.as_secs()), (bad, true, 10));
    let (status, tidied, took) = tidy_up(seconds(2), true).await;
    assert_eq!((status, tidied, took.as_secs()), (bad, false, 2));
}

#[tokio::test]
async fn files_and_texts_are_counted_apart() {
    let file = || FileRule::images().max_count(2);
    let text = || TextRule::max_bytes(10).max_count(3);
    let fields = UploadLayer::multipart()
        .file("front", file())
        .file("back", file());
    let fields = fields.text("title", text()).text("tag", text());
    let layer = fields.max_files(2).max_texts(3).build().expect("valid");
    let part = |name: &str, index: usize, names: [&str; 2], content: &[u8]| {
        let name = name.replace("NAME", names[index % 2]);
        [
            b"--B\r\nContent-Disposition: form-data; ",
            name.as_bytes(),
            b"\r\n\r\n",
            content,
            b"\r\n",
        ]
        .concat()
    };
    let form = |files: usize, texts: usize| {
        let file = "name=\"NAME\"; filename=\"a.png\"";
        let files = (0..files).flat_map(|index| part(file, index, ["front", "back"], PNG));
        let texts =
            (0..texts).flat_map(|index| part("name=\"NAME\"", index, ["title", "tag"], b"x"));
        files.chain(texts).chain(*b"--B--").collect::<Vec<_>>()
    };
    let rule = |verdict: Verdict| match verdict {
        Ok(summary) => summary.parts().len().to_string(),
        Err(VerdictError::Refused { rule, status, .. }) => format!("{} {rule}", status.as_u16()),
        Err(error) => error.to_string(),
    };
    for (files, texts, expected) in [
        (2, 3, "5"),
        (3, 0, "413 file-count"),
        (0, 4, "413 text-count"),
        (2, 4, "413 text-count"),
    ] {
        let seen = send(&layer, FORM, &form(files, texts), 100).await;
        assert_eq!(rule(seen.verdict), expected, "{files} files, {texts} texts");
    }
}

#[tokio::test]
async fn texts_and_archives_are_kinds_of_files_too() {
    let layer = |kinds: &[Kind]| {
        let rule = FileRule::kinds(kinds.to_vec()).max_bytes(11 << 20);
        UploadLayer::multipart()
            .file("file", rule)
            .build()
            .expect("valid")
    };
    let late = |bad: &[u8]| [&b"a,b\n".repeat(10 << 18)[..], bad, b"\n"].concat();
    let (csv, note, zip) = ([Kind::Csv], [Kind::Text, Kind::Csv], [Kind::Zip]);
    let archive = b"PK\x03\x04\x14\0\0\0\x08\0 and so on";
    for (kinds, name, declared, content, expected) in [
        (
            &csv[..],
            "a.csv",
            "text/csv",
            late(b"c,\xc3\xa4"),
            Ok(Kind::Csv),
        ),
        (
            &csv,
            "a.csv",
            "application/vnd.ms-excel",
            b"a,b".to_vec(),
            Ok(Kind::Csv),
        ),
        (&csv, "a.csv", "text/csv", b"BM,IDs".to_vec(), Ok(Kind::Csv)),
        (&csv, "a.csv", "text/csv", late(b"\0"), Err(415)),
        (&csv, "a.csv", "text/csv", late(b"\xff"), Err(415)),
        (&csv, "a.csv", "text/csv", late(b"\xc3"), Err(415)),
        (
            &csv,
            "a.csv",
            "text/csv",
            b"\xed\xa0\x80".to_vec(),
            Err(415),
        ),
        (
            &csv,
            "a.csv",
            "text/csv",
            b"GIF89a and more".to_vec(),
            Err(415),
        ),
        (&csv, "a.txt", "text/csv", b"a,b".to_vec(), Err(415)),
        (&csv, "a.csv", "text/html", b"a,b".to_vec(), Err(415)),
        (&note, "a.txt", "text/plain", "naïve".into(), Ok(Kind::Text)),
        (
            &note,
            "a.csv",
            "application/octet-stream",
            b"a,b".to_vec(),
            Ok(Kind::Csv),
        ),
        (
            &note,
            "a.html",
            "text/plain",
            b"<script>".to_vec(),
            Err(415),
        ),
        (
            &zip,
            "a.zip",
            "application/zip",
            archive.to_vec(),
            Ok(Kind::Zip),
        ),
        (
            &zip,
            "a.zip",
            "application/x-zip-compressed",
            archive.to_vec(),
            Ok(Kind::Zip),
        ),
        (
            &zip,
            "a.docx",
            "application/zip",
            archive.to_vec(),
            Err(415),
        ),
        (
            &zip,
            "a.zip",
            "application/zip",
            b"not an archive".to_vec(),
            Err(415),
        ),
    ] {
        let seen = send(
            &layer(kinds),
            FORM,
            &multipart(name, declared, &content),
            1_000,
        )
        .await;
        let verdict = seen
            .verdict
            .map(|summary| summary.parts()[0].file().expect("a file").kind());
        let verdict = verdict.map_err(|error| match error {
            VerdictError::Refused { status, .. } => status.as_u16(),
            error => panic!("{error}"),
        });
        assert_eq!(verdict, expected, "{name} as {declared:?}");
    }
}
