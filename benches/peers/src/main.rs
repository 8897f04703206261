//! The limiter beside its neighbours, in one run:
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --bench
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- flood
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- load
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- outage
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- preflights
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- tables
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- uploads
//! ```
//!
//! The first measures time and allocations; only ratios mean something. The
//! second sends ten million clients and measures memory and the slowest checks.
//! The third counts requests over loopback, with the whole stack and without. The
//! fourth needs `redis-server`, and ends it under load. The fifth sends preflights
//! with long lists of headers. The sixth compares every layer, and a whole stack, by
//! turns, and writes a table, JSON and a chart. The last uploads files through the
//! layer and without it.

mod flood;
mod load;
mod origins;
mod others;
mod outage;
mod preflights;
mod report;
mod stand_ins;
mod tables;
mod uploads;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::extract::ConnectInfo;
use criterion::Criterion;
use http::{Request, Response};
use rand::seq::SliceRandom as _;
use tower::{Layer, Service};
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_rampart::identity::PeerAddr;
use tower_rampart::rate_limit::{RateLimitLayer, RateLimiter};

/// Answers at once.
#[derive(Clone, Debug)]
struct Nothing;

impl Service<Request<Body>> for Nothing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

/// Runs what is ready at its first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}

fn ours(quota: &str, capacity: usize) -> RateLimitLayer {
    RateLimitLayer::builder("api", quota.parse().expect("a quota"))
        .capacity(capacity)
        .build()
        .expect("valid")
}

/// So many at once that nobody is ever refused.
const PLENTY: u32 = 4_000_000_000;

/// The same, a million of which come back each second.
const PLENTIFUL: &str = "1000000/1s,burst=4000000000";

fn plentiful() -> governor::Quota {
    let million = NonZeroU32::new(1_000_000).expect("positive");
    let burst = NonZeroU32::new(PLENTY).expect("positive");
    governor::Quota::per_second(million).allow_burst(burst)
}

fn theirs() -> governor::DefaultKeyedRateLimiter<IpAddr> {
    governor::RateLimiter::keyed(plentiful())
}

fn check(limiter: &RateLimiter, address: Ipv4Addr) {
    black_box(now(limiter.check(&address.octets()))).expect("never refused");
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    let hot = Ipv4Addr::new(192, 0, 2, 1);
    let direct = governor::RateLimiter::direct(plentiful());
    group.bench_function("governor/direct", |bencher| {
        bencher.iter(|| black_box(direct.check()).expect("never refused"));
    });
    let keyed = theirs();
    group.bench_function("governor/hot key", |bencher| {
        bencher.iter(|| black_box(keyed.check_key(&IpAddr::V4(hot))).expect("never refused"));
    });
    let limiter = ours(PLENTIFUL, 1 << 18).limiter();
    group.bench_function("rampart/hot key", |bencher| {
        bencher.iter(|| check(&limiter, hot));
    });

    let mut addresses: Vec<Ipv4Addr> = (0..1_u32 << 20).map(Ipv4Addr::from).collect();
    addresses.shuffle(&mut rand::rng());
    let limiter = ours(PLENTIFUL, 1 << 21).limiter();
    for address in &addresses {
        keyed
            .check_key(&IpAddr::V4(*address))
            .expect("never refused");
        check(&limiter, *address);
    }
    let mut each = addresses.iter().cycle();
    group.bench_function("governor/a million keys", |bencher| {
        bencher.iter(|| {
            let address = IpAddr::V4(*each.next().expect("endless"));
            black_box(keyed.check_key(&address)).expect("never refused");
        });
    });
    group.bench_function("rampart/a million keys", |bencher| {
        bencher.iter(|| check(&limiter, *each.next().expect("endless")));
    });
    group.finish();
    let count = allocation_counter::measure(|| check(&limiter, hot)).count_total;
    println!("allocations of an admitted check: {count}");
}

fn request() -> Request<Body> {
    let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
    Request::builder()
        .extension(PeerAddr(peer))
        .extension(ConnectInfo(peer))
        .body(Body::empty())
        .expect("legal")
}

fn run<S>(service: &mut S, request: Request<Body>) -> u16
where
    S: Service<Request<Body>>,
    S::Response: Answered,
    S::Error: std::fmt::Debug,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    now(service.call(request)).expect("an answer").answered()
}

trait Answered {
    fn answered(self) -> u16;
}

impl<B> Answered for Response<B> {
    fn answered(self) -> u16 {
        black_box(self).status().as_u16()
    }
}

fn layers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layer");
    let their_layer = |period: u64, burst: u32| {
        let config = GovernorConfigBuilder::default()
            .per_nanosecond(period)
            .burst_size(burst)
            .use_headers()
            .finish();
        GovernorLayer::new(Arc::new(config.expect("valid")))
    };
    macro_rules! measure {
        ($name:literal, $status:literal, $service:expr) => {
            let mut service = $service;
            run(&mut service, request());
            assert_eq!(run(&mut service, request()), $status);
            let count = allocation_counter::measure(|| {
                run(&mut service, request());
            });
            let bare = allocation_counter::measure(|| {
                run(&mut Nothing, request());
            });
            let count = count.count_total - bare.count_total;
            println!("allocations of {}, beyond the service's: {count}", $name);
            group.bench_function($name, |bencher| {
                bencher.iter_batched(
                    request,
                    |request| run(&mut service, request),
                    criterion::BatchSize::SmallInput,
                );
            });
        };
    }
    measure!("none", 200, Nothing);
    measure!(
        "tower_governor/admitted",
        200,
        their_layer(1_000, PLENTY).layer(Nothing)
    );
    measure!(
        "rampart/admitted",
        200,
        ours(PLENTIFUL, 1 << 18).layer(Nothing)
    );
    measure!(
        "tower_governor/refused",
        429,
        their_layer(u64::MAX / 4, 1).layer(Nothing)
    );
    measure!(
        "rampart/refused",
        429,
        ours("1/31d", 1 << 18).layer(Nothing)
    );
    group.finish();
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.first().map_or("", String::as_str) {
        "flood" => return flood::run(),
        "load" => return load::run(),
        "outage" => return outage::run(),
        "preflights" => return preflights::run(),
        "serve" => return load::serve(arguments.get(1).is_some_and(|kind| kind == "stack")),
        "tables" => return report::write(),
        "uploads" => return uploads::run(),
        _ => {}
    }
    let mut criterion = Criterion::default()
        .warm_up_time(std::time::Duration::from_secs(1))
        .measurement_time(std::time::Duration::from_secs(3))
        .configure_from_args();
    decisions(&mut criterion);
    layers(&mut criterion);
    origins::bench(&mut criterion);
    criterion.final_summary();
}
