//! Sessions in Redis or Valkey.

mod row;
mod scripts;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::io::tcp::TcpSettings;
use ::redis::{AsyncCommands as _, Client, IntoConnectionInfo, RedisError, ScriptInvocation};

use self::row::{epoch_of, fields, hex, record, revocation};
use self::scripts::Scripts;
use super::{
    EndReason, EndSessions, Epochs, REMEMBER, RefreshId, RefreshStore, Revocation, Rotation,
    SessionRecord, StoreError, StoreFuture,
};
use crate::clock::UnixSeconds;

/// How long an answer may take. Past that nothing is known: what was asked may
/// have happened.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps sessions in Redis or Valkey, version 6.2 or later.
///
/// Each operation is one script, so the server itself makes it atomic. All keys
/// lie in one slot, and the connection is to one server: a cluster is not made
/// use of. For more than a server can hold, Postgres is the better place.
///
/// What Redis forgets is a session lost: set `maxmemory-policy noeviction`, and
/// `appendonly yes` with `appendfsync always`, or a crash signs people out.
#[derive(Clone)]
pub struct RedisStore {
    connection: ConnectionManager,
    scripts: Scripts,
    prefix: String,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to a server, and again whenever the connection is lost. An
    /// operation fails if its answer takes longer than 2 s.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the URL is none, or the server does not answer now.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let info = url.into_connection_info()?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let client = Client::open(info)?;
        Ok(Self::new(
            ConnectionManager::new_with_config(client, config).await?,
        ))
    }

    /// Uses a connection.
    #[must_use]
    pub fn new(connection: ConnectionManager) -> Self {
        Self {
            connection,
            scripts: Scripts::default(),
            prefix: "{rampart}".to_owned(),
        }
    }

    /// Begins every key with this instead of `{rampart}`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn session_key(&self, id: &str) -> String {
        format!("{}:session:{id}", self.prefix)
    }

    fn sid_key(&self, sid: &str) -> String {
        format!("{}:sid:{sid}", self.prefix)
    }

    fn subject_key(&self, subject: &str) -> String {
        format!("{}:subject:{subject}", self.prefix)
    }

    fn epochs_key(&self) -> String {
        format!("{}:epochs", self.prefix)
    }

    fn feed_key(&self) -> String {
        format!("{}:revoked", self.prefix)
    }

    /// Starts a script about one session: its keys are the session, the
    /// epochs, and what was revoked.
    fn about<'a>(&self, script: &'a ::redis::Script, id: &str) -> ScriptInvocation<'a> {
        let mut invocation = script.key(self.session_key(id));
        invocation.key(self.epochs_key()).key(self.feed_key());
        invocation
    }

    async fn id_of(&self, sid: &str) -> Result<Option<String>, StoreError> {
        Ok(self.connection.clone().get(self.sid_key(sid)).await?)
    }

    async fn seen(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        let fields: HashMap<String, String> = self
            .about(&self.scripts.seen, id)
            .invoke_async(&mut self.connection.clone())
            .await?;
        record(&fields)
    }

    async fn end_one(
        &self,
        id: &str,
        subject: Option<&str>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> Result<Vec<Revocation>, StoreError> {
        let ended: Option<String> = self
            .about(&self.scripts.end, id)
            .arg(now.as_u64())
            .arg(reason.as_str())
            .arg(subject.unwrap_or_default())
            .arg(REMEMBER.as_secs())
            .arg(u8::from(subject.is_none()))
            .invoke_async(&mut self.connection.clone())
            .await?;
        ended.iter().map(|text| revocation(text)).collect()
    }

    /// Ends all sessions of a subject, or with an empty one everybody's.
    async fn raise(
        &self,
        subject: &str,
        keep: Option<&str>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> Result<Vec<Revocation>, StoreError> {
        let keep = match keep {
            Some(sid) => self.id_of(sid).await?,
            None => None,
        };
        let raised: String = self
            .about(&self.scripts.raise, keep.as_deref().unwrap_or_default())
            .arg(now.as_u64())
            .arg(reason.as_str())
            .arg(subject)
            .arg(REMEMBER.as_secs())
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(vec![revocation(&raised)?])
    }
}

impl RefreshStore for RedisStore {
    fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let id = hex(id);
            let forget_at = record.absolute_until.plus(REMEMBER).as_u64();
            let mut invocation = self.scripts.create.key(self.session_key(&id));
            invocation
                .key(self.sid_key(&record.sid))
                .key(self.subject_key(&record.subject))
                .arg(&id)
                .arg(record.created_at.as_u64())
                .arg(record.idle_until.plus(REMEMBER).as_u64())
                .arg(forget_at);
            for (name, value) in fields(&record) {
                invocation.arg(name).arg(value);
            }
            let () = invocation
                .invoke_async(&mut self.connection.clone())
                .await?;
            Ok(())
        })
    }

    fn epochs<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Epochs> {
        Box::pin(async move {
            let known: (Option<String>, Option<String>) = self
                .connection
                .clone()
                .hmget(self.epochs_key(), &[subject, ""])
                .await?;
            Ok(Epochs {
                subject: epoch_of(known.0.as_deref())?,
                common: epoch_of(known.1.as_deref())?,
            })
        })
    }

    fn rotate(
        &self,
        id: RefreshId,
        expected: u64,
        now: UnixSeconds,
        idle: Duration,
    ) -> StoreFuture<'_, Rotation> {
        Box::pin(async move {
            let (won, fields): (bool, HashMap<String, String>) = self
                .about(&self.scripts.rotate, &hex(id))
                .arg(expected)
                .arg(now.as_u64())
                .arg(now.plus(idle).as_u64())
                .arg(REMEMBER.as_secs())
                .invoke_async(&mut self.connection.clone())
                .await?;
            match record(&fields)? {
                Some(record) if won => Ok(Rotation::Won(record)),
                record => Ok(Rotation::Lost(record)),
            }
        })
    }

    fn note_replay(&self, id: RefreshId, generation: u64, max: u32) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            Ok(self
                .about(&self.scripts.note_replay, &hex(id))
                .arg(generation)
                .arg(max)
                .invoke_async(&mut self.connection.clone())
                .await?)
        })
    }

    fn repeat(&self, id: RefreshId, generation: u64, now: UnixSeconds) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            Ok(self
                .about(&self.scripts.repeat, &hex(id))
                .arg(generation)
                .arg(now.as_u64())
                .invoke_async(&mut self.connection.clone())
                .await?)
        })
    }

    fn confirm<'a>(&'a self, sid: &'a str, generation: u64) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if let Some(id) = self.id_of(sid).await? {
                let _: bool = self
                    .about(&self.scripts.confirm, &id)
                    .arg(generation)
                    .invoke_async(&mut self.connection.clone())
                    .await?;
            }
            Ok(())
        })
    }

    fn find<'a>(&'a self, sid: &'a str) -> StoreFuture<'a, Option<SessionRecord>> {
        Box::pin(async move {
            match self.id_of(sid).await? {
                Some(id) => self.seen(&id).await,
                None => Ok(None),
            }
        })
    }

    fn reauthenticate<'a>(
        &'a self,
        sid: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Option<SessionRecord>> {
        Box::pin(async move {
            let Some(id) = self.id_of(sid).await? else {
                return Ok(None);
            };
            let fields: HashMap<String, String> = self
                .about(&self.scripts.reauthenticate, &id)
                .arg(now.as_u64())
                .invoke_async(&mut self.connection.clone())
                .await?;
            record(&fields)
        })
    }

    fn end<'a>(
        &'a self,
        which: EndSessions<'a>,
        reason: EndReason,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<Revocation>> {
        Box::pin(async move {
            match which {
                EndSessions::Refresh(id) => self.end_one(&hex(*id), None, reason, now).await,
                EndSessions::One { subject, sid } => match self.id_of(sid).await? {
                    Some(id) => self.end_one(&id, Some(subject), reason, now).await,
                    None => Ok(Vec::new()),
                },
                EndSessions::Subject { subject, keep } => {
                    self.raise(subject, keep, reason, now).await
                }
                EndSessions::Everyone => self.raise("", None, reason, now).await,
            }
        })
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        now: UnixSeconds,
    ) -> StoreFuture<'a, Vec<SessionRecord>> {
        Box::pin(async move {
            let key = self.subject_key(subject);
            let ids: Vec<String> = self.connection.clone().zrange(key, 0, -1).await?;
            let mut live = Vec::new();
            for id in ids {
                live.extend(self.seen(&id).await?.filter(|record| {
                    record.ended.is_none() && now < record.idle_until && now < record.absolute_until
                }));
            }
            live.sort_by(|a, b| (b.created_at, &b.sid).cmp(&(a.created_at, &a.sid)));
            Ok(live)
        })
    }

    fn revoked_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<Revocation>> {
        Box::pin(async move {
            let revoked: Vec<String> = self
                .connection
                .clone()
                .zrangebyscore(self.feed_key(), since.as_u64(), "+inf")
                .await?;
            revoked.iter().map(|text| revocation(text)).collect()
        })
    }
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        Self::new(error)
    }
}
