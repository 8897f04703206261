//! The body of a gated response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

/// The service's body, or a short reply of the gate's own.
#[pin_project]
#[derive(Debug)]
pub struct GateBody<B>(#[pin] Content<B>);

#[pin_project(project = ContentProjection)]
#[derive(Debug)]
enum Content<B> {
    Inner(#[pin] B),
    Reply(Option<Bytes>),
}

impl<B> GateBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self(Content::Inner(body))
    }

    pub(crate) fn reply(bytes: Bytes) -> Self {
        Self(Content::Reply(
            Some(bytes).filter(|bytes| !bytes.is_empty()),
        ))
    }
}

impl<B: Default> Default for GateBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B: Body<Data = Bytes>> Body for GateBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().0.project() {
            ContentProjection::Inner(body) => body.poll_frame(context),
            ContentProjection::Reply(bytes) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Inner(body) => body.is_end_stream(),
            Content::Reply(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Inner(body) => body.size_hint(),
            Content::Reply(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
