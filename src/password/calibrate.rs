//! Which cost this machine can bear.

use std::time::Duration;

use super::scheme::bcrypt;
use crate::clock::Clock;

/// Finds the highest cost, from 10 to 15, whose hash takes at most `target`.
///
/// Measures a low cost a few times and doubles: about 100 ms of work. Blocks
/// the calling thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_rampart::clock::SystemClock;
/// use tower_rampart::password::calibrate_cost;
///
/// let cost = calibrate_cost(Duration::from_millis(250), &SystemClock);
/// assert!((10..=15).contains(&cost));
/// ```
#[must_use]
pub fn calibrate_cost(target: Duration, clock: &dyn Clock) -> u8 {
    const PROBE: u8 = 7;
    let mut probes = [Duration::ZERO; 5];
    for probe in &mut probes {
        let start = clock.monotonic();
        std::hint::black_box(bcrypt(PROBE, [0x5a; 16], b"calibration"));
        *probe = clock.monotonic().saturating_sub(start);
    }
    probes.sort_unstable();
    let median = probes[probes.len() / 2];
    (11..=15)
        .take_while(|cost| median * (1 << (cost - PROBE)) <= target)
        .last()
        .unwrap_or(10)
}
