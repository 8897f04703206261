//! One decision about one counter: plain functions of the time, what a client
//! owes, and what a request costs.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;

use super::quota::Quota;

/// How many times the quota each rung of a ladder allows. Who has one /64 has
/// the quota; who has a /56, which homes get, four times that; and a whole /48,
/// which anybody can rent, sixteen times.
pub(super) const RUNGS: [u32; 3] = [1, 4, 16];

/// How a counter decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rate {
    /// The generic cell rate algorithm: one request comes back each `interval`
    /// nanoseconds, up to `burst`.
    Gcra { interval: u64, burst: NonZeroU32 },
    /// At most `most` in any `period` nanoseconds.
    Strict { period: u64, most: u32 },
}

/// What a counter holds: of [`Rate::Gcra`] the first is the theoretical
/// arrival time, in nanoseconds of the clock; of [`Rate::Strict`] both are
/// halves, by [`Half`].
pub(super) type State = [Option<u64>; 2];

/// What a counter says to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ruling {
    /// Enough is left: how much, once this request is counted, and the mark by
    /// which to give it back.
    Left { left: u32, mark: u64 },
    /// Too early.
    Wait(Duration),
    /// The request costs more than the counter ever allows.
    Never,
}

impl Rate {
    /// The rate of a quota on a rung.
    pub(super) fn new(quota: Quota, times: u32) -> Self {
        let times = NonZeroU32::MIN.saturating_add(times - 1);
        if quota.is_strict() {
            return Self::Strict {
                period: nanos(quota.period().as_nanos()),
                most: quota.count().saturating_mul(times).get().min(HALF_MOST),
            };
        }
        Self::Gcra {
            interval: nanos(quota.interval().div_ceil(u128::from(times.get()))).max(1),
            burst: quota.burst_size().saturating_mul(times),
        }
    }

    /// The part of a rate that one of several processes may allow while they
    /// cannot ask each other: at least one request, that much rarer.
    pub(super) fn share(self, processes: NonZeroU32) -> Self {
        let part = |whole: u32| NonZeroU32::new(whole / processes).unwrap_or(NonZeroU32::MIN);
        match self {
            Self::Gcra { interval, burst } => Self::Gcra {
                interval: interval
                    .saturating_mul(processes.get().into())
                    .min(MAX_INTERVAL),
                burst: part(burst.get()),
            },
            Self::Strict { period, most } => Self::Strict {
                period,
                most: part(most).get(),
            },
        }
    }

    /// Decides about a request that costs `cost` at `now`, in nanoseconds; a
    /// passing one is written into `state`, which is clamped.
    pub(super) fn spend(self, now: u64, cost: NonZeroU32, state: &mut State) -> Ruling {
        match self {
            Self::Gcra { interval, burst } => gcra(interval, burst, now, cost, &mut state[0]),
            Self::Strict { period, most } => strict(period, most, now, cost.get(), state),
        }
    }

    /// What is owed at most: a quota that was made smaller makes nobody wait for
    /// what the old one allowed.
    pub(super) fn clamp(self, now: u64, state: State) -> State {
        match self {
            Self::Gcra { interval, burst } => {
                let capacity = interval.saturating_mul(burst.get().into());
                let most = now.saturating_add(capacity);
                [state[0].map(|arrival| arrival.min(most)), state[1]]
            }
            Self::Strict { .. } => state,
        }
    }

    /// Tells whether both halves of a state are used.
    pub(super) fn halves(self) -> bool {
        matches!(self, Self::Strict { .. })
    }

    /// Tells how many requests would be allowed at once. Changes nothing.
    pub(super) fn peek(self, now: u64, state: &State) -> u32 {
        match self {
            Self::Gcra { interval, burst } => {
                let debt = state[0].unwrap_or_default().saturating_sub(now);
                left(interval, burst, debt)
            }
            Self::Strict { period, most } => {
                let (before, current) = halves(period, now, state);
                most.saturating_sub(before.count + current.count)
            }
        }
    }

    /// Gives a request back, as far as it has not come back by itself: `mark`
    /// is what [`Ruling::Left`] said when it was counted.
    ///
    /// A leaky bucket remembers a level and no requests. When others were given back that
    /// had been counted before it, a request has drained earlier than its mark says, and
    /// given back between the two it brings itself once more; never more than that.
    pub(super) fn refund(self, now: u64, cost: NonZeroU32, mark: u64, state: &mut State) {
        match self {
            Self::Gcra { interval, .. } => {
                let Some(arrival) = state[0] else { return };
                // What has drained since was returned by time.
                let undrained = mark.saturating_sub(now);
                let back = interval.saturating_mul(cost.get().into()).min(undrained);
                let arrival = arrival.saturating_sub(back);
                state[0] = (arrival > now).then_some(arrival);
            }
            Self::Strict { period, .. } => {
                // The half in which it was counted, if that is not yet over.
                let cell = mark;
                let place = usize::from(cell & 1 == 1);
                let Some(mut half) = state[place].map(Half::read) else {
                    return;
                };
                if half.belongs_to(cell, period) && half.free_at > now {
                    half.count = half.count.saturating_sub(cost.get());
                    state[place] = (half.count > 0).then(|| half.write());
                }
            }
        }
    }

    /// The most that may come at once.
    pub(super) fn most(self) -> u32 {
        match self {
            Self::Gcra { burst, .. } => burst.get(),
            Self::Strict { most, .. } => most,
        }
    }
}

/// The longest interval: a request a year.
const MAX_INTERVAL: u64 = 365 * 86_400 * 1_000_000_000;

fn nanos(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// How many requests would fit beside a debt in nanoseconds.
pub(super) fn left(interval: u64, burst: NonZeroU32, debt: u64) -> u32 {
    let capacity = interval.saturating_mul(burst.get().into());
    u32::try_from(capacity.saturating_sub(debt) / interval).unwrap_or(u32::MAX)
}

fn gcra(
    interval: u64,
    burst: NonZeroU32,
    now: u64,
    cost: NonZeroU32,
    arrival: &mut Option<u64>,
) -> Ruling {
    if cost > burst {
        return Ruling::Never;
    }
    let quota = governor::Quota::with_period(Duration::from_nanos(interval))
        .expect("an interval is at least a nanosecond")
        .allow_burst(burst);
    let state = Owed(Cell::new(arrival.map(Nanos::new)));
    let limiter = Governor::new(quota, Pure, At::new(now));
    match limiter.check_key_n(&state, cost) {
        Ok(Ok(())) => {
            let next = state.0.get().map_or(now, |next| next.as_u64());
            *arrival = Some(next);
            Ruling::Left {
                left: left(interval, burst, next - now),
                mark: next,
            }
        }
        Ok(Err(until)) => Ruling::Wait(until.wait_time_from(Nanos::new(now))),
        Err(_) => Ruling::Never,
    }
}

type Governor = governor::RateLimiter<Owed, Pure, At, NoOpMiddleware<Nanos>>;

/// What a key owes, handed to governor as though it were the key.
#[derive(Clone)]
struct Owed(Cell<Option<Nanos>>);

impl Hash for Owed {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl PartialEq for Owed {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Owed {}

/// A store that holds nothing: what is owed comes with the key, and stays there.
struct Pure;

impl governor::state::StateStore for Pure {
    type Key = Owed;

    fn measure_and_replace<T, F, E>(&self, owed: &Owed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(owed.0.get())?;
        owed.0.set(Some(next));
        Ok(outcome)
    }
}

/// A clock that was read already. governor counts from when it was made: the
/// first reading is zero, so that arrival times mean the same to every limiter.
#[derive(Clone, Debug)]
struct At {
    now: u64,
    started: Cell<bool>,
}

impl At {
    fn new(now: u64) -> Self {
        Self {
            now,
            started: Cell::new(false),
        }
    }
}

impl governor::clock::Clock for At {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(if self.started.replace(true) {
            self.now
        } else {
            0
        })
    }
}

/// Time is cut into cells of one period. Any window of one period lies in two
/// of them at most, so two counts are enough: what a cell counted stops
/// counting a period after its last request.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    /// A period after the last request, rounded up to [`HALF_STEP`].
    free_at: u64,
    count: u32,
}

/// The low bits of a written half are the count, the others the time; so halves
/// and arrival times compare as what clients owe.
const HALF_BITS: u32 = 20;
const HALF_STEP: u64 = 1 << HALF_BITS;
const HALF_MOST: u32 = (1 << HALF_BITS) - 1;

impl Half {
    fn read(state: u64) -> Self {
        Self {
            free_at: state & !(HALF_STEP - 1),
            count: u32::try_from(state & (HALF_STEP - 1)).unwrap_or(HALF_MOST),
        }
    }

    fn write(self) -> u64 {
        self.free_at | u64::from(self.count.min(HALF_MOST))
    }

    /// Tells whether the last request fell into a cell. Rounding may carry it
    /// into the next one, which the other half counts.
    fn belongs_to(self, cell: u64, period: u64) -> bool {
        let last = self.free_at.saturating_sub(period) / period;
        last == cell || last == cell + 1
    }
}

/// What the cell before and the current one still count.
fn halves(period: u64, now: u64, state: &State) -> (Half, Half) {
    let cell = now / period;
    let current = usize::from(cell & 1 == 1);
    let half = |place: usize| state[place].map_or_else(Half::default, Half::read);
    let mut now_in = half(current);
    if !now_in.belongs_to(cell, period) {
        now_in = Half::default();
    }
    let mut before = half(1 - current);
    if before.free_at <= now {
        before = Half::default();
    }
    (before, now_in)
}

fn strict(period: u64, most: u32, now: u64, cost: u32, state: &mut State) -> Ruling {
    if cost > most {
        return Ruling::Never;
    }
    let (before, mut current) = halves(period, now, state);
    let count = current.count.saturating_add(cost);
    if before.count.saturating_add(count) > most {
        let free_at = if count > most {
            current.free_at
        } else {
            before.free_at
        };
        return Ruling::Wait(Duration::from_nanos(free_at - now));
    }
    let cell = now / period;
    current.count = count;
    current.free_at = (now + period).next_multiple_of(HALF_STEP);
    state[usize::from(cell & 1 == 1)] = Some(current.write());
    Ruling::Left {
        left: most - before.count - count,
        mark: cell,
    }
}
