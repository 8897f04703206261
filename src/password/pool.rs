//! Hashing that cannot stall a server.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ConfigError, HashBusy, HashError, Problem};
use super::hasher::{PasswordHasher, Upgrade};
use super::scheme::Password;
use super::verified::Verified;
use crate::config::Problems;

/// Hashes passwords on blocking threads, a bounded number at a time. Clones
/// share the bound. Needs a Tokio runtime with its timer on.
///
/// Sign-ins and new passwords wait in lanes of their own, so that a flood of
/// registrations locks nobody out. Work that waits too long, or finds too much
/// waiting, is refused with [`HashBusy`] and costs nothing. A client that goes
/// away while it waits takes its work with it.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_rampart::password::{LoginHasher, Password, PasswordHasher, Verified};
///
/// let hasher = LoginHasher::builder(PasswordHasher::builder().cost(10).build()?).build()?;
/// let stored = hasher.hash_new(Password::new("correct horse battery staple")?).await?;
/// let outcome = hasher.verify_login(Password::new("correct horse battery staple")?, Some(stored)).await?;
/// assert_eq!(outcome, Verified::Match { rehash: None });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoginHasher(Arc<Inner>);

struct Inner {
    hasher: PasswordHasher,
    deadline: Duration,
    running: Arc<AtomicUsize>,
    /// Bounds both lanes together.
    all: Arc<Semaphore>,
    login: Lane,
    new: Lane,
}

struct Lane {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    done: AtomicU64,
    refused: AtomicU64,
}

impl Lane {
    fn new(permits: usize, max_waiting: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            waiting: AtomicUsize::new(0),
            max_waiting,
            done: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

/// One that waits; counted for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One that is hashed; counted for as long as it lives.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn one_more(running: &'a AtomicUsize) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LoginHasher {
    /// Starts a pool with one permit a core, less one.
    pub fn builder(hasher: PasswordHasher) -> LoginHasherBuilder {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        LoginHasherBuilder {
            hasher,
            permits: cores.saturating_sub(1).max(1),
            deadline: Duration::from_millis(2_000),
        }
    }

    /// Compares a password with what is stored; see [`PasswordHasher::verify`].
    ///
    /// A better hash takes as long again. While four fifths of what may wait is
    /// waiting there is none, until the next sign-in.
    ///
    /// # Errors
    ///
    /// [`HashBusy`] if too much is waiting.
    pub async fn verify_login(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<Verified, HashBusy> {
        let lane = &self.0.login;
        let crowded = lane.waiting.load(Ordering::Acquire) * 5 >= lane.max_waiting * 4;
        let upgrade = if crowded {
            Upgrade::Later
        } else {
            Upgrade::Now
        };
        self.run(lane, move |hasher| {
            hasher.verify_and(upgrade, &password, stored.as_deref())
        })
        .await
    }

    /// Hashes a new password; see [`PasswordHasher::hash`].
    ///
    /// # Errors
    ///
    /// [`HashError`], with [`HashError::Busy`] if too much is waiting.
    pub async fn hash_new(&self, password: Password) -> Result<String, HashError> {
        self.run(&self.0.new, move |hasher| hasher.hash(&password))
            .await?
    }

    /// Returns what the pool has done, for metrics.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let lanes = [&self.0.login, &self.0.new];
        PoolStats {
            running: self.0.running.load(Ordering::Relaxed),
            waiting: lanes
                .iter()
                .map(|lane| lane.waiting.load(Ordering::Relaxed))
                .sum(),
            done: lanes
                .iter()
                .map(|lane| lane.done.load(Ordering::Relaxed))
                .sum(),
            refused: lanes
                .iter()
                .map(|lane| lane.refused.load(Ordering::Relaxed))
                .sum(),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: &Lane,
        job: impl FnOnce(&PasswordHasher) -> T + Send + 'static,
    ) -> Result<T, HashBusy> {
        let busy = || {
            lane.refused.fetch_add(1, Ordering::Relaxed);
            HashBusy {
                retry_after: self.0.deadline.max(Duration::from_secs(1)),
            }
        };
        let before = lane.waiting.fetch_add(1, Ordering::AcqRel);
        let waiting = Waiting(&lane.waiting);
        if before >= lane.max_waiting {
            return Err(busy());
        }
        let permits = tokio::time::timeout(self.0.deadline, self.permits(lane))
            .await
            .map_err(|_| busy())?;
        drop(waiting);
        let hasher = self.0.hasher.clone();
        let running = Arc::clone(&self.0.running);
        // The permits go along: dropping this future does not stop the thread.
        let outcome = tokio::task::spawn_blocking(move || {
            let _permits = permits;
            let _running = Running::one_more(&running);
            job(&hasher)
        })
        .await;
        lane.done.fetch_add(1, Ordering::Relaxed);
        // Only a runtime that shuts down cancels a blocking task.
        outcome.map_err(|_| busy())
    }
}

impl LoginHasher {
    /// Waits for a permit of a lane, and for one of the bound on all hashing.
    async fn permits(&self, lane: &Lane) -> [OwnedSemaphorePermit; 2] {
        let own = lane.permits.clone().acquire_owned().await;
        let shared = self.0.all.clone().acquire_owned().await;
        [own, shared].map(|permit| permit.expect("the semaphores are never closed"))
    }
}

impl fmt::Debug for LoginHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginHasher")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What a [`LoginHasher`] has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PoolStats {
    /// How many are hashed now, whether or not anybody still wants to know.
    pub running: usize,
    /// How many wait for a permit now.
    pub waiting: usize,
    /// How many hashes were computed.
    pub done: u64,
    /// How many were refused.
    pub refused: u64,
}

/// Collects the settings of a [`LoginHasher`].
#[derive(Clone, Debug)]
#[must_use]
pub struct LoginHasherBuilder {
    hasher: PasswordHasher,
    permits: usize,
    deadline: Duration,
}

impl LoginHasherBuilder {
    /// Sets how many passwords are hashed at a time; at most half of them, but at
    /// least one, may be new ones.
    pub fn permits(mut self, permits: usize) -> Self {
        self.permits = permits;
        self
    }

    /// Sets how long work may wait for a permit; 2 s by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<LoginHasher, ConfigError> {
        let permits = self.permits;
        let problems = if (1..=1024).contains(&permits) {
            vec![]
        } else {
            vec![Problem::Permits { permits }]
        };
        Problems::check(problems, || {
            // No hash is faster than about 50 ms, so more than this could not
            // be served before the deadline anyway.
            let per_permit = usize::try_from(self.deadline.as_millis() / 50)
                .unwrap_or(usize::MAX)
                .clamp(1, 1024);
            LoginHasher(Arc::new(Inner {
                hasher: self.hasher,
                deadline: self.deadline,
                running: Arc::default(),
                all: Arc::new(Semaphore::new(permits)),
                login: Lane::new(permits, permits * per_permit + permits),
                new: Lane::new((permits / 2).max(1), permits * per_permit + permits),
            }))
        })
    }
}
