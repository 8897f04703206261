//! The response fields that tell a client what is left.
//!
//! `RateLimit-Policy` and `RateLimit` are written as
//! draft-ietf-httpapi-ratelimit-headers-10 has them: lists of strings with
//! parameters. The draft may change; [`Fields`] names its revision.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::rate::{RUNGS, Rate};
use super::windows::{MAX_WINDOWS, Window, Windows};

/// Which fields a limited response carries, beside `Retry-After`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fields {
    /// `RateLimit-Policy`, with quota `q` and window `w` in seconds, and
    /// `RateLimit`, with what remains, `r`, and on a refusal the seconds until
    /// there is more, `t`; of draft-ietf-httpapi-ratelimit-headers-10.
    #[default]
    Draft10,
    /// Those, and `X-RateLimit-Limit`, `X-RateLimit-Remaining` and
    /// `X-RateLimit-Reset` of the window that has least left. `Reset` is in
    /// seconds from now, until the whole quota is back.
    Draft10AndLegacy,
    /// None: who is asking learns no numbers.
    None,
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Writes `RateLimit-Policy`: what may come at once, and in how many seconds
/// it comes back.
pub(super) fn policy(windows: &[Window]) -> HeaderValue {
    let mut line = Line::default();
    for (index, window) in windows.iter().enumerate() {
        let burst = window.quota.burst_size();
        let seconds = match Rate::new(window.quota, RUNGS[0]) {
            Rate::Gcra { interval, burst } => {
                (u128::from(interval) * u128::from(burst.get())).div_ceil(1_000_000_000)
            }
            Rate::Strict { period, .. } => u128::from(period).div_ceil(1_000_000_000),
        };
        // Rounding an interval up may carry the sum over the period.
        let seconds = seconds.min(window.quota.period().as_nanos().div_ceil(1_000_000_000));
        let separator = if index == 0 { "" } else { ", " };
        line.put(format_args!(
            "{separator}\"{}\";q={burst};w={}",
            window.name,
            seconds.max(1)
        ));
    }
    line.value()
}

/// What is to be said of a window.
pub(super) struct Say {
    pub(super) left: u32,
    pub(super) wait: Option<Duration>,
}

/// Adds the fields.
pub(super) fn add(
    fields: Fields,
    windows: &Windows,
    says: &[Option<Say>; MAX_WINDOWS],
    headers: &mut HeaderMap,
) {
    if fields == Fields::None {
        return;
    }
    let each = windows.list().iter().zip(says);
    let told = each.filter_map(|(window, say)| Some((window, say.as_ref()?)));
    let mut line = Line::default();
    for (window, Say { left, wait }) in told.clone() {
        let separator = if line.is_empty() { "" } else { ", " };
        line.put(format_args!("{separator}\"{}\";r={left}", window.name));
        if let Some(wait) = wait {
            line.put(format_args!(";t={}", whole_seconds(*wait)));
        }
    }
    headers.append(RATE_LIMIT_POLICY, windows.policy.clone());
    headers.append(RATE_LIMIT, line.value());
    if fields == Fields::Draft10AndLegacy
        && let Some((window, say)) = told.min_by_key(|(_, say)| say.left)
    {
        legacy(window, say, headers);
    }
}

fn legacy(window: &Window, say: &Say, headers: &mut HeaderMap) {
    let burst = window.quota.burst_size().get();
    // What is used comes back one by one.
    let used = u128::from(burst.saturating_sub(say.left));
    let back = (window.quota.interval() * used).div_ceil(1_000_000_000);
    let reset = u64::try_from(back).unwrap_or(u64::MAX);
    for (name, value) in [
        ("x-ratelimit-limit", HeaderValue::from(burst)),
        ("x-ratelimit-remaining", HeaderValue::from(say.left)),
        ("x-ratelimit-reset", HeaderValue::from(reset)),
    ] {
        headers.append(HeaderName::from_static(name), value);
    }
}

/// Seconds, rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A field value, written without asking for memory.
struct Line {
    bytes: [u8; LONGEST],
    length: usize,
}

/// Four windows with names of 64 letters and the longest numbers.
const LONGEST: usize = MAX_WINDOWS * 128;

impl Default for Line {
    fn default() -> Self {
        Self {
            bytes: [0; LONGEST],
            length: 0,
        }
    }
}

impl Line {
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.write_fmt(text)
            .expect("a line has room for all windows");
    }

    fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.length]).expect("names are legal strings")
    }
}

impl std::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end);
        place
            .ok_or(std::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
