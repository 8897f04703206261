//! Sessions in this process: for tests, and for one process whose users may be
//! signed out by a restart.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    EndSessions, Epochs, REMEMBER, Receipt, RefreshId, RefreshStore, Rotation, SessionRecord,
    StoreFuture,
};
use crate::clock::UnixSeconds;
use crate::jwt::{EndReason, Revocation, Revoked};

/// Keeps sessions in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Sessions>>);

#[derive(Default)]
struct Sessions {
    rows: HashMap<RefreshId, SessionRecord>,
    by_sid: HashMap<String, RefreshId>,
    by_subject: HashMap<String, BTreeSet<(UnixSeconds, String)>>,
    /// The last time that all of a subject's were ended, and how often.
    subjects: HashMap<String, (u64, Revocation)>,
    /// The same for everybody's.
    common: Option<(u64, Revocation)>,
    /// Sessions that were ended by themselves.
    ended: Vec<Revocation>,
    swept_at: UnixSeconds,
}

impl MemoryStore {
    /// Starts an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Each change below is a few assignments after all checks, so a panic
        // cannot leave half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("sessions", &self.sessions().rows.len())
            .finish()
    }
}

impl Sessions {
    fn epochs(&self, subject: &str) -> Epochs {
        Epochs {
            subject: self.subjects.get(subject).map_or(0, |(epoch, _)| *epoch),
            common: self.common.as_ref().map_or(0, |(epoch, _)| *epoch),
        }
    }

    /// The row as everybody sees it: over also if its epoch is.
    fn seen(&self, id: RefreshId) -> Option<SessionRecord> {
        let mut record = self.rows.get(&id)?.clone();
        let Epochs { subject, common } = record.epochs;
        let overtaken = |by: Option<&(u64, Revocation)>, epoch| {
            by.filter(|(present, _)| epoch < *present)
                .map(|(_, raised)| raised.reason)
        };
        record.ended = record
            .ended
            .or_else(|| overtaken(self.subjects.get(&record.subject), subject))
            .or_else(|| overtaken(self.common.as_ref(), common));
        Some(record)
    }

    /// The row, to be changed, unless the session is over.
    fn live(&mut self, id: RefreshId, now: UnixSeconds) -> Option<&mut SessionRecord> {
        let seen = self.seen(id)?;
        let live = seen.ended.is_none() && now < seen.idle_until && now < seen.absolute_until;
        self.rows.get_mut(&id).filter(|_| live)
    }

    /// The row, to be changed, if it is of this generation and was not ended.
    fn at(&mut self, id: RefreshId, generation: u64) -> Option<&mut SessionRecord> {
        let row = self.rows.get_mut(&id)?;
        (row.generation == generation && row.ended.is_none()).then_some(row)
    }

    fn find(&self, sid: &str) -> Option<RefreshId> {
        self.by_sid.get(sid).copied()
    }

    fn end_one(&mut self, id: RefreshId, reason: EndReason, at: UnixSeconds) -> Option<Revocation> {
        let row = self
            .rows
            .get_mut(&id)
            .filter(|record| record.ended.is_none())?;
        row.ended = Some(reason);
        // So that it is forgotten a day from now.
        row.idle_until = row.idle_until.min(at);
        let what = Revoked::Session {
            sid: row.sid.clone(),
            subject: row.subject.clone(),
        };
        let ended = Revocation { what, reason, at };
        self.ended.push(ended.clone());
        Some(ended)
    }

    fn end_subject(
        &mut self,
        subject: &str,
        keep: Option<&str>,
        reason: EndReason,
        at: UnixSeconds,
    ) -> Revocation {
        let keep = keep.and_then(|sid| self.find(sid));
        let keep = keep.filter(|id| self.live(*id, at).is_some_and(|row| row.subject == subject));
        let epoch = self.epochs(subject).subject + 1;
        let kept = keep.and_then(|id| self.rows.get_mut(&id)).map(|row| {
            row.epochs.subject = epoch;
            row.sid.clone()
        });
        let what = Revoked::Subject {
            subject: subject.to_owned(),
            epoch,
            keep: kept,
        };
        let raised = Revocation { what, reason, at };
        self.subjects
            .insert(subject.to_owned(), (epoch, raised.clone()));
        raised
    }

    /// Forgets what nobody can ask about any more, once a minute.
    fn sweep(&mut self, now: UnixSeconds) {
        if now.since(self.swept_at) < Duration::from_secs(60) {
            return;
        }
        self.swept_at = now;
        let over = |record: &SessionRecord| record.idle_until.plus(REMEMBER) <= now;
        let Self {
            rows,
            by_sid,
            by_subject,
            ..
        } = self;
        rows.retain(|_, record| {
            let over = over(record);
            if over {
                by_sid.remove(&record.sid);
                if let Some(sids) = by_subject.get_mut(&record.subject) {
                    sids.remove(&(record.created_at, record.sid.clone()));
                }
            }
            !over
        });
        by_subject.retain(|_, sids| !sids.is_empty());
        self.ended
            .retain(|revocation| revocation.at.plus(REMEMBER) > now);
    }
}

impl RefreshStore for MemoryStore {
    fn is_shared(&self) -> bool {
        false
    }

    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()> {
        let mut sessions = self.sessions();
        sessions.sweep(record.created_at);
        sessions.by_sid.insert(record.sid.clone(), id);
        sessions
            .by_subject
            .entry(record.subject.clone())
            .or_default()
            .insert((record.created_at, record.sid.clone()));
        sessions.rows.insert(id, record);
        Box::pin(ready(Ok(())))
    }

    fn epochs<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Epochs> {
        Box::pin(ready(Ok(self.sessions().epochs(subject))))
    }

    fn rotate(
        &self,
        id: RefreshId,
        expected: u64,
        now: UnixSeconds,
        idle: Duration,
    ) -> StoreFuture<'_, Rotation> {
        let mut sessions = self.sessions();
        let row = sessions
            .live(id, now)
            .filter(|row| row.generation == expected);
        let outcome = match row {
            Some(row) => {
                row.generation += 1;
                row.rotated_at = now;
                row.replays = 0;
                row.receipt = match row.receipt {
                    Receipt::Repeated => Receipt::Confirmed,
                    Receipt::Unconfirmed | Receipt::Confirmed => Receipt::Unconfirmed,
                };
                row.idle_until = now.plus(idle).min(row.absolute_until);
                Rotation::Won(row.clone())
            }
            None => Rotation::Lost(sessions.seen(id)),
        };
        Box::pin(ready(Ok(outcome)))
    }

    fn note_replay(&self, id: RefreshId, generation: u64, max: u32) -> StoreFuture<'_, bool> {
        let mut sessions = self.sessions();
        let row = sessions.at(id, generation).filter(|row| row.replays < max);
        let counted = row.map(|row| row.replays += 1).is_some();
        Box::pin(ready(Ok(counted)))
    }

    fn repeat(&self, id: RefreshId, generation: u64, now: UnixSeconds) -> StoreFuture<'_, bool> {
        let mut sessions = self.sessions();
        let row = sessions
            .at(id, generation)
            .filter(|row| row.receipt == Receipt::Unconfirmed);
        let repeated = row.map(|row| {
            row.receipt = Receipt::Repeated;
            row.rotated_at = now;
            row.replays = 0;
        });
        Box::pin(ready(Ok(repeated.is_some())))
    }

    fn confirm<'a>(&'a self, sid: &'a str, generation: u64) -> StoreFuture<'a, ()> {
        let mut sessions = self.sessions();
        if let Some(id) = sessions.find(sid)
            && let Some(row) = sessions.at(id, generation)
            && row.receipt == Receipt::Unconfirmed
        {
            row.receipt = Receipt::Confirmed;
        }
        Box::pin(ready(Ok(())))
    }

    fn find<'a>(&'a self, sid: &'a str) -> StoreFuture<'a, Option<SessionRecord>> {
        let sessions = self.sessions();
        let found = sessions.find(sid).and_then(|id| sessions.seen(id));
        Box::pin(ready(Ok(found)))
    }

    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>> {
        let mut sessions = self.sessions();
        let id = sessions.find(sid);
        let row = id.and_then(|id| sessions.live(id, now));
        let record = row.map(|row| {
            row.authenticated_at = now;
            row.clone()
        });
        Box::pin(ready(Ok(record)))
    }

    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<Revocation>> {
        let mut sessions = self.sessions();
        let revoked = match which {
            EndSessions::Refresh(id) => sessions.end_one(*id, reason, now),
            EndSessions::One { subject, sid } => sessions
                .find(sid)
                .filter(|id| {
                    let row = sessions.rows.get(id);
                    row.is_some_and(|row| row.subject == subject)
                })
                .and_then(|id| sessions.end_one(id, reason, now)),
            EndSessions::Subject { subject, keep } => {
                Some(sessions.end_subject(subject, keep, reason, now))
            }
            EndSessions::Everyone => {
                let epoch = sessions.epochs("").common + 1;
                let raised = Revocation {
                    what: Revoked::Everyone { epoch },
                    reason,
                    at: now,
                };
                sessions.common = Some((epoch, raised.clone()));
                Some(raised)
            }
        };
        Box::pin(ready(Ok(revoked.into_iter().collect())))
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>> {
        let mut sessions = self.sessions();
        let sids = sessions
            .by_subject
            .get(subject)
            .cloned()
            .unwrap_or_default();
        let live = sids.into_iter().rev().filter_map(|(_, sid)| {
            let id = sessions.find(&sid)?;
            sessions.live(id, now).cloned()
        });
        let live = live.collect();
        Box::pin(ready(Ok(live)))
    }

    fn revoked_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<Revocation>> {
        let sessions = self.sessions();
        let raised = sessions.subjects.values().chain(&sessions.common);
        let revoked = raised.map(|(_, raised)| raised).chain(&sessions.ended);
        let revoked = revoked.filter(|one| one.at >= since).cloned();
        Box::pin(ready(Ok(revoked.collect())))
    }
}
