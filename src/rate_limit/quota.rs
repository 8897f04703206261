//! How many requests in which time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::error::QuotaParseError;

/// A rate: `count` requests in each `period`, all of which may come at once.
///
/// A client that has been idle may spend `count` requests in a burst; one
/// comes back every `period / count`, so any window of one period holds at
/// most `2 × count − 1`.
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
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    count: NonZeroU32,
    period: Duration,
}

/// The longest period: a counter that outlives the process means nothing.
const MAX_PERIOD: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The shortest time between two requests, 1 µs.
const MIN_INTERVAL_NANOS: u128 = 1_000;

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
        Ok(Self { count, period })
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
impl FromStr for Quota {
    type Err = QuotaParseError;

    fn from_str(text: &str) -> Result<Self, QuotaParseError> {
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
            return write!(f, "{}/{:?}", self.count, self.period);
        }
        let (unit, size) = UNITS
            .into_iter()
            .find(|(_, size)| seconds.is_multiple_of(*size))
            .unwrap_or(("s", 1));
        write!(f, "{}/{}{unit}", self.count, seconds / size)
    }
}
