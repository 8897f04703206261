//! Refusals that come before a body was read.
//!
//! A client that writes everything before it reads gets no answer if the connection is
//! closed while it writes. The upload layer reads the rest of what it refuses; what
//! layers around it refuse (no token, too often), and JSON that is too large, is read
//! here, within the same bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT};
use http::{StatusCode, Version};
use hyper::body::{Frame, SizeHint};

/// How much more than the route's limit is read, how much at most, and for how long.
const MARGIN: u64 = 2 * 1024 * 1024;
const MOST: u64 = 32 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// A body that others read, and that is still there when they do not.
struct Lent(Arc<Mutex<Body>>);

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .size_hint()
    }
}

/// Reads the rest of a body that was refused, before the refusal is sent. Not with
/// HTTP/2, where nobody is cut off by an answer, nor where the client waits for leave to
/// send.
pub(crate) async fn refused_bodies(
    State(limit): State<u64>,
    request: Request,
    next: Next,
) -> Response {
    if request.version() > Version::HTTP_11 || request.headers().contains_key(EXPECT) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let lent = Body::new(Lent(Arc::clone(&body)));
    let response = next.run(Request::from_parts(head, lent)).await;
    // One that closes has read as much as it wanted, and one that is late wants no more.
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    if refused
        && status != StatusCode::REQUEST_TIMEOUT
        && !response.headers().contains_key(CONNECTION)
    {
        let rest = std::mem::take(&mut *body.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = tokio::time::timeout(
            PATIENCE,
            drain(rest, limit.saturating_add(MARGIN).min(MOST)),
        )
        .await;
    }
    response
}

/// Refuses a body by the length that its head declares.
pub(crate) async fn too_long(State(limit): State<usize>, request: Request, next: Next) -> Response {
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match declared.is_some_and(|length| length > limit as u64) {
        true => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        false => next.run(request).await,
    }
}

async fn drain(rest: Body, most: u64) {
    let (mut chunks, mut read) = (rest.into_data_stream(), 0);
    while let Some(Ok(chunk)) = chunks.next().await {
        read += chunk.len() as u64;
        if read > most {
            return;
        }
    }
}
