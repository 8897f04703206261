//! Judging without consequences.

use std::collections::VecDeque;
use std::task::Poll;

use bytes::Bytes;
use http_body::Frame;

use super::inspector::Inspector;
use super::report::Reporter;
use super::violation::Violation;
use crate::identity::RequestId;

/// Looks on as a body passes, and tells what would have been refused.
#[derive(Debug)]
pub(super) struct Witness {
    /// Gone once there was a verdict.
    inspector: Option<Inspector>,
    reporter: Reporter,
    id: Option<RequestId>,
    /// What would have been let through.
    accepted: VecDeque<Bytes>,
}

impl Witness {
    pub(super) fn new(inspector: Inspector, reporter: Reporter, id: Option<RequestId>) -> Self {
        Self {
            inspector: Some(inspector),
            reporter,
            id,
            accepted: VecDeque::new(),
        }
    }

    /// Looks at what a reader is given; `last` if nothing will follow.
    pub(super) fn saw<E>(&mut self, polled: &Poll<Option<Result<Frame<Bytes>, E>>>, last: bool) {
        let Some(inspector) = &mut self.inspector else {
            return;
        };
        let mut verdict = Ok(None);
        if let Poll::Ready(Some(Ok(frame))) = polled {
            let chunk = frame.data_ref().cloned().unwrap_or_default();
            verdict = inspector.push(chunk, &mut self.accepted).map(|()| None);
        }
        let ended = matches!(polled, Poll::Ready(None)) || last;
        if ended && verdict.is_ok() {
            verdict = inspector.finish(&mut self.accepted).map(Some);
        }
        self.accepted.clear();
        match verdict {
            Ok(None) => return,
            Ok(Some(summary)) => self.reporter.accepted(summary),
            Err(violation) => {
                self.reporter.refused(&violation);
                tell(violation, self.id.as_ref());
            }
        }
        self.inspector = None;
    }
}

/// Tells the log what would have been refused.
pub(super) fn tell(violation: Violation, id: Option<&RequestId>) {
    let rejection = violation.into_rejection();
    crate::trace::let_through("upload", &rejection, id.map_or("", RequestId::as_str));
}
