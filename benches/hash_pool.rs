//! What a flood of sign-ins does to everything else in the process.
//!
//! `cargo bench --features full --bench hash_pool` lets more and more clients sign
//! in, with hashing on the async threads, on blocking threads without a bound, and
//! in a [`LoginHasher`]. A heartbeat shows how late everybody else runs. Prints a
//! table, and writes it with a chart to `target/bench`. `RAMPART_BENCH_MAX_COST`
//! sets the cost, 10 by default.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tower_rampart::password::{LoginHasher, Password, PasswordHasher};

/// How long each row is measured.
const TIME: Duration = Duration::from_secs(3);

/// How long a sign-in may wait for its turn.
const DEADLINE: Duration = Duration::from_millis(500);

/// How often the heart beats.
const BEAT: Duration = Duration::from_millis(2);

/// Where passwords are hashed.
#[derive(Clone)]
enum Mode {
    Inline(PasswordHasher),
    Unbounded(PasswordHasher),
    Bounded(LoginHasher),
}

impl Mode {
    /// Signs in once; false if it was refused.
    async fn sign_in(&self, stored: &str) -> bool {
        let password = Password::new("violet kettle parade").expect("short enough");
        match self {
            Self::Inline(hasher) => {
                let _ = hasher.verify(&password, Some(stored));
                true
            }
            Self::Unbounded(hasher) => {
                let (hasher, stored) = (hasher.clone(), stored.to_owned());
                let work = move || hasher.verify(&password, Some(&stored));
                tokio::task::spawn_blocking(work).await.is_ok()
            }
            Self::Bounded(pool) => {
                let stored = Some(stored.to_owned());
                pool.verify_login(password, stored).await.is_ok()
            }
        }
    }
}

/// What one row of the table says. Times are in milliseconds.
struct Row {
    mode: String,
    clients: usize,
    served: f64,
    refused: f64,
    sign_in: [f64; 3],
    lag: [f64; 3],
}

/// The median, and the values that 95 and 99 of 100 stay below.
fn percentiles(mut times: Vec<Duration>) -> [f64; 3] {
    times.sort_unstable();
    [50, 95, 99].map(|percent| {
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times
            .get(at)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    })
}

async fn beat(until: Instant) -> Vec<Duration> {
    let mut late = Vec::new();
    while Instant::now() < until {
        let due = Instant::now() + BEAT;
        tokio::time::sleep(BEAT).await;
        late.push(Instant::now().saturating_duration_since(due));
    }
    late
}

async fn client(mode: Mode, stored: Arc<str>, until: Instant) -> (Vec<Duration>, u32) {
    let (mut served, mut refused) = (Vec::new(), 0);
    while Instant::now() < until {
        let asked = Instant::now();
        if mode.sign_in(&stored).await {
            served.push(asked.elapsed());
        } else {
            refused += 1;
            // As a client that was told when to come back, in a hurry.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    (served, refused)
}

fn measure(runtime: &Runtime, name: &str, mode: &Mode, stored: &Arc<str>, clients: usize) -> Row {
    runtime.block_on(async {
        let until = Instant::now() + TIME;
        let heart = tokio::spawn(beat(until));
        let clients: Vec<_> = (0..clients)
            .map(|_| tokio::spawn(client(mode.clone(), stored.clone(), until)))
            .collect();
        let (mut served, mut refused, count) = (Vec::new(), 0, clients.len());
        for client in clients {
            let (times, shed) = client.await.expect("no panic");
            served.extend(times);
            refused += shed;
        }
        let seconds = TIME.as_secs_f64();
        Row {
            mode: name.to_owned(),
            clients: count,
            served: served.len() as f64 / seconds,
            refused: f64::from(refused) / seconds,
            sign_in: percentiles(served),
            lag: percentiles(heart.await.expect("no panic")),
        }
    })
}

fn table(rows: &[Row]) -> String {
    let mut text = "| hashing | clients | sign-ins/s | refused/s | sign-in p50, p95, p99 (ms) | heartbeat late p50, p95, p99 (ms) |\n\
                    | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for row in rows {
        let times = |times: &[f64; 3]| times.map(|time| format!("{time:.1}")).join(", ");
        let (sign_in, lag) = (times(&row.sign_in), times(&row.lag));
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {sign_in} | {lag} |",
            row.mode, row.clients, row.served, row.refused
        )
        .expect("memory");
    }
    text
}

fn json(rows: &[Row], cost: u8) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "mode": row.mode, "clients": row.clients, "served_per_second": row.served,
                "refused_per_second": row.refused, "sign_in_ms": row.sign_in, "lag_ms": row.lag,
            })
        })
        .collect();
    let seconds = TIME.as_secs();
    serde_json::json!({"cost": cost, "seconds": seconds, "rows": rows}).to_string()
}

/// A bar for each row: how late the heartbeat was, on a scale of tens.
fn chart(rows: &[Row]) -> String {
    let height = rows.len() * 18 + 40;
    let mut bars = String::new();
    for (index, row) in rows.iter().enumerate() {
        let late = row.lag[2];
        // 0.1 ms begins the scale, 10 s ends it.
        let width = ((late.max(0.1) / 0.1).log10() / 5.0 * 420.0).clamp(1.0, 420.0);
        let y = index * 18 + 30;
        writeln!(
            bars,
            "<text x=\"196\" y=\"{}\" text-anchor=\"end\">{}, {} clients</text>\
             <rect x=\"204\" y=\"{y}\" width=\"{width:.0}\" height=\"13\" fill=\"#4a7ebb\"/>\
             <text x=\"{:.0}\" y=\"{}\">{late:.1} ms</text>",
            y + 11,
            row.mode,
            row.clients,
            width + 210.0,
            y + 11
        )
        .expect("memory");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\
         <text x=\"204\" y=\"18\" font-size=\"13\">How late the heartbeat was, p99 (logarithmic)</text>\n{bars}</svg>\n"
    )
}

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let cost = std::env::var("RAMPART_BENCH_MAX_COST");
    let cost = cost.ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let hasher = PasswordHasher::builder()
        .cost(cost)
        .build()
        .expect("a valid cost");
    let password = Password::new("violet kettle parade").expect("short enough");
    let stored: Arc<str> = hasher.hash(&password).expect("hashed").into();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads");
    let bounded = |permits| {
        let pool = LoginHasher::builder(hasher.clone())
            .permits(permits)
            .deadline(DEADLINE);
        Mode::Bounded(pool.build().expect("a valid pool"))
    };
    let mut modes = vec![
        ("on async threads".to_owned(), Mode::Inline(hasher.clone())),
        ("without bound".to_owned(), Mode::Unbounded(hasher.clone())),
    ];
    let mut permits = vec![1, cores.saturating_sub(1).max(1), cores, 2 * cores];
    permits.dedup();
    modes.extend(
        permits
            .iter()
            .map(|permits| (format!("{permits} at a time"), bounded(*permits))),
    );
    let mut rows = Vec::new();
    for (name, mode) in &modes {
        for clients in [1, cores, 4 * cores, 20 * cores] {
            rows.push(measure(&runtime, name, mode, &stored, clients));
        }
    }
    let text = table(&rows);
    println!(
        "cost {cost}, {cores} cores, {} s each\n\n{text}",
        TIME.as_secs()
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    let files = [
        ("json", json(&rows, cost)),
        ("md", text),
        ("svg", chart(&rows)),
    ];
    fs::create_dir_all(&folder).expect("a folder");
    for (extension, text) in files {
        let path = folder.join(format!("hash_pool.{extension}"));
        fs::write(&path, text).expect("written");
        println!("written: {}", path.display());
    }
}
