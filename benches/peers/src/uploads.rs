//! What an upload costs with the layer in front of its parser, and without.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart};
use axum::routing::post;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use rand::RngCore as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_rampart::upload::{FileRule, Kind, UploadBody, UploadLayer};

use crate::flood::resident_kib;

const MIB: usize = 1 << 20;
const FRAME: usize = 64 * 1024;
const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

const KIND: &str = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW";

fn layer() -> UploadLayer {
    let file = FileRule::kinds([Kind::Zip]).max_bytes(4 << 30);
    UploadLayer::multipart()
        .file("file", file)
        .build()
        .expect("valid")
}

fn start() -> Vec<u8> {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\nPK\x03\x04")
        .into_bytes()
}

fn end() -> Vec<u8> {
    format!("\r\n--{BOUNDARY}--\r\n").into_bytes()
}

/// A form whose file is cut into frames.
struct Cut {
    file: Bytes,
    begun: bool,
    ended: bool,
}

impl Body for Cut {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = if !std::mem::replace(&mut self.begun, true) {
            start().into()
        } else if !self.file.is_empty() {
            let length = FRAME.min(self.file.len());
            self.file.split_to(length)
        } else if !std::mem::replace(&mut self.ended, true) {
            end().into()
        } else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// How many bytes a second pass, at best of five. More bytes than caches hold.
async fn scan(file: &Bytes) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let service = layer().layer(service_fn(|request: Request<UploadBody<Cut>>| async {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                frame.expect("accepted");
            }
            Ok::<_, Infallible>(Response::new(axum::body::Body::empty()))
        }));
        let body = Cut {
            file: file.clone(),
            begun: false,
            ended: false,
        };
        let request = Request::post("/")
            .header("content-type", KIND)
            .body(body)
            .expect("legal");
        let started = Instant::now();
        let answer = service.oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        best = best.min(started.elapsed().as_secs_f64());
    }
    file.len() as f64 / best
}

async fn scans() {
    const BYTES: usize = 64 * MIB;
    let mut random = vec![0; BYTES];
    rand::rng().fill_bytes(&mut random);
    let repeated = |text: &str| {
        let bytes = text.as_bytes().iter().copied().cycle().take(BYTES);
        bytes.collect::<Bytes>()
    };
    let base = scan(&random.into()).await;
    println!("scan of random bytes: {:.1} GB/s", base / 1e9);
    let almost = &BOUNDARY[..BOUNDARY.len() - 1];
    for (name, file) in [
        ("CRLF", repeated("\r\n")),
        ("LF", repeated("\n")),
        ("dashes", repeated("-")),
        (
            "boundaries but for a byte",
            repeated(&format!("\r\n--{almost}")),
        ),
        (
            "boundaries inside a line",
            repeated(&format!("x--{BOUNDARY}")),
        ),
        (
            "boundaries inside lines",
            repeated(&format!("x--{BOUNDARY}\n")),
        ),
    ] {
        let rate = scan(&file).await;
        println!(
            "scan of {name}: {:.1} GB/s, {:.2} of random",
            rate / 1e9,
            rate / base
        );
    }
}

async fn discard(mut form: Multipart) {
    while let Some(mut field) = form.next_field().await.expect("readable") {
        while field.chunk().await.expect("readable").is_some() {}
    }
}

async fn serve(guarded: bool) -> SocketAddr {
    let app = Router::new()
        .route("/", post(discard))
        .layer(DefaultBodyLimit::disable());
    let app = if guarded { app.layer(layer()) } else { app };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends a file of so many bytes, and tells how long it took.
fn send(address: SocketAddr, bytes: usize, frame: &[u8]) -> Duration {
    let (start, end) = (start(), end());
    let length = start.len() + bytes + end.len();
    let mut stream = TcpStream::connect(address).expect("a server");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: {KIND}\r\ncontent-length: {length}\r\n\r\n"
    );
    let started = Instant::now();
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&start).expect("sent");
    for _ in 0..bytes / frame.len() {
        stream.write_all(frame).expect("sent");
    }
    stream.write_all(&end).expect("sent");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    started.elapsed()
}

pub(super) fn run() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(scans());
    let bare = runtime.block_on(serve(false));
    let guarded = runtime.block_on(serve(true));
    let mut frame = vec![0; FRAME];
    rand::rng().fill_bytes(&mut frame);
    let mut ratios = Vec::new();
    for _ in 0..11 {
        let without = send(bare, 256 * MIB, &frame);
        let with = send(guarded, 256 * MIB, &frame);
        ratios.push(without.as_secs_f64() / with.as_secs_f64());
    }
    ratios.sort_unstable_by(f64::total_cmp);
    println!(
        "an upload over loopback, behind the layer: {:.2} of the rate without it (median of 11, {:.2} to {:.2})",
        ratios[5], ratios[0], ratios[10]
    );
    let before = resident_kib();
    send(guarded, 1024 * MIB, &frame);
    let grown = resident_kib().saturating_sub(before);
    println!("a gibibyte over loopback: {grown} KiB more memory");
}
