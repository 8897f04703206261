//! What the layer keeps in memory, whatever comes.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::axum::Router;
use ::axum::body::Body as AxumBody;
use ::axum::extract::{DefaultBodyLimit, Multipart};
use ::axum::routing::post;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};
use tower_http::decompression::RequestDecompressionLayer;
use tower_rampart::upload::{FileRule, Kind, UploadBody, UploadLayer};

const FRAME: usize = 64 * 1024;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// A form with one file of line ends, always ready.
struct Endless {
    start: Option<Bytes>,
    frame: Bytes,
    frames: u64,
    end: Option<Bytes>,
}

impl Endless {
    fn new(bytes: u64) -> Self {
        let start = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\nPK\x03\x04";
        Self {
            start: Some(Bytes::from_static(start.as_bytes())),
            frame: vec![b'\n'; FRAME].into(),
            frames: bytes / FRAME as u64,
            end: Some(Bytes::from_static(b"\r\n--B--\r\n")),
        }
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match (self.start.take(), self.frames) {
            (Some(start), _) => Some(start),
            (None, 0) => self.end.take(),
            (None, _) => {
                self.frames -= 1;
                Some(self.frame.clone())
            }
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn form(max_bytes: u64) -> UploadLayer {
    let file = FileRule::kinds([Kind::Zip]).max_bytes(max_bytes);
    let form = UploadLayer::multipart().file("file", file);
    form.sha256().build().expect("valid")
}

fn request<B>(body: B) -> Request<B> {
    Request::post("/")
        .header("content-type", "multipart/form-data; boundary=B")
        .body(body)
        .expect("legal")
}

/// Runs a service, and tells how much memory was in use at most.
fn peak<S, B, R>(mut service: S, request: Request<B>) -> (StatusCode, u64)
where
    S: Service<Request<B>, Response = Response<R>, Error: std::fmt::Debug>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let mut status = StatusCode::OK;
    let counted = allocation_counter::measure(|| {
        let answer =
            runtime.block_on(async { service.ready().await.expect("ready").call(request).await });
        status = answer.expect("an answer").status();
    });
    (status, counted.bytes_max)
}

#[test]
fn a_gibibyte_passes_through_sixteen_kibibytes() {
    let service = form(2048 * MIB).layer(tower::service_fn(
        |request: Request<UploadBody<Endless>>| async {
            let (mut body, mut bytes) = (request.into_body(), 0);
            while let Some(frame) = body.frame().await {
                bytes += frame.expect("no error").into_data().expect("data").len() as u64;
            }
            assert!(bytes > 1024 * MIB);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let (status, peak) = peak(service, request(Endless::new(1024 * MIB)));
    assert_eq!(status, StatusCode::OK);
    assert!(peak < 16 * KIB, "{peak} bytes");
}

#[test]
fn a_parser_that_reads_on_gets_one_frame_at_a_time() {
    async fn by_multer(request: Request<AxumBody>) {
        let body = request.into_body().into_data_stream();
        let mut form = multer::Multipart::new(body, "B");
        let mut largest = 0;
        while let Some(mut field) = form.next_field().await.expect("readable") {
            while let Some(chunk) = field.chunk().await.expect("readable") {
                largest = largest.max(chunk.len());
            }
        }
        // It adds the few bytes that it held back itself.
        assert!(largest < FRAME + 8, "{largest}");
    }
    let router: Router = Router::new()
        .route("/", post(by_multer))
        .layer(form(1024 * MIB));
    let (status, peak) = peak(router, request(AxumBody::new(Endless::new(256 * MIB))));
    assert_eq!(status, StatusCode::OK);
    assert!(peak < MIB, "{peak} bytes");
}

#[test]
fn a_body_that_unpacks_to_too_much_is_refused_as_it_unpacks() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let start = Endless::new(0).start.expect("a start");
    bomb.write_all(&start).expect("memory");
    let zeros = vec![0; 1 << 20];
    for _ in 0..256 {
        bomb.write_all(&zeros).expect("memory");
    }
    let bomb = bomb.finish().expect("memory");
    assert!(bomb.len() < 4 << 20, "{}", bomb.len());
    async fn by_axum(mut form: Multipart) {
        while let Some(field) = form
            .next_field()
            .await
            .expect("a refusal drops the handler")
        {
            field.bytes().await.expect("a refusal drops the handler");
        }
    }
    let router: Router = Router::new()
        .route("/", post(by_axum))
        .layer(DefaultBodyLimit::disable())
        .layer(form(4 * MIB))
        .layer(RequestDecompressionLayer::new());
    let mut request = request(AxumBody::from(bomb));
    let coding = http::HeaderValue::from_static("gzip");
    request.headers_mut().insert("content-encoding", coding);
    let (status, peak) = peak(router, request);
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(peak < 16 * MIB, "{peak} bytes");
}
