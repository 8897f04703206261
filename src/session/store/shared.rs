//! A store that is chosen when the program runs.

use std::sync::Arc;
use std::time::Duration;

use super::{
    EndReason, EndSessions, Epochs, RefreshId, RefreshStore, Revocation, Rotation, SessionRecord,
    StoreFuture, UnixSeconds,
};

impl<S: RefreshStore + ?Sized> RefreshStore for Arc<S> {
    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }

    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()> {
        (**self).create(id, record)
    }

    fn epochs<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Epochs> {
        (**self).epochs(subject)
    }

    fn rotate(
        &self,
        id: RefreshId,
        expected: u64,
        now: UnixSeconds,
        idle: Duration,
    ) -> StoreFuture<'_, Rotation> {
        (**self).rotate(id, expected, now, idle)
    }

    fn note_replay(&self, id: RefreshId, generation: u64, max: u32) -> StoreFuture<'_, bool> {
        (**self).note_replay(id, generation, max)
    }

    fn repeat(&self, id: RefreshId, generation: u64, now: UnixSeconds) -> StoreFuture<'_, bool> {
        (**self).repeat(id, generation, now)
    }

    fn confirm<'a>(&'a self, sid: &'a str, generation: u64) -> StoreFuture<'a, ()> {
        (**self).confirm(sid, generation)
    }

    fn find<'a>(&'a self, sid: &'a str) -> StoreFuture<'a, Option<SessionRecord>> {
        (**self).find(sid)
    }

    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>> {
        (**self).reauthenticate(sid, now)
    }

    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<Revocation>> {
        (**self).end(which, reason, now)
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>> {
        (**self).list(subject, now)
    }

    fn revoked_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<Revocation>> {
        (**self).revoked_since(since)
    }
}
