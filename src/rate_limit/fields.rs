//! The response fields that tell a client what is left.
//!
//! `RateLimit-Policy` and `RateLimit` are written as
//! draft-ietf-httpapi-ratelimit-headers-10 has them: lists of strings with
//! parameters. The draft may change; [`Fields`] names its revision.

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
        line.text(if index == 0 { "\"" } else { ", \"" });
        line.text(&window.name);
        line.text("\";q=");
        line.number(burst.get().into());
        line.text(";w=");
        line.number(u64::try_from(seconds).unwrap_or(u64::MAX).max(1));
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
        line.text(if line.is_empty() { "\"" } else { ", \"" });
        line.text(&window.name);
        line.text("\";r=");
        line.number((*left).into());
        if let Some(wait) = wait {
            line.text(";t=");
            line.number(whole_seconds(*wait));
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

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes digits; a formatter would take longer than all the rest.
    fn number(&mut self, mut number: u64) {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] += u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.bytes(&digits[start..]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        let place = self.bytes.get_mut(self.length..end);
        place
            .expect("a line has room for all windows")
            .copy_from_slice(bytes);
        self.length = end;
    }

    fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.length]).expect("names are legal strings")
    }
}
