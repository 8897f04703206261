//! Any bytes as an upload: no panic, nothing comes out that did not go in, the
//! verdict does not depend on how the bytes are cut, and multer reads a form
//! that is accepted as the layer says it is.
//!
//! Runs as [`verify`](verify.rs) does, with `--bin upload`. The first byte says
//! how the rest is cut, and whether it is a form or a file.

#![no_main]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_rampart::upload::{FileRule, Kind, TextRule, UploadBody, UploadLayer, UploadReport};

struct Chunks(VecDeque<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});

static FORM: LazyLock<UploadLayer> = LazyLock::new(|| {
    UploadLayer::multipart()
        .file("file", FileRule::images().max_bytes(500).max_count(2))
        .file("note", FileRule::kinds([Kind::Csv, Kind::Text]))
        .text("title", TextRule::max_bytes(50))
        .build()
        .expect("valid")
});

static FILE: LazyLock<UploadLayer> = LazyLock::new(|| {
    let file = FileRule::images().max_bytes(500);
    UploadLayer::raw(file).build().expect("valid")
});

fn verdict(form: bool, bytes: &[u8], size: usize) -> u16 {
    let sent = Bytes::copy_from_slice(bytes);
    let kind = if form {
        "multipart/form-data; boundary=B"
    } else {
        "image/png"
    };
    let chunks = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    let request = Request::post("/").header("content-type", kind);
    let request = request.body(Chunks(chunks)).expect("a legal request");
    let handler = service_fn(move |request: Request<UploadBody<Chunks>>| {
        let sent = sent.clone();
        async move {
            let report = request.extensions().get::<UploadReport>().cloned();
            let mut body = request.into_body();
            let mut read = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                read.extend(frame.into_data().unwrap_or_default());
                assert!(sent.starts_with(&read), "nothing is made up");
            }
            if form {
                compare(report.expect("a report"), sent).await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(read))))
        }
    });
    let layer = if form { &*FORM } else { &*FILE };
    RUNTIME.block_on(async {
        let answer = layer.layer(handler).oneshot(request).await;
        let answer = answer.expect("it never fails");
        let status = answer.status().as_u16();
        if status == 200 {
            let read = answer
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            assert_eq!(read, bytes, "what is accepted comes out whole");
        }
        status
    })
}

/// Name, file name and size of each part, but for inputs left empty.
type Parts = Vec<(Option<String>, Option<String>, u64)>;

async fn compare(report: UploadReport, sent: Bytes) {
    let summary = report.verdict().await.expect("read to its end");
    let ours = summary.parts().iter().map(|part| {
        let filename = part.file().and_then(|file| file.name());
        (
            part.field().map(str::to_owned),
            filename.map(str::to_owned),
            part.bytes(),
        )
    });
    let mut theirs = Parts::new();
    let stream = Full::new(sent).into_data_stream();
    let mut parser = multer::Multipart::new(stream, "B");
    while let Some(field) = parser.next_field().await.expect("readable") {
        let name = field.name().map(str::to_owned);
        let filename = field.file_name().map(str::to_owned);
        let bytes = field.bytes().await.expect("readable").len() as u64;
        if bytes > 0 || filename.as_deref() != Some("") {
            theirs.push((name, filename, bytes));
        }
    }
    assert_eq!(ours.collect::<Parts>(), theirs);
}

fuzz_target!(|input: &[u8]| {
    let [how, bytes @ ..] = input else { return };
    let (form, size) = (how & 1 == 0, usize::from(how >> 1) + 1);
    let whole = verdict(form, bytes, bytes.len().max(1));
    assert_eq!(verdict(form, bytes, size), whole, "cut in {size}");
});
