//! Every case of `upload::testing`: however it is cut, whoever reads it, and
//! over every kind of connection.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use ::axum::Router;
use ::axum::body::Body as AxumBody;
use ::axum::extract::{DefaultBodyLimit, Multipart};
use ::axum::routing::post;
use axum_typed_multipart::{FieldData, TryFromMultipart, TypedMultipart};
use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, ServiceExt};
use tower_rampart::upload::testing::{TestForm, UploadCase};
use tower_rampart::upload::{FileRule, TextRule, UploadBody, UploadLayer, UploadLayerBuilder};

use super::tokio_stream;

const MAX_FILE: usize = 100_000;

pub(super) fn form() -> UploadLayerBuilder {
    let file = FileRule::images().max_bytes(MAX_FILE as u64).required();
    UploadLayer::multipart()
        .file("photo", file)
        .text("title", TextRule::max_bytes(64))
}

pub(super) fn cases() -> Vec<UploadCase> {
    let form = TestForm::new("photo")
        .text("title", 64)
        .max_file_bytes(MAX_FILE)
        .max_pixels(40_000_000);
    let cases = form.cases();
    assert!(cases.len() > 200, "{}", cases.len());
    cases
}

/// A body in pieces.
type Pieces = StreamBody<
    Box<dyn futures_core::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Unpin>,
>;

pub(super) fn in_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Pieces {
    let frames = pieces.into_iter();
    let frames = frames.map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))));
    StreamBody::new(Box::new(tokio_stream(frames.collect())))
}

/// Sends a case and tells the status, and which bytes the handler saw.
async fn send(layer: &UploadLayer, case: &UploadCase, body: Pieces) -> (StatusCode, Vec<u8>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = layer.layer(tower::service_fn(|request: Request<UploadBody<Pieces>>| {
        let seen = seen.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let data = frame.expect("a refused body ends its reader").into_data();
                seen.lock()
                    .expect("not poisoned")
                    .extend(data.expect("no trailers"));
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    }));
    let answer = service.oneshot(case.request("/").map(|_| body)).await;
    let status = answer.expect("an answer").status();
    (
        status,
        Arc::into_inner(seen)
            .expect("the handler is gone")
            .into_inner()
            .expect("not poisoned"),
    )
}

#[tokio::test]
async fn every_case_has_its_answer_however_it_is_cut() {
    let layer = form().build().expect("valid");
    for case in cases() {
        let body = case.body();
        let mut plans: Vec<Vec<&[u8]>> = vec![vec![body]];
        plans.extend([1, 7, 4096].map(|size| body.chunks(size).collect()));
        // At every place, or at three hundred of a large body.
        let step = 1 + body.len() / 300 * usize::from(body.len() > 1_500);
        plans.extend(
            (1..body.len())
                .step_by(step)
                .map(|cut| vec![&body[..cut], &body[cut..]]),
        );
        for plan in plans {
            let lengths: Vec<_> = plan.iter().take(3).map(|piece| piece.len()).collect();
            let (status, seen) = send(&layer, &case, in_pieces(plan)).await;
            if let Err(wrong) = case.check(status) {
                panic!("{wrong}, cut as {lengths:?}…");
            }
            if case.expected().is_none() {
                assert!(seen == body, "{}: bytes pass unchanged", case.name());
            } else {
                // Never the end of a form, and nothing but what was sent.
                let end = seen.windows(7).any(|bytes| bytes == b"\r\n--B--");
                assert!(body.starts_with(&seen) && !end, "{}", case.name());
            }
        }
    }
}

#[derive(Debug, TryFromMultipart)]
struct Typed {
    #[form_data(limit = "unlimited")]
    photo: Vec<FieldData<Bytes>>,
    title: Option<String>,
}

/// Handlers that know nothing of the layer; half of them unwrap.
#[allow(clippy::unwrap_used, reason = "it is what many do")]
fn handlers() -> Vec<(&'static str, Router)> {
    async fn by_axum(mut form: Multipart) -> Result<(), StatusCode> {
        let bad = |_| StatusCode::IM_A_TEAPOT;
        while let Some(field) = form.next_field().await.map_err(bad)? {
            field.bytes().await.map_err(bad)?;
        }
        Ok(())
    }
    async fn by_axum_unwrapping(mut form: Multipart) {
        while let Some(field) = form.next_field().await.unwrap() {
            field.bytes().await.unwrap();
        }
    }
    async fn typed(form: TypedMultipart<Typed>) {
        assert!(!form.0.photo.is_empty(), "{:?}", form.0.title);
    }
    async fn typed_unwrapping(request: Request<AxumBody>) {
        use ::axum::extract::FromRequest;
        TypedMultipart::<Typed>::from_request(request, &())
            .await
            .unwrap();
    }
    fn parser(request: Request<AxumBody>) -> multer::Multipart<'static> {
        let kind = request.headers()["content-type"].to_str().expect("text");
        let boundary = multer::parse_boundary(kind).expect("a boundary");
        multer::Multipart::new(request.into_body().into_data_stream(), boundary)
    }
    async fn by_multer(request: Request<AxumBody>) -> Result<(), StatusCode> {
        let bad = |_| StatusCode::IM_A_TEAPOT;
        let mut form = parser(request);
        while let Some(mut field) = form.next_field().await.map_err(bad)? {
            while field.chunk().await.map_err(bad)?.is_some() {}
        }
        Ok(())
    }
    async fn by_multer_unwrapping(request: Request<AxumBody>) {
        let mut form = parser(request);
        while let Some(mut field) = form.next_field().await.unwrap() {
            while field.chunk().await.unwrap().is_some() {}
        }
    }
    async fn collecting(request: Request<AxumBody>) -> Result<(), StatusCode> {
        let collected = request.into_body().collect().await;
        collected.map(drop).map_err(|_| StatusCode::IM_A_TEAPOT)
    }
    async fn collecting_unwrapping(request: Request<AxumBody>) {
        request.into_body().collect().await.unwrap();
    }
    [
        ("axum", post(by_axum)),
        ("axum, unwrapping", post(by_axum_unwrapping)),
        ("axum_typed_multipart", post(typed)),
        ("axum_typed_multipart, unwrapping", post(typed_unwrapping)),
        ("multer", post(by_multer)),
        ("multer, unwrapping", post(by_multer_unwrapping)),
        ("collect", post(collecting)),
        ("collect, unwrapping", post(collecting_unwrapping)),
    ]
    .map(|(name, handler)| {
        let router = Router::new().route("/", handler);
        (
            name,
            router
                .layer(DefaultBodyLimit::disable())
                .layer(form().build().expect("valid")),
        )
    })
    .into()
}

#[tokio::test]
async fn every_case_has_its_answer_whoever_reads_it() {
    for (name, router) in handlers() {
        for case in cases() {
            for size in [1_000_000, 1_024, 3] {
                let body = AxumBody::new(in_pieces(case.body().chunks(size)));
                let answer = router
                    .clone()
                    .oneshot(case.request("/").map(|_| body))
                    .await;
                let status = answer.expect("an answer").status();
                if let Err(wrong) = case.check(status) {
                    panic!("{name}: {wrong}, in pieces of {size}");
                }
            }
        }
    }
}

async fn serve() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new()
        .route("/", post(|body: Bytes| async move { drop(body) }))
        .layer(DefaultBodyLimit::disable())
        .layer(form().build().expect("valid"));
    tokio::spawn(async move { ::axum::serve(listener, app).await });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_has_its_answer_over_a_connection() {
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    let address = serve().await;
    let uri = format!("http://{address}/");
    let first = Client::builder(TokioExecutor::new()).build_http();
    let second = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    // A length is known of the whole, of pieces none is.
    let plans: [(&str, &Client<_, Pieces>, usize); 2] =
        [("HTTP/1, chunked", &first, 999), ("HTTP/2", &second, 999)];
    for case in cases() {
        for (name, client, size) in plans {
            let body = in_pieces(case.body().chunks(size));
            let answer = client.request(case.request(&uri).map(|_| body)).await;
            let status = answer.expect("an answer").status();
            if let Err(wrong) = case.check(status) {
                panic!("{name}: {wrong}");
            }
        }
        let status = with_length(address, &case).await;
        if let Err(wrong) = case.check(status) {
            panic!("HTTP/1 with a length: {wrong}");
        }
    }
}

/// Writes everything before it reads anything.
async fn with_length(address: std::net::SocketAddr, case: &UploadCase) -> StatusCode {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("a server");
    let mut message = BytesMut::from(&b"POST / HTTP/1.1\r\nHost: localhost\r\n"[..]);
    for (name, value) in case.headers() {
        message.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    message.extend(format!("Content-Length: {}\r\n\r\n", case.body().len()).bytes());
    message.extend(case.body());
    stream.write_all(&message).await.expect("all is read");
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.expect("an answer");
    StatusCode::from_bytes(&start[9..]).expect("a status")
}
