//! Size and media type of uploads, enforced while the bytes stream.
//!
//! Stops bodies that are too large, files of another type than they claim
//! (declared type, first bytes and extension must agree), pictures that would take
//! too much to unpack, multipart bodies that
//! two parsers would read differently, names that file systems read
//! differently, and fields that the route does not know. Nothing is buffered
//! but a part's headers and first bytes; the handler keeps its own parser and
//! sees no byte behind a violation, nor the end of what is refused. What it does
//! with the first parts should not last before [`UploadReport::verdict`]. On a violation the handler's future is
//! dropped and the layer answers itself: 413 for sizes and counts, 415 for
//! types, 422 for names, fields and pixels, 400 for syntax, 408 for clients that are silent or too slow.
//!
//! # What it does not stop
//!
//! A file that is what it claims and harmful all the same: first bytes are no
//! virus scan, and a picture may carry a script in its comments. Serve uploads
//! with `nosniff`, a sandboxing policy and `Content-Disposition`.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::upload::{FileRule, Kind, UploadBody, UploadLayer};
//!
//! let rule = FileRule::kinds([Kind::Png]).max_bytes(1024);
//! let service = UploadLayer::raw(rule).build()?.layer(service_fn(|request: Request<UploadBody<Full<Bytes>>>| async {
//!     let bytes = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
//!     Ok::<_, std::io::Error>(Response::new(Full::new(bytes)))
//! }));
//! let put = |body: &'static [u8]| {
//!     Request::put("/avatar").header("content-type", "image/png").body(Full::new(Bytes::from_static(body)))
//! };
//! let picture = service.clone().oneshot(put(b"\x89PNG\r\n\x1a\n and so on")?).await?;
//! assert_eq!(picture.status(), StatusCode::OK);
//! let page = service.oneshot(put(b"<html><script>")?).await?;
//! assert_eq!(page.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
//! # Ok(())
//! # }
//! ```
//!
//! # With axum
//!
//! axum's extractors stop at 2 MiB by themselves, and answer in plain text: put
//! `axum::extract::DefaultBodyLimit::disable()` on routes that have this layer.
//!
//! # What each setting costs
//!
//! Limits cost nothing; `sha256` reads every byte of a file once more. A refused
//! upload is read on for at most 32 MiB and 5 s, so that a client that writes
//! before it reads still gets its answer.

mod body;
mod builder;
mod canonical;
mod content_disposition;
mod delimiter;
mod drain;
mod error;
mod filename;
mod future;
mod head;
mod inspector;
mod kind;
mod layer;
mod multipart;
mod open_part;
mod pace;
mod part;
mod pixels;
mod reading;
mod report;
mod rules;
mod shared;
mod utf8;
mod violation;
mod witness;

#[cfg(any(test, feature = "test-util"))]
pub mod testing;

pub use body::{UploadBody, UploadBodyError};
pub use builder::UploadLayerBuilder;
pub use error::{ConfigError, Problem};
pub use future::UploadFuture;
pub use kind::Kind;
pub use layer::{Upload, UploadLayer};
pub use report::{UploadReport, UploadSummary, UploadedFile, UploadedPart, VerdictError};
pub use rules::{FileRule, TextRule};

#[cfg(test)]
mod kind_tests;
#[cfg(test)]
mod pixel_tests;
#[cfg(test)]
mod tests;
