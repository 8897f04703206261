//! How many requests in which time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::error::QuotaParseError;

/// A rate: `count` requests in each `period`, all of which may come at once.
///
/// A client that has been idle may spend `count` requests in a burst, or as
/// many as [`burst`](Self::burst) says; one comes back every `period / count`,
/// so any window of one period holds at most `count + burst − 1`. A
/// [`strict`](Self::strict) quota holds at most `count` in any window.
///
/// Written `COUNT/PERIOD`, then `,burst=N` or `,strict` if need be.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_rampart::rate_limit::Quota;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let quota: Quota = "30/15m".parse()?;
/// assert_eq!(quota.count().get(), 30);
/// assert_eq!(quota.period(), Duration::from_secs(900));
/// assert_eq!(quota.to_string(), "30/15m");
/// assert!("30/minute".parse::<Quota>().is_err());
///
/// let steady = Quota::per(300, Duration::from_secs(60))?.burst(20)?;
/// assert_eq!(steady.to_string(), "300/1m,burst=20");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    count: NonZeroU32,
    period: Duration,
    burst: NonZeroU32,
    strict: bool,
}

/// The longest period: a counter that outlives the process means nothing.
const MAX_PERIOD: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The shortest time between two requests, 1 µs.
const MIN_INTERVAL_NANOS: u128 = 1_000;

/// The most that a strict quota counts to.
const MAX_STRICT: u32 = (1 << 16) - 1;

impl Quota {
    /// Makes a rate.
    ///
    /// # Errors
    ///
    /// [`QuotaParseError::Period`] if the period is zero or over 31 days;
    /// [`QuotaParseError::Rate`] if it is over one request a microsecond.
    pub fn new(count: NonZeroU32, period: Duration) -> Result<Self, QuotaParseError> {
        if period.is_zero() || period > MAX_PERIOD {
            return Err(QuotaParseError::Period);
        }
        if period.as_nanos() / u128::from(count.get()) < MIN_INTERVAL_NANOS {
            return Err(QuotaParseError::Rate);
        }
        Ok(Self {
            count,
            period,
            burst: count,
            strict: false,
        })
    }

    /// Makes a rate of `count` requests each `period`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`QuotaParseError::Zero`] for a count of 0.
    pub fn per(count: u32, period: Duration) -> Result<Self, QuotaParseError> {
        Self::new(NonZeroU32::new(count).ok_or(QuotaParseError::Zero)?, period)
    }

    /// Makes a rate of `count` requests each second.
    ///
    /// # Errors
    ///
    /// As [`per`](Self::per).
    pub fn per_second(count: u32) -> Result<Self, QuotaParseError> {
        Self::per(count, Duration::from_secs(1))
    }

    /// Makes a rate of `count` requests each minute.
    ///
    /// # Errors
    ///
    /// As [`per`](Self::per).
    pub fn per_minute(count: u32) -> Result<Self, QuotaParseError> {
        Self::per(count, Duration::from_secs(60))
    }

    /// Makes a rate of `count` requests each hour.
    ///
    /// # Errors
    ///
    /// As [`per`](Self::per).
    pub fn per_hour(count: u32) -> Result<Self, QuotaParseError> {
        Self::per(count, Duration::from_secs(3_600))
    }

    /// Says how many requests may come at once; all of a period by default.
    ///
    /// # Errors
    ///
    /// [`QuotaParseError::Burst`] if it is 0, if an idle client would need more
    /// than 31 days to earn it, or if the quota is strict.
    pub fn burst(self, burst: u32) -> Result<Self, QuotaParseError> {
        let burst = NonZeroU32::new(burst).ok_or(QuotaParseError::Burst)?;
        let earned = self.interval().saturating_mul(u128::from(burst.get()));
        if self.strict || earned > MAX_PERIOD.as_nanos() {
            return Err(QuotaParseError::Burst);
        }
        Ok(Self { burst, ..self })
    }

    /// Allows at most `count` requests in any window of one period, wherever it
    /// begins, and not only on average.
    ///
    /// Requests are remembered by halves: a client that has spread its requests
    /// over a period gets the next one when the last of that period is over.
    /// One that spent them at once gets them all back a period later.
    ///
    /// # Errors
    ///
    /// [`QuotaParseError::Strict`] if the count is over 65,535, the period under
    /// a second, or a burst was set.
    pub fn strict(self) -> Result<Self, QuotaParseError> {
        let short = self.period < Duration::from_secs(1);
        if self.count.get() > MAX_STRICT || short || self.burst != self.count {
            return Err(QuotaParseError::Strict);
        }
        Ok(Self {
            strict: true,
            ..self
        })
    }

    /// Returns how many requests may come at once.
    #[must_use]
    pub fn burst_size(self) -> NonZeroU32 {
        self.burst
    }

    /// Tells whether at most `count` are allowed in any window.
    #[must_use]
    pub fn is_strict(self) -> bool {
        self.strict
    }

    /// The time until a request comes back, in nanoseconds, rounded up: never
    /// faster than the quota.
    pub(super) fn interval(self) -> u128 {
        self.period
            .as_nanos()
            .div_ceil(u128::from(self.count.get()))
    }

    /// Returns the number of requests in a period.
    #[must_use]
    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// Returns the period.
    #[must_use]
    pub fn period(self) -> Duration {
        self.period
    }
}

/// Reads `COUNT/PERIOD`, for instance `5/15m`. Units: `s`, `m`, `h`, `d`.
/// `,burst=N` or `,strict` may follow.
impl FromStr for Quota {
    type Err = QuotaParseError;

    fn from_str(text: &str) -> Result<Self, QuotaParseError> {
        if let Some((rate, modifier)) = text.trim().split_once(',') {
            let rate = rate.parse::<Self>()?;
            return match modifier.split_once('=') {
                None if modifier == "strict" => rate.strict(),
                Some(("burst", size)) => rate.burst(parse_digits(size)?),
                _ => Err(QuotaParseError::Form),
            };
        }
        let (count, period) = text.trim().split_once('/').ok_or(QuotaParseError::Form)?;
        let count: u32 = parse_digits(count)?;
        let count = NonZeroU32::new(count).ok_or(QuotaParseError::Zero)?;
        let (number, unit) = period
            .split_at_checked(period.len().saturating_sub(1))
            .ok_or(QuotaParseError::Form)?;
        let seconds = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or(QuotaParseError::Form)?
            .1;
        let number = u64::from(parse_digits(number)?);
        Self::new(count, Duration::from_secs(number.saturating_mul(seconds)))
    }
}

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

fn parse_digits(text: &str) -> Result<u32, QuotaParseError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        text.parse().map_err(|_| QuotaParseError::Rate)
    } else {
        Err(QuotaParseError::Form)
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.period.as_secs();
        if self.period.subsec_nanos() > 0 {
            write!(f, "{}/{:?}", self.count, self.period)?;
        } else {
            let (unit, size) = UNITS
                .into_iter()
                .find(|(_, size)| seconds.is_multiple_of(*size))
                .unwrap_or(("s", 1));
            write!(f, "{}/{}{unit}", self.count, seconds / size)?;
        }
        match self.strict {
            true => f.write_str(",strict"),
            false if self.burst != self.count => write!(f, ",burst={}", self.burst),
            false => Ok(()),
        }
    }
}
