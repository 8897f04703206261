//! Reading on after a refusal, so that an honest client reads its answer.
//!
//! A client that writes its whole body before it reads would otherwise find the
//! connection reset, and the answer lost with it.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

/// How long a refused body is read on at most.
const MAX_TIME: Duration = Duration::from_secs(5);

/// How many bytes of a refused body are read at most, whatever the limit.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Returns how many bytes of a body over `limit` are read on: a little more
/// than the limit, so that a client who is just over it is served well.
pub(super) fn cap(limit: u64) -> u64 {
    limit.saturating_add(2 * 1024 * 1024).min(MAX_BYTES)
}

/// Reads on in the background; without a Tokio runtime, not at all.
pub(super) fn spawn<B>(body: Pin<Box<B>>, cap: u64)
where
    B: Body<Data = Bytes> + Send + 'static,
{
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            // Whatever the outcome, dropping the body ends the connection.
            let _ = tokio::time::timeout(MAX_TIME, read(body, cap)).await;
        });
    }
}

async fn read<B: Body<Data = Bytes>>(mut body: Pin<Box<B>>, mut left: u64) {
    while let Some(Ok(frame)) =
        std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(length) else {
            return;
        };
        left = rest;
    }
}
