//! A store that counts what it is asked, and fails when it is told to.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_rampart::clock::UnixSeconds;
use tower_rampart::session::{
    EndReason, EndSessions, Epochs, RefreshId, RefreshStore, Revocation, Rotation, SessionRecord,
    StoreError, StoreFuture,
};

/// What happens to the next question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It is answered.
    None,
    /// It is not asked, and fails.
    Before,
    /// It is done, and the answer is lost.
    After,
    /// It is not asked, and never answered.
    HangBefore,
    /// It is done, and never answered.
    HangAfter,
}

/// Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    inner: Arc<dyn RefreshStore>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    calls: Arc<AtomicUsize>,
    /// How many questions are never answered.
    hanging: Arc<AtomicUsize>,
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn RefreshStore>) -> Self {
        Self {
            inner,
            faults: Arc::default(),
            calls: Arc::default(),
            hanging: Arc::default(),
        }
    }

    /// Says what happens to the next questions.
    pub(crate) fn then(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().expect("unpoisoned").extend(faults);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Tells whether a question was asked that is never answered.
    pub(crate) fn hangs(&self) -> bool {
        self.hanging.load(Ordering::SeqCst) > 0
    }

    /// Answers everything again.
    pub(crate) fn forget(&self) {
        self.faults.lock().expect("unpoisoned").clear();
        self.hanging.store(0, Ordering::SeqCst);
    }

    async fn hang<T>(&self) -> T {
        self.hanging.fetch_add(1, Ordering::SeqCst);
        pending().await
    }

    fn ask<'a, T: Send + 'a>(&'a self, question: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.faults.lock().expect("unpoisoned").pop_front();
        Box::pin(async move {
            match fault.unwrap_or(Fault::None) {
                Fault::None => question.await,
                Fault::Before => Err(StoreError::new("away")),
                Fault::After => {
                    question.await?;
                    Err(StoreError::new("the answer was lost"))
                }
                Fault::HangBefore => self.hang().await,
                Fault::HangAfter => {
                    question.await?;
                    self.hang().await
                }
            }
        })
    }
}

impl RefreshStore for Watched {
    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()> {
        self.ask(Box::pin(async move { self.inner.create(id, record).await }))
    }

    fn epochs<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Epochs> {
        self.ask(Box::pin(async move { self.inner.epochs(subject).await }))
    }

    fn rotate(
        &self,
        id: RefreshId,
        expected: u64,
        now: UnixSeconds,
        idle: Duration,
    ) -> StoreFuture<'_, Rotation> {
        self.ask(Box::pin(async move {
            self.inner.rotate(id, expected, now, idle).await
        }))
    }

    fn note_replay(&self, id: RefreshId, generation: u64, max: u32) -> StoreFuture<'_, bool> {
        self.ask(Box::pin(async move {
            self.inner.note_replay(id, generation, max).await
        }))
    }

    fn repeat(&self, id: RefreshId, generation: u64, now: UnixSeconds) -> StoreFuture<'_, bool> {
        self.ask(Box::pin(async move {
            self.inner.repeat(id, generation, now).await
        }))
    }

    fn confirm<'a>(&'a self, sid: &'a str, generation: u64) -> StoreFuture<'a, ()> {
        self.ask(Box::pin(async move {
            self.inner.confirm(sid, generation).await
        }))
    }

    fn find<'a>(&'a self, sid: &'a str) -> StoreFuture<'a, Option<SessionRecord>> {
        self.ask(Box::pin(async move { self.inner.find(sid).await }))
    }

    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>> {
        self.ask(Box::pin(async move {
            self.inner.reauthenticate(sid, now).await
        }))
    }

    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<Revocation>> {
        self.ask(Box::pin(
            async move { self.inner.end(which, reason, now).await },
        ))
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>> {
        self.ask(Box::pin(async move { self.inner.list(subject, now).await }))
    }

    fn revoked_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<Revocation>> {
        self.ask(Box::pin(
            async move { self.inner.revoked_since(since).await },
        ))
    }
}
