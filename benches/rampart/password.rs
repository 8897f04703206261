//! bcrypt, cost by cost: each step doubles the time. Pick the highest cost that
//! a sign-in can bear, and see what everything around it adds.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use tower_rampart::password::{Password, PasswordHasher, PreHash};

/// Measures new hashes from cost 10 on, with and without the condensing.
pub(crate) fn bench(criterion: &mut Criterion) {
    let max = std::env::var("RAMPART_BENCH_MAX_COST")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(12);
    let password = Password::new("violet kettle parade").expect("short enough");
    let mut group = criterion.benchmark_group("bcrypt");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(1));
    for cost in 10..=max {
        for (name, prehash) in [("plain", PreHash::None), ("salted-hmac", PreHash::SaltHmac)] {
            let hasher = PasswordHasher::builder()
                .cost(cost)
                .prehash(prehash)
                .build()
                .expect("a valid cost");
            group.bench_function(BenchmarkId::new(name, cost), |bencher| {
                bencher.iter(|| black_box(hasher.hash(&password).expect("hashed")));
            });
        }
    }
    group.finish();
}
