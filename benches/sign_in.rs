//! What a sign-in takes beside the bare crate, and what its time tells of an account.
//!
//! `cargo bench --features full --bench sign_in` signs in by turns, so that whatever
//! else the machine does falls on all alike. The first table has the ratio of a
//! sign-in through a [`LoginHasher`] to `bcrypt::verify` of the same hash. The second
//! has each way to fail beside a wrong password: the ratio of the medians, and the
//! probability of a difference this large if there is none (Mann-Whitney).
//! `RAMPART_BENCH_SIGN_INS` sets how many of each, 60 by default.

#![allow(clippy::print_stdout, reason = "it prints tables")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tower_rampart::password::{LoginHasher, Password, PasswordHasher, PreHash};

const RIGHT: &str = "violet kettle parade";
const WRONG: &str = "violet kettle pirate";

fn password(text: &str) -> Password {
    Password::new(text).expect("short enough")
}

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// The probability, two-sided, that two samples of one distribution differ in rank
/// as these do; by the normal approximation, which is good from some 20 on.
fn mann_whitney(first: &[Duration], second: &[Duration]) -> f64 {
    let wins = first.iter().map(|a| {
        let below = second.iter().filter(|b| *b < a).count() as f64;
        let equal = second.iter().filter(|b| *b == a).count() as f64;
        below + equal / 2.0
    });
    let (n, m) = (first.len() as f64, second.len() as f64);
    let z = (wins.sum::<f64>() - n * m / 2.0).abs() / (n * m * (n + m + 1.0) / 12.0).sqrt();
    // Abramowitz and Stegun 26.2.17, to 7.5e-8.
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    (2.0 * poly * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()).min(1.0)
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rounds = std::env::var("RAMPART_BENCH_SIGN_INS");
    let rounds = rounds.ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads");
    let hasher = |cost, prehash| {
        let builder = PasswordHasher::builder().cost(cost).prehash(prehash);
        builder.build().expect("valid")
    };

    let plain = hasher(10, PreHash::None);
    let stored = plain.hash(&password(RIGHT)).expect("hashed");
    let pool = LoginHasher::builder(plain).build().expect("valid");
    let sign_in = |pool: &LoginHasher, text: &str, stored: Option<&str>| {
        let (password, stored) = (password(text), stored.map(str::to_owned));
        timed(|| {
            let outcome = runtime.block_on(pool.verify_login(password, stored));
            black_box(outcome.expect("nobody else signs in"));
        })
    };
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let bare_one = || timed(|| assert!(bcrypt::verify(RIGHT, &stored).expect("readable")));
        // Whoever comes second finds warm caches.
        let (one, other) = if round % 2 == 0 {
            let one = sign_in(&pool, RIGHT, Some(&stored));
            (one, bare_one())
        } else {
            let other = bare_one();
            (sign_in(&pool, RIGHT, Some(&stored)), other)
        };
        ratios.push(one.as_secs_f64() / other.as_secs_f64());
        ours.push(one);
        bare.push(other);
    }
    ratios.sort_by(f64::total_cmp);
    // The interval of the median by order statistics, 95 %.
    let half = 0.98 * (rounds as f64).sqrt();
    let at = |rank: f64| ratios[(rank.max(0.0) as usize).min(rounds - 1)];
    let middle = rounds as f64 / 2.0;
    println!(
        "cost 10, {rounds} pairs\n\n| sign-in | median (ms) |\n| --- | --- |\n| `LoginHasher` | {:.3} |\n| `bcrypt::verify` | {:.3} |\n\n\
         ratio of each pair: median {:.4} (95 %: {:.4} to {:.4})\n",
        median(&ours),
        median(&bare),
        at(middle),
        at(middle - half),
        at(middle + half)
    );

    let pool = LoginHasher::builder(hasher(10, PreHash::Auto));
    let pool = pool.build().expect("valid");
    let stored = hasher(10, PreHash::Auto)
        .hash(&password(RIGHT))
        .expect("hashed");
    let cheap = "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.";
    let locked = PasswordHasher::locked();
    let costly = stored.replace(",r=10$", ",r=31$");
    let long = "x".repeat(1_024);
    let ways: [(&str, &str, Option<&str>); 8] = [
        ("wrong password", WRONG, Some(&stored)),
        ("unknown account", WRONG, None),
        ("locked account", RIGHT, Some(&locked)),
        ("1,024 bytes", &long, Some(&stored)),
        ("no password", "", Some(&stored)),
        ("stored cost 8", WRONG, Some(cheap)),
        ("stored cost 31", RIGHT, Some(&costly)),
        ("no hash at all", RIGHT, Some("*")),
    ];
    let mut times = vec![Vec::with_capacity(rounds); ways.len()];
    for round in 0..rounds {
        for step in 0..ways.len() {
            let way = (step + round) % ways.len();
            let (_, text, stored) = ways[way];
            times[way].push(sign_in(&pool, text, stored));
        }
    }
    println!(
        "cost 10, {rounds} of each\n\n| refused | median (ms) | to a wrong password | p |\n| --- | --- | --- | --- |"
    );
    for ((name, ..), sample) in ways.iter().zip(&times) {
        println!(
            "| {name} | {:.3} | {:.4} | {:.2} |",
            median(sample),
            median(sample) / median(&times[0]),
            mann_whitney(sample, &times[0])
        );
    }
}
