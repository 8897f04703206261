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
use super::pace::Waiting;
use super::report::Reporter;
use super::rules::Rules;
use super::shared::{Refused, Shared};
use super::violation::Violation;
use super::witness::Witness;

/// How often a body is read for one answer, when what comes is not enough to be
/// let through.
const MAX_READS: usize = 32;

/// A request body that lets through only what the rules accept.
///
/// Its reader sees no byte behind a violation, and never the end of a refused
/// upload; what came before it was let through. It usually sees no error either:
/// the layer drops the handler and answers.
pub struct UploadBody<B> {
    /// Gone once the upload was refused.
    inner: Option<Pin<Box<B>>>,
    watch: Watch<B>,
}

/// Who looks at the bytes.
enum Watch<B> {
    Nobody,
    Guard(Box<Guard<B>>),
    Witness(Box<Witness>),
}

struct Guard<B> {
    inspector: Inspector,
    shared: Arc<Shared<B>>,
    reporter: Reporter,
    accepted: VecDeque<Bytes>,
    ended: bool,
    /// A frame was just given out; see `poll_frame`.
    paced: bool,
    waiting: Waiting,
    /// Whether a reader is told of a refusal at once.
    outspoken: bool,
}

impl<B> UploadBody<B> {
    fn new(body: B, watch: Watch<B>) -> Self {
        Self {
            inner: Some(Box::pin(body)),
            watch,
        }
    }

    pub(super) fn untouched(body: B) -> Self {
        Self::new(body, Watch::Nobody)
    }

    /// Gives nothing, whatever the body would have given.
    pub(super) fn empty() -> Self {
        Self {
            inner: None,
            watch: Watch::Nobody,
        }
    }

    pub(super) fn witnessed(body: B, witness: Witness) -> Self {
        Self::new(body, Watch::Witness(Box::new(witness)))
    }

    pub(super) fn guarded(
        body: B,
        inspector: Inspector,
        shared: Arc<Shared<B>>,
        reporter: Reporter,
        rules: &Rules,
    ) -> Self {
        let guard = Guard {
            inspector,
            shared,
            reporter,
            accepted: VecDeque::new(),
            ended: false,
            paced: false,
            waiting: Waiting::new(rules.pace),
            outspoken: !rules.respite.is_zero(),
        };
        Self::new(body, Watch::Guard(Box::new(guard)))
    }
}

impl<B> Guard<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn poll_frame(
        &mut self,
        body: &mut Option<Pin<Box<B>>>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadBodyError>>> {
        // Some multipart parsers read on for as long as there is something,
        // and would hold a whole file in memory. One pause a frame stops that.
        if std::mem::take(&mut self.paced) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        for _ in 0..MAX_READS {
            if let Some(bytes) = self.accepted.pop_front() {
                self.paced = true;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let Some(inner) = body else {
                if !self.outspoken && self.shared.is_pending(context) {
                    return Poll::Pending;
                }
                self.ended = true;
                return Poll::Ready(Some(Err(UploadBodyError::refused())));
            };
            let polled = inner
                .as_mut()
                .poll_frame(&mut self.waiting.listen(context.waker()));
            let verdict = match polled {
                Poll::Pending => match self.waiting.poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(violation) => Err(violation),
                },
                Poll::Ready(Some(Err(error))) => {
                    self.ended = true;
                    self.reporter.failed();
                    return Poll::Ready(Some(Err(UploadBodyError::failed(error))));
                }
                // Trailers are not part of what was judged.
                Poll::Ready(Some(Ok(frame))) => self.take(frame.into_data().unwrap_or_default()),
                Poll::Ready(None) => self.finish(),
            };
            if let Err(violation) = verdict {
                self.accepted.clear();
                let refused = Refused {
                    violation: violation.clone(),
                    rest: body.take(),
                };
                // The response first: a handler that waits for the verdict must
                // not answer before it is replaced.
                if !self.shared.refuse(refused, context) {
                    let rule = violation.clone().into_rejection().kind_name();
                    crate::trace::degraded("upload-refused-after-its-answer", &rule);
                }
                self.reporter.refused(&violation);
            }
        }
        // Others want to go on too.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), Violation> {
        self.waiting.arrived(chunk.len());
        self.inspector.push(chunk, &mut self.accepted)
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let summary = self.inspector.finish(&mut self.accepted)?;
        self.reporter.accepted(summary);
        self.ended = true;
        Ok(())
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
        if let Watch::Guard(guard) = &mut this.watch {
            return guard.poll_frame(&mut this.inner, context);
        }
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let polled = inner.as_mut().poll_frame(context);
        if let Watch::Witness(witness) = &mut this.watch {
            witness.saw(&polled, inner.is_end_stream());
        }
        polled.map_err(UploadBodyError::failed)
    }

    fn is_end_stream(&self) -> bool {
        match (&self.watch, &self.inner) {
            (Watch::Guard(guard), _) => guard.ended && guard.accepted.is_empty(),
            (_, Some(inner)) => inner.is_end_stream(),
            (_, None) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.watch, &self.inner) {
            (Watch::Nobody | Watch::Witness(_), Some(inner)) => inner.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl<B> fmt::Debug for UploadBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guarded = matches!(self.watch, Watch::Guard(_));
        f.debug_struct("UploadBody")
            .field("guarded", &guarded)
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
