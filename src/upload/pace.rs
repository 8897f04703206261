//! How slow a client may be.
//!
//! Only time in which the client was waited for is counted: from a read that
//! found nothing until something came. A handler makes nobody late, whether it
//! does not read, or reads ahead and looks again much later.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::violation::Violation;

/// The limits, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long nothing at all may arrive.
    pub(super) idle: Duration,
    /// How many bytes a second must arrive on average, once `grace` is used up.
    pub(super) min_rate: u64,
    pub(super) grace: Duration,
    /// How long a client may be waited for, all in all.
    pub(super) deadline: Option<Duration>,
}

/// So slow a client would hold a connection for almost nothing; so much patience
/// lets a bad network recover. The figures of Kestrel are 240 and 5 s.
const MIN_RATE: u64 = 240;
const GRACE: Duration = Duration::from_secs(10);

impl Default for Pace {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            min_rate: MIN_RATE,
            grace: GRACE,
            deadline: None,
        }
    }
}

impl Pace {
    /// How long a client that sent so many bytes may have been waited for.
    fn patience(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000;
        let earned = nanos.checked_div(u128::from(self.min_rate));
        let earned = earned.and_then(|nanos| u64::try_from(nanos).ok());
        earned.map_or(Duration::MAX, |nanos| {
            self.grace.saturating_add(Duration::from_nanos(nanos))
        })
    }
}

/// Waits for a client.
#[derive(Debug)]
pub(super) struct Waiting {
    pace: Pace,
    /// How long it was waited for until the last bytes came.
    waited: Duration,
    bytes: u64,
    /// Since when it is waited for now.
    since: Option<Instant>,
    /// When the body called, if that was before it was read again.
    called: Option<Instant>,
    /// When it has been long enough, and why.
    timer: Option<(Pin<Box<Sleep>>, Violation)>,
    bell: Arc<Bell>,
    /// What the body wakes: the bell.
    waker: Waker,
}

/// Stands between a body and its reader, and notes when the body called.
#[derive(Debug, Default)]
struct Bell(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    reader: Option<Waker>,
    rang: Option<Instant>,
}

impl Bell {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the reader to be called, and returns when the body first called
    /// the last one.
    fn listen(&self, waker: &Waker) -> Option<Instant> {
        let mut ring = self.ring();
        match &ring.reader {
            Some(reader) if reader.will_wake(waker) => {}
            _ => ring.reader = Some(waker.clone()),
        }
        ring.rang.take()
    }

    fn has_rung(&self) -> bool {
        self.ring().rang.is_some()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut ring = self.ring();
        ring.rang.get_or_insert_with(Instant::now);
        let reader = ring.reader.take();
        drop(ring);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Waiting {
    pub(super) fn new(pace: Pace) -> Self {
        let bell = Arc::new(Bell::default());
        Self {
            pace,
            waited: Duration::ZERO,
            bytes: 0,
            since: None,
            called: None,
            timer: None,
            waker: bell.clone().into(),
            bell,
        }
    }

    /// Returns the context to poll the body in.
    pub(super) fn listen(&mut self, reader: &Waker) -> Context<'_> {
        let rang = self.bell.listen(reader);
        self.called = self.called.or(rang);
        Context::from_waker(&self.waker)
    }

    /// Takes note of bytes that came. None at all are no sign of life.
    pub(super) fn arrived(&mut self, bytes: usize) {
        if bytes > 0 {
            let came = self.called.unwrap_or_else(Instant::now);
            self.charge(came);
            self.bytes += bytes as u64;
        }
    }

    /// Ends a wait, and counts it.
    fn charge(&mut self, until: Instant) {
        if let Some(since) = self.since.take() {
            self.waited += until.saturating_duration_since(since);
        }
        self.called = None;
        self.timer = None;
    }

    /// Waits on; ready once that is no use.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Violation> {
        // It called, and had nothing after all: that was no sign of life.
        self.called = None;
        // It has called meanwhile, so the reader comes again.
        if self.bell.has_rung() {
            return Poll::Pending;
        }
        let (pace, waited) = (&self.pace, self.waited);
        let since = *self.since.get_or_insert_with(Instant::now);
        let bytes = self.bytes;
        let (timer, violation) = self.timer.get_or_insert_with(|| {
            let left = |patience: Duration| patience.saturating_sub(waited);
            let mut first = (pace.idle, Violation::Idle);
            let slow = (left(pace.patience(bytes)), Violation::TooSlow);
            let late = pace
                .deadline
                .map(|deadline| (left(deadline), Violation::Deadline));
            for other in [Some(slow), late].into_iter().flatten() {
                if other.0 < first.0 {
                    first = other;
                }
            }
            // Longer than anybody waits.
            let until = since.checked_add(first.0);
            let until = until.unwrap_or_else(|| since + Duration::from_secs(30 * 365 * 86_400));
            (Box::pin(sleep_until(until)), first.1)
        });
        timer.as_mut().poll(context).map(|()| violation.clone())
    }
}
