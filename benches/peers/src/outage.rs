//! A Redis that crashes under load: what requests wait, and for how long.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tower_rampart::rate_limit::{OnFailure, RateLimitLayer, RedisLimits};
use tower_rampart::secret::Secret;

/// A request each 2 ms.
const PACE: Duration = Duration::from_millis(2);

fn server(port: u16) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

fn say(name: &str, mut waits: Vec<Duration>, admitted: usize) {
    waits.sort_unstable();
    let at = |part: usize| waits[(waits.len() * part / 1_000).min(waits.len() - 1)];
    println!(
        "{name}: {} requests, {admitted} admitted, p50 {:?}, p99 {:?}, slowest {:?}",
        waits.len(),
        at(500),
        at(990),
        waits[waits.len() - 1],
    );
}

async fn load(layer: &RateLimitLayer, time: Duration, each: &str) -> (Vec<Duration>, usize) {
    let limiter = layer.limiter();
    let end = Instant::now() + time;
    let mut tick = tokio::time::interval(PACE);
    let (mut tasks, mut index) = (Vec::new(), 0_u32);
    while Instant::now() < end {
        tick.tick().await;
        // Half of them of one caller, half of somebody new.
        let key = if index % 2 == 0 {
            each.to_owned()
        } else {
            format!("{each}-{index}")
        };
        index += 1;
        let limiter = limiter.clone();
        tasks.push(tokio::spawn(async move {
            let start = Instant::now();
            let admitted = limiter.check(key.as_bytes()).await.is_ok();
            (start.elapsed(), admitted && !key.contains('-'))
        }));
    }
    let (mut waits, mut admitted) = (Vec::new(), 0);
    for task in tasks {
        let (wait, of_caller) = task.await.expect("no panic");
        waits.push(wait);
        admitted += usize::from(of_caller);
    }
    (waits, admitted)
}

pub(super) fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let port = 16_399;
        let mut redis = server(port);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let url = format!("redis://127.0.0.1:{port}/");
        let limits = RedisLimits::builder(url, &Secret::random(48)).processes(3);
        let limits = limits.connect().await.expect("a URL");
        let layer = RateLimitLayer::builder("api", "300/1h".parse().expect("a quota"))
            .redis(&limits, OnFailure::Local)
            .build()
            .expect("valid");
        let second = Duration::from_secs(1);
        let (waits, admitted) = load(&layer, 2 * second, "before").await;
        say("with Redis", waits, admitted);
        redis.kill().expect("it runs");
        redis.wait().expect("it ends");
        let (waits, admitted) = load(&layer, second, "during").await;
        say("the first second without", waits, admitted);
        let (waits, admitted) = load(&layer, 2 * second, "during").await;
        say("then", waits, admitted);
        let mut redis = server(port);
        let start = Instant::now();
        while !limits.is_connected() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!(
            "counted together again {:?} after the start",
            start.elapsed()
        );
        let (waits, admitted) = load(&layer, second, "after").await;
        say("with Redis again", waits, admitted);
        let stats = layer.handle().stats();
        println!("{stats:?}");
        redis.kill().expect("it runs");
        redis.wait().expect("it ends");
    });
}
