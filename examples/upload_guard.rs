//! A form with one picture. The handler is plain axum and knows of no rule.
//!
//! Run with `cargo run --example upload_guard --features full`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart};
use axum::routing::post;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_rampart::upload::{FileRule, TextRule, UploadLayer};

/// Sends a picture, a page that claims to be one, and one that is too large.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let guard = UploadLayer::multipart()
        .file("photo", FileRule::images().max_bytes(1_000).required())
        .text("caption", TextRule::max_bytes(200))
        .build()?;
    let app: Router = Router::new()
        .route("/photos", post(photos))
        .layer(DefaultBodyLimit::disable())
        .layer(guard);

    let png =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08 and the rest of a picture".to_vec();
    for (content, expected) in [
        (png.clone(), 200),
        (b"<!doctype html><script>".to_vec(), 415),
        ([png, vec![0; 1_000]].concat(), 413),
    ] {
        let head = "--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
        let body = [head.as_bytes(), &content, b"\r\n--B--\r\n"].concat();
        let request =
            Request::post("/photos").header("content-type", "multipart/form-data; boundary=B");
        let answer = app
            .clone()
            .oneshot(request.body(axum::body::Body::from(body))?)
            .await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        println!("{status} {}", String::from_utf8_lossy(&body));
        assert_eq!(status.as_u16(), expected);
    }
    Ok(())
}

async fn photos(mut form: Multipart) -> Result<String, axum::extract::multipart::MultipartError> {
    let mut bytes = 0;
    while let Some(field) = form.next_field().await? {
        bytes += field.bytes().await?.len();
    }
    Ok(format!("{bytes} bytes"))
}
