//! Work that goes on when nobody waits for it any more.

use std::future::Future;

use super::store::{EndSessions, RefreshId, StoreError};

/// Runs to the end even if the future is dropped, where there is a runtime.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn(work).await.map_err(StoreError::new)?,
        Err(_) => work.await,
    }
}

/// Which sessions to end, without borrowing.
pub(super) enum OwnedEnd {
    Refresh(RefreshId),
    One {
        subject: String,
        sid: String,
    },
    Subject {
        subject: String,
        keep: Option<String>,
    },
    Everyone,
}

impl From<EndSessions<'_>> for OwnedEnd {
    fn from(which: EndSessions<'_>) -> Self {
        match which {
            EndSessions::Refresh(id) => Self::Refresh(*id),
            EndSessions::One { subject, sid } => Self::One {
                subject: subject.to_owned(),
                sid: sid.to_owned(),
            },
            EndSessions::Subject { subject, keep } => Self::Subject {
                subject: subject.to_owned(),
                keep: keep.map(str::to_owned),
            },
            EndSessions::Everyone => Self::Everyone,
        }
    }
}

impl OwnedEnd {
    pub(super) fn borrow(&self) -> EndSessions<'_> {
        match self {
            Self::Refresh(id) => EndSessions::Refresh(id),
            Self::One { subject, sid } => EndSessions::One { subject, sid },
            Self::Subject { subject, keep } => EndSessions::Subject {
                subject,
                keep: keep.as_deref(),
            },
            Self::Everyone => EndSessions::Everyone,
        }
    }
}
