//! The body that a handler reads.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::inspector::Inspector;
use super::pace::{Pace, Waiting};
use super::shared::{Refused, Shared};

/// A request body that lets through only what the rules accept.
///
/// Its reader sees no byte of a refused upload, and usually no error either:
/// the layer drops the handler and answers.
pub struct UploadBody<B> {
    /// Gone once the upload was refused.
    inner: Option<Pin<Box<B>>>,
    guard: Option<Guard<B>>,
}

struct Guard<B> {
    inspector: Inspector,
    shared: Arc<Shared<B>>,
    accepted: VecDeque<Bytes>,
    ended: bool,
    /// A frame was just given out; see `poll_frame`.
    paced: bool,
    waiting: Waiting,
}

impl<B> UploadBody<B> {
    pub(super) fn untouched(body: B) -> Self {
        Self {
            inner: Some(Box::pin(body)),
            guard: None,
        }
    }

    pub(super) fn guarded(
        body: B,
        inspector: Inspector,
        shared: Arc<Shared<B>>,
        pace: Pace,
    ) -> Self {
        let guard = Guard {
            inspector,
            shared,
            accepted: VecDeque::new(),
            ended: false,
            paced: false,
            waiting: Waiting::new(pace),
        };
        Self {
            inner: Some(Box::pin(body)),
            guard: Some(guard),
        }
    }
}

impl<B> Body for UploadBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = UploadBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadBodyError>>> {
        let this = self.get_mut();
        let Some(guard) = &mut this.guard else {
            let Some(inner) = &mut this.inner else {
                return Poll::Ready(None);
            };
            return inner
                .as_mut()
                .poll_frame(context)
                .map_err(UploadBodyError::failed);
        };
        // Some multipart parsers read on for as long as there is something,
        // and would hold a whole file in memory. One pause a frame stops that.
        if std::mem::take(&mut guard.paced) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(bytes) = guard.accepted.pop_front() {
                guard.paced = true;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if guard.ended {
                return Poll::Ready(None);
            }
            let Some(inner) = &mut this.inner else {
                if guard.shared.is_pending(context) {
                    return Poll::Pending;
                }
                guard.ended = true;
                return Poll::Ready(Some(Err(UploadBodyError::refused())));
            };
            let polled = inner
                .as_mut()
                .poll_frame(&mut guard.waiting.listen(context.waker()));
            let verdict = match polled {
                Poll::Pending => match guard.waiting.poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(violation) => Err(violation),
                },
                Poll::Ready(Some(Err(error))) => {
                    guard.ended = true;
                    return Poll::Ready(Some(Err(UploadBodyError::failed(error))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are not part of what was judged.
                    let chunk = frame.into_data().unwrap_or_default();
                    guard.waiting.arrived(chunk.len());
                    guard.inspector.push(chunk, &mut guard.accepted)
                }
                Poll::Ready(None) => {
                    guard.ended = true;
                    guard.inspector.finish(&mut guard.accepted)
                }
            };
            if let Err(violation) = verdict {
                guard.accepted.clear();
                guard.ended = false;
                let refused = Refused {
                    violation,
                    rest: this.inner.take(),
                };
                guard.shared.refuse(refused, context);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match (&self.guard, &self.inner) {
            (Some(guard), _) => guard.ended && guard.accepted.is_empty(),
            (None, Some(inner)) => inner.is_end_stream(),
            (None, None) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.guard, &self.inner) {
            (None, Some(inner)) => inner.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl<B> fmt::Debug for UploadBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadBody")
            .field("guarded", &self.guard.is_some())
            .finish_non_exhaustive()
    }
}

/// The body cannot be read on.
#[derive(Debug)]
pub struct UploadBodyError {
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl UploadBodyError {
    fn refused() -> Self {
        Self { source: None }
    }

    fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
        }
    }

    /// Tells whether the upload was refused; otherwise the connection failed.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.source.is_none()
    }
}

impl fmt::Display for UploadBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_refused() {
            "the upload was refused"
        } else {
            "the request body failed"
        })
    }
}

impl Error for UploadBodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
