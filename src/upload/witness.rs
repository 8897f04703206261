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
        let mut verdict = Ok(());
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let chunk = frame.data_ref().cloned().unwrap_or_default();
                verdict = inspector.push(chunk, &mut self.accepted);
            }
            Poll::Ready(Some(Err(_))) => {
                self.inspector = None;
                return self.reporter.failed();
            }
            _ => {}
        }
        let ended = matches!(polled, Poll::Ready(None)) || last;
        if verdict.is_ok() {
            // A parser that has seen the end of a form may read no further, so
            // this is told before it is certain.
            if let Some(summary) = inspector.complete() {
                self.reporter.accepted(summary);
            }
            if ended {
                verdict = inspector
                    .finish(&mut self.accepted)
                    .map(|summary| self.reporter.accepted(summary));
            }
        }
        self.accepted.clear();
        if let Err(violation) = &verdict {
            self.reporter.refused(violation);
            tell(violation, self.id.as_ref());
        }
        if ended || verdict.is_err() {
            self.inspector = None;
        }
    }
}

/// Tells the log what would have been refused.
pub(super) fn tell(violation: &Violation, id: Option<&RequestId>) {
    let rejection = violation.clone().into_rejection();
    crate::trace::let_through("upload", &rejection, id.map_or("", RequestId::as_str));
}
