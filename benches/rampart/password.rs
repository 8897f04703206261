//! bcrypt, cost by cost: each step doubles the time. Pick the highest cost that
//! a sign-in can bear, and see what everything around it adds.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use hmac::{Hmac, KeyInit as _, Mac as _};
use tower_rampart::password::{Argon2id, Password, PasswordHasher, PasswordPolicy, PreHash};

/// Measures the costs, and what stands around them.
pub(crate) fn bench(criterion: &mut Criterion) {
    let max = std::env::var("RAMPART_BENCH_MAX_COST")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(14);
    bare(criterion, max);
    whole(criterion, max);
    argon2id(criterion);
    around(criterion);
}

fn slow<'a>(
    criterion: &'a mut Criterion,
    name: &str,
) -> criterion::BenchmarkGroup<'a, criterion::measurement::WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Elements(1));
    group
}

/// The bare crate, from a cost that nobody should use any more.
fn bare(criterion: &mut Criterion, max: u32) {
    let mut group = slow(criterion, "bcrypt/cost");
    for cost in 4..=max {
        group.bench_function(BenchmarkId::from_parameter(cost), |bencher| {
            bencher.iter(|| bcrypt::bcrypt(cost, [7; 16], black_box(b"violet kettle parade\0")));
        });
    }
    group.finish();
}

/// What is stored, with and without the condensing.
fn whole(criterion: &mut Criterion, max: u32) {
    let password = Password::new("violet kettle parade").expect("short enough");
    let mut group = slow(criterion, "bcrypt/compare");
    for cost in (10..=max.min(12)).filter_map(|cost| u8::try_from(cost).ok()) {
        for (name, prehash) in [("plain", PreHash::None), ("salted-hmac", PreHash::SaltHmac)] {
            let hasher = PasswordHasher::builder().cost(cost).prehash(prehash);
            let hasher = hasher.build().expect("a valid cost");
            group.bench_function(BenchmarkId::new(name, cost), |bencher| {
                bencher.iter(|| black_box(hasher.hash(&password).expect("hashed")));
            });
        }
        group.bench_function(BenchmarkId::new("bare crate", cost), |bencher| {
            bencher.iter(|| bcrypt::hash(black_box("violet kettle parade"), cost.into()));
        });
    }
    group.finish();
}

/// The settings of OWASP's table that are allowed here, and a larger one.
fn argon2id(criterion: &mut Criterion) {
    let password = Password::new("violet kettle parade").expect("short enough");
    let mut group = slow(criterion, "argon2id/params");
    for (memory_kib, passes) in [
        (7_168, 5),
        (9_216, 4),
        (12_288, 3),
        (19_456, 2),
        (47_104, 1),
        (65_536, 3),
    ] {
        let costs = Argon2id::new(memory_kib, passes, 1).expect("allowed");
        let hasher = PasswordHasher::builder().argon2id(costs);
        let hasher = hasher.build().expect("valid");
        let name = format!("m={memory_kib},t={passes}");
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(hasher.hash(&password).expect("hashed")));
        });
    }
    group.finish();
}

/// Nothing of this may matter beside a hash.
fn around(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prehash");
    for bytes in [8, 72, 1_024] {
        let password = vec![b'x'; bytes];
        group.bench_function(BenchmarkId::new("HMAC-SHA256", bytes), |bencher| {
            bencher.iter(|| {
                let mac = Hmac::<sha2::Sha256>::new_from_slice(b"abcdefghijklmnopqrstuu");
                mac.expect("any length")
                    .chain_update(black_box(&password))
                    .finalize()
            });
        });
        group.bench_function(BenchmarkId::new("HMAC-SHA384", bytes), |bencher| {
            bencher.iter(|| {
                let mac = Hmac::<sha2::Sha384>::new_from_slice(&[7; 32]);
                mac.expect("any length")
                    .chain_update(black_box(&password))
                    .finalize()
            });
        });
    }
    group.finish();

    let hasher = PasswordHasher::builder().build().expect("valid");
    let good = hasher
        .hash(&Password::new("violet").expect("short"))
        .expect("hashed");
    let mut group = criterion.benchmark_group("parse");
    for (name, stored) in [
        ("ours", &*good),
        (
            "$2a$",
            "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi",
        ),
        ("cut", &good[..good.len() - 1]),
        ("plain text", "violet kettle parade"),
        ("long", &"$2b$04$".repeat(100)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| hasher.needs_rehash(black_box(stored)));
        });
    }
    group.finish();

    let policy = PasswordPolicy::default();
    let mut group = criterion.benchmark_group("policy");
    for (name, text) in [
        ("three words", "violet kettle parade"),
        ("256 characters", &"xyz vw".repeat(43)[..256]),
    ] {
        let password = Password::new(text).expect("short enough");
        group.bench_function(name, |bencher| {
            bencher.iter(|| policy.check(black_box(&password), &["ann@example.com"]));
        });
    }
    group.finish();
}
