//! Sessions in this process: for tests, and for one process whose users may be
//! signed out by a restart.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    EndReason, EndSessions, EndedSession, RefreshId, RefreshStore, Rotation, SessionRecord,
    StoreFuture,
};
use crate::clock::UnixSeconds;

/// How long an ended or expired session is remembered, so that a late replay
/// is still told apart from a token that never existed.
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps sessions in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Sessions>>);

#[derive(Default)]
struct Sessions {
    rows: HashMap<RefreshId, Row>,
    swept_at: UnixSeconds,
}

struct Row {
    record: SessionRecord,
    ended_at: UnixSeconds,
}

impl Row {
    /// When the session was, or will be, over.
    fn over_at(&self) -> UnixSeconds {
        match self.record.ended {
            Some(_) => self.ended_at,
            None => self.record.idle_until,
        }
    }
}

impl MemoryStore {
    /// Starts an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Sessions> {
        // Each change below is one assignment after all checks, so a panic
        // cannot leave half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("sessions", &self.rows().rows.len())
            .finish()
    }
}

impl Sessions {
    /// Forgets what nobody can ask about any more, once a minute.
    fn sweep(&mut self, now: UnixSeconds) {
        if now.since(self.swept_at) >= Duration::from_secs(60) {
            self.swept_at = now;
            self.rows
                .retain(|_, row| row.over_at().plus(REMEMBER) > now);
        }
    }
}

fn is_live(record: &SessionRecord, now: UnixSeconds) -> bool {
    record.ended.is_none() && now < record.idle_until && now < record.absolute_until
}

impl RefreshStore for MemoryStore {
    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()> {
        let mut sessions = self.rows();
        sessions.sweep(record.created_at);
        sessions.rows.insert(
            id,
            Row {
                record,
                ended_at: UnixSeconds::default(),
            },
        );
        Box::pin(ready(Ok(())))
    }

    fn rotate(
        &self,
        id: RefreshId,
        expected: u64,
        now: UnixSeconds,
        idle: Duration,
    ) -> StoreFuture<'_, Rotation> {
        let mut sessions = self.rows();
        let outcome = match sessions.rows.get_mut(&id) {
            Some(Row { record, .. }) if record.generation == expected && is_live(record, now) => {
                record.generation += 1;
                record.rotated_at = now;
                record.replays = 0;
                record.idle_until = now.plus(idle).min(record.absolute_until);
                Rotation::Won(record.clone())
            }
            other => Rotation::Lost(other.map(|row| row.record.clone())),
        };
        Box::pin(ready(Ok(outcome)))
    }

    fn note_replay(&self, id: RefreshId, generation: u64, max: u32) -> StoreFuture<'_, bool> {
        let mut sessions = self.rows();
        let row = sessions.rows.get_mut(&id).filter(|row| {
            row.record.generation == generation
                && row.record.replays < max
                && row.record.ended.is_none()
        });
        let counted = row.map(|row| row.record.replays += 1).is_some();
        Box::pin(ready(Ok(counted)))
    }

    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>> {
        let mut sessions = self.rows();
        let row = sessions
            .rows
            .values_mut()
            .find(|row| row.record.sid == sid && is_live(&row.record, now));
        let record = row.map(|row| {
            row.record.authenticated_at = now;
            row.record.clone()
        });
        Box::pin(ready(Ok(record)))
    }

    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<String>> {
        let mut sessions = self.rows();
        let mut ended = Vec::new();
        for (id, row) in &mut sessions.rows {
            let record = &mut row.record;
            let meant = match which {
                EndSessions::Refresh(wanted) => id == wanted,
                EndSessions::One { subject, sid } => record.subject == subject && record.sid == sid,
                EndSessions::Subject { subject, keep } => {
                    record.subject == subject && keep != Some(&record.sid)
                }
            };
            if meant && record.ended.is_none() {
                record.ended = Some(reason);
                row.ended_at = now;
                ended.push(record.sid.clone());
            }
        }
        Box::pin(ready(Ok(ended)))
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>> {
        let sessions = self.rows();
        let live = sessions.rows.values().map(|row| &row.record);
        let mut live: Vec<_> = live
            .filter(|row| row.subject == subject && is_live(row, now))
            .cloned()
            .collect();
        live.sort_by(|a, b| (b.created_at, &b.sid).cmp(&(a.created_at, &a.sid)));
        Box::pin(ready(Ok(live)))
    }

    fn ended_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<EndedSession>> {
        let sessions = self.rows();
        let ended = sessions
            .rows
            .values()
            .filter(|row| row.record.ended.is_some() && row.ended_at >= since);
        let ended = ended
            .map(|row| EndedSession {
                sid: row.record.sid.clone(),
                at: row.ended_at,
            })
            .collect();
        Box::pin(ready(Ok(ended)))
    }
}
