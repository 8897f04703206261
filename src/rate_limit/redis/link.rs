//! The connection to the server, and when not to use it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::io::tcp::TcpSettings;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError,
    ServerErrorKind,
};
use arc_swap::ArcSwapOption;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use siphasher::sip128::SipHasher13;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::super::ask::Charge;
use super::RedisLimitsError;
use crate::clock::{Clock, SystemClock};
use crate::secret::Secret;

pub(super) struct Settings {
    pub(super) prefix: String,
    pub(super) deadline: Duration,
    pub(super) processes: Option<NonZeroU32>,
    pub(super) clock: Option<Arc<dyn Clock>>,
    hash_key: [u8; 16],
}

impl Settings {
    pub(super) fn new(secret: &Secret) -> Self {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
        mac.update(b"tower-rampart rate limit keys v1");
        let mut hash_key = [0; 16];
        hash_key.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Self {
            prefix: "rampart".to_owned(),
            deadline: Duration::from_millis(25),
            processes: NonZeroU32::new(3),
            clock: None,
            hash_key,
        }
    }
}

/// A connection that is there, or is being made again.
pub(super) struct Link {
    client: Client,
    settings: Settings,
    scripts: [(::redis::Script, &'static str); 2],
    /// Gone while the server is not to be asked.
    connection: ArcSwapOption<MultiplexedConnection>,
    /// When failures began to be counted, and how many there were.
    failures: Mutex<(Duration, u32)>,
    /// Failures since the last answer.
    in_a_row: AtomicU32,
    reconnects: AtomicBool,
    calls: AtomicU64,
}

#[derive(Clone, Copy)]
pub(super) enum Script {
    Spend = 0,
    Refund = 1,
}

const SPEND: &str = include_str!("spend.lua");
const REFUND: &str = include_str!("refund.lua");

/// So many failures within a second, or in a row, are enough.
const FAILURES: u32 = 5;
const WITHIN: Duration = Duration::from_secs(1);

/// How long to wait before the next attempt to connect.
const RETRY: Duration = Duration::from_millis(200);
const CONNECT: Duration = Duration::from_secs(1);

impl Link {
    pub(super) async fn connect(
        url: &str,
        settings: Settings,
    ) -> Result<Arc<Self>, RedisLimitsError> {
        let info = url.into_connection_info()?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let link = Arc::new(Self {
            client: Client::open(info)?,
            settings,
            scripts: [SPEND, REFUND].map(|text| (::redis::Script::new(text), text)),
            connection: ArcSwapOption::empty(),
            failures: Mutex::default(),
            in_a_row: AtomicU32::new(0),
            reconnects: AtomicBool::new(false),
            calls: AtomicU64::new(0),
        });
        match link.try_connect().await {
            Ok(connection) => link.publish(connection),
            Err(error) => {
                crate::trace::degraded("rate-limit-redis", &error);
                link.reconnect();
            }
        }
        Ok(link)
    }

    /// Makes a connection over which counters can be written.
    async fn try_connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let timed_out = || RedisError::from((ErrorKind::Io, "the server does not answer in time"));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(CONNECT));
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = timeout(CONNECT, connecting)
            .await
            .map_err(|_| timed_out())??;
        // One that may not write is of no use. The first answer of a connection
        // may be late; of a slow server, the second is as well.
        for deadline in [CONNECT, self.settings.deadline] {
            let mut probe = ::redis::cmd("SET");
            let key = format!("{}:probe", self.settings.prefix);
            probe.arg(key).arg(1).arg("PX").arg(1_000);
            let answer = probe.query_async::<String>(&mut connection);
            timeout(deadline, answer).await.map_err(|_| timed_out())??;
        }
        Ok(connection)
    }

    fn publish(&self, connection: MultiplexedConnection) {
        self.in_a_row.store(0, Ordering::Relaxed);
        self.connection.store(Some(Arc::new(connection)));
    }

    /// Connects again, behind everybody's back, unless that goes on already.
    pub(super) fn reconnect(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.reconnects.swap(true, Ordering::AcqRel) {
            return;
        }
        let reconnecting = Reconnecting(Arc::downgrade(self));
        runtime.spawn(async move {
            let mut told = false;
            loop {
                sleep(RETRY).await;
                let Some(link) = reconnecting.0.upgrade() else {
                    return;
                };
                match link.try_connect().await {
                    Ok(connection) => {
                        // Whoever loses it again finds nobody at work.
                        drop(reconnecting);
                        return link.publish(connection);
                    }
                    Err(error) if !told => {
                        told = true;
                        crate::trace::degraded("rate-limit-redis", &error);
                    }
                    Err(_) => {}
                }
            }
        });
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.load().is_some()
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn processes(&self) -> NonZeroU32 {
        self.settings.processes.unwrap_or(NonZeroU32::MIN)
    }

    pub(super) fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.settings.hash_key)
    }

    /// The most to be granted at once: a quarter of what one process would have.
    pub(super) fn lease_size(&self, charges: &[Charge]) -> u32 {
        let most = charges.iter().map(|charge| charge.rate.most()).min();
        most.unwrap_or_default() / 4 / self.processes()
    }

    /// Writes a key. Keys with one tag lie together.
    pub(super) fn key(&self, kind: &str, tag: u128, key: u128) -> String {
        format!("{}:{{{tag:032x}}}:{kind}:{key:032x}", self.settings.prefix)
    }

    /// The time of the process, in nanoseconds.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(SystemClock.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Runs a script; `None` if there is no answer in time.
    pub(super) async fn run(
        self: &Arc<Self>,
        script: Script,
        keys: Vec<String>,
        arguments: Vec<String>,
    ) -> Option<Vec<i64>> {
        let now = self.settings.clock.as_ref().map(|clock| {
            let start = Duration::from_secs(1_800_000_000);
            (start + clock.monotonic()).as_micros().to_string()
        });
        let (compiled, text) = &self.scripts[script as usize];
        let command = |name: &str, script: &str| {
            let mut command = ::redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(&keys);
            command
                .arg(now.as_deref().unwrap_or_default())
                .arg(&arguments);
            command
        };
        let short = command("EVALSHA", compiled.get_hash());
        match self.ask(&short).await {
            Ok(reply) => Some(reply),
            // It was restarted or flushed: nothing was run.
            Err(Some(ErrorKind::Server(ServerErrorKind::NoScript))) => {
                self.ask(&command("EVAL", text)).await.ok()
            }
            Err(_) => None,
        }
    }

    /// Deletes keys; tells whether that was done.
    pub(super) async fn delete(self: &Arc<Self>, keys: Vec<String>) -> bool {
        // `DEL` of nothing is an error.
        keys.is_empty()
            || self
                .ask::<i64>(::redis::cmd("DEL").arg(&keys))
                .await
                .is_ok()
    }

    /// Sets a key for a time; tells whether that was done.
    pub(super) async fn set(self: &Arc<Self>, key: String, time: Duration) -> bool {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut command = ::redis::cmd("SET");
        command.arg(key).arg(1).arg("PX").arg(millis);
        self.ask::<String>(&command).await.is_ok()
    }

    async fn ask<T: FromRedisValue>(
        self: &Arc<Self>,
        command: &Cmd,
    ) -> Result<T, Option<ErrorKind>> {
        let used = self.connection.load_full().ok_or(None)?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut connection = (*used).clone();
        let answer = command.query_async::<T>(&mut connection);
        let error = match timeout(self.settings.deadline, answer).await {
            Ok(Ok(value)) => {
                if self.in_a_row.load(Ordering::Relaxed) > 0 {
                    self.in_a_row.store(0, Ordering::Relaxed);
                }
                return Ok(value);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let kind = error.as_ref().map(RedisError::kind);
        if kind != Some(ErrorKind::Server(ServerErrorKind::NoScript)) {
            self.failed(&used, error.as_ref());
        }
        Err(kind)
    }

    /// Counts a failure; after too many the server is left alone.
    fn failed(self: &Arc<Self>, used: &Arc<MultiplexedConnection>, error: Option<&RedisError>) {
        let current = self.connection.load();
        let is_current = current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, used));
        if !is_current {
            // It was replaced already, and says nothing about its successor.
            return;
        }
        let gone = error.is_some_and(|error| error.is_connection_dropped() || error.is_io_error());
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        let within = {
            let now = SystemClock.monotonic();
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            if now.saturating_sub(failures.0) > WITHIN {
                *failures = (now, 0);
            }
            failures.1 += 1;
            failures.1
        };
        if gone || in_a_row.max(within) >= FAILURES {
            self.connection.store(None);
            *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
            match error {
                Some(error) => crate::trace::degraded("rate-limit-redis", error),
                None => crate::trace::degraded("rate-limit-redis", &"no answer in time"),
            }
            self.reconnect();
        }
    }
}

/// Says, when it is dropped, that nobody connects any more.
struct Reconnecting(Weak<Link>);

impl Drop for Reconnecting {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.reconnects.store(false, Ordering::Release);
        }
    }
}
