//! Time as a value that can be handed in, so that no decision reads a clock of its own.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970-01-01T00:00:00Z, the `NumericDate` of RFC 7519 §2.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// Wraps a number of seconds.
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the number of seconds.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Adds the whole seconds of a duration; stops at the largest value.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Subtracts the whole seconds of a duration; stops at zero.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// Returns how long ago `earlier` was, or zero when it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tells the time to every layer.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the wall-clock time, which may jump.
    fn unix_now(&self) -> UnixSeconds;

    /// Returns the time since a fixed point of the process; it never goes back.
    fn monotonic(&self) -> Duration;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_now(&self) -> UnixSeconds {
        // A clock before 1970 is broken; at second 0 every token, which must say
        // when it was issued, comes from the future and is refused.
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        UnixSeconds(since_epoch.as_secs())
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn unix_now(&self) -> UnixSeconds {
        (**self).unix_now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

#[cfg(feature = "test-util")]
pub use manual::ManualClock;

#[cfg(feature = "test-util")]
mod manual {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::{Clock, UnixSeconds};

    /// A clock that moves only when a test moves it. Clones share their time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_rampart::clock::{Clock, ManualClock, UnixSeconds};
    ///
    /// let clock = ManualClock::at(UnixSeconds::new(1_000));
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(clock.unix_now(), UnixSeconds::new(1_005));
    /// ```
    #[derive(Clone, Debug)]
    pub struct ManualClock {
        start: UnixSeconds,
        elapsed_nanos: Arc<AtomicU64>,
    }

    impl ManualClock {
        /// Starts a clock at the given wall-clock second.
        #[must_use]
        pub fn at(start: UnixSeconds) -> Self {
            Self {
                start,
                elapsed_nanos: Arc::default(),
            }
        }

        /// Moves the time forward.
        pub fn advance(&self, by: Duration) {
            let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            self.elapsed_nanos.fetch_add(nanos, Ordering::SeqCst);
        }
    }

    impl Clock for ManualClock {
        fn unix_now(&self) -> UnixSeconds {
            self.start.plus(self.monotonic())
        }

        fn monotonic(&self) -> Duration {
            Duration::from_nanos(self.elapsed_nanos.load(Ordering::SeqCst))
        }
    }
}
