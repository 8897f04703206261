//! How long a request may take, and whose fault it is when it takes longer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode, Version};
use hyper::body::{Frame, SizeHint};

use crate::respond::ApiError;

/// A body that tells whether its end was reached.
struct Noted {
    body: Body,
    ended: Arc<AtomicBool>,
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers when a request takes too long: 408 while the rest of its body is waited for
/// (RFC 9110, section 15.5.9), and 503 otherwise.
pub(crate) async fn in_time(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let version = request.version();
    let (head, body) = request.into_parts();
    let ended = Arc::new(AtomicBool::new(body.is_end_stream()));
    let body = Body::new(Noted {
        body,
        ended: Arc::clone(&ended),
    });
    let answered = next.run(Request::from_parts(head, body));
    if let Ok(answer) = tokio::time::timeout(limit, answered).await {
        return answer;
    }
    if ended.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let late = ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "the rest of the request did not arrive in time",
    );
    let mut answer = late.into_response();
    if version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::post;
    use futures_util::stream;
    use tower::ServiceExt as _;

    async fn status(body: Body) -> (StatusCode, bool) {
        let routes = Router::new()
            .route(
                "/",
                post(async |body: Bytes| {
                    drop(body);
                    std::future::pending::<()>().await;
                }),
            )
            .layer(axum::middleware::from_fn_with_state(
                Duration::from_secs(30),
                in_time,
            ));
        let request = Request::post("/").body(body).expect("a request");
        let answer = routes.oneshot(request).await.expect("an answer");
        (answer.status(), answer.headers().contains_key(CONNECTION))
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_late_is_told_apart() {
        let begun = stream::iter([Ok::<_, std::io::Error>("{\"email\":")]);
        let never = futures_util::StreamExt::chain(begun, stream::pending());
        let silent = Body::from_stream(never);
        assert_eq!(status(silent).await, (StatusCode::REQUEST_TIMEOUT, true));
        let unavailable = (StatusCode::SERVICE_UNAVAILABLE, false);
        assert_eq!(status(Body::from("{}")).await, unavailable);
        assert_eq!(status(Body::empty()).await, unavailable);
    }
}
