//! Ten million clients, an abuser among them.

use std::fs;
use std::time::{Duration, Instant};

use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::rate_limit::{Memory, RateLimitLayer, RateLimiter};

use super::now;

const CLIENTS: u64 = 10_000_000;

/// 2^20 counters of 16 bytes.
const CAPACITY: usize = 1 << 20;

/// Memory that the process takes, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

fn limiter(quota: &str, memory: Memory, clock: &ManualClock) -> RateLimiter {
    let layer = RateLimitLayer::builder("api", quota.parse().expect("a quota"));
    let layer = layer.capacity(CAPACITY).memory(memory).clock(clock.clone());
    layer.build().expect("valid").limiter()
}

/// Sends the flood within sixty seconds of the limiter's clock. An abuser asks
/// in between, at a pace.
fn flood(name: &str, quota: &str, memory: Memory, pace: Duration) {
    let before = resident_kib();
    let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
    let limiter = limiter(quota, memory, &clock);
    let step = Duration::from_secs(60) / u32::try_from(CLIENTS).expect("small");
    let mut slowest = Vec::with_capacity(1 << 20);
    let (mut due, mut elapsed) = (Duration::ZERO, Duration::ZERO);
    let (mut asked, mut admitted) = (0, 0);
    for client in 0..CLIENTS {
        if elapsed >= due {
            asked += 1;
            admitted += u32::from(now(limiter.check(b"abuser")).is_ok());
            due += pace;
        }
        let start = Instant::now();
        let outcome = now(limiter.check(&client.to_be_bytes()));
        let took = start.elapsed();
        assert!(
            outcome.is_ok() || memory == Memory::Strict,
            "{client} is new"
        );
        // One in ten is enough for the slowest in a thousand.
        if client % 10 == 0 {
            slowest.push(took);
        }
        clock.advance(step);
        elapsed += step;
    }
    let newcomer = now(limiter.check(b"newcomer")).is_ok();
    slowest.sort_unstable();
    let p999 = slowest[slowest.len() - slowest.len() / 1_000];
    let grown = resident_kib().saturating_sub(before)
        - u64::try_from(slowest.capacity() * 16 / 1024).expect("small");
    println!(
        "{name}: {grown} KiB more memory, p99.9 {p999:?}, slowest {:?}; abuser {admitted} of {asked}, newcomer admitted: {newcomer}",
        slowest[slowest.len() - 1],
    );
}

pub(super) fn run() {
    let second = Duration::from_secs(1);
    flood(
        "5/60s, asks each second",
        "5/60s",
        Memory::Forgetful,
        second,
    );
    flood(
        "5/900s, asks each 7 s",
        "5/900s",
        Memory::Forgetful,
        7 * second,
    );
    flood(
        "5/900s, asks each 7 s, strict memory",
        "5/900s",
        Memory::Strict,
        7 * second,
    );
}
