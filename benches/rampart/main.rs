//! What hashing and the layers cost on this machine.
//!
//! `cargo bench --features full --bench rampart` runs all of it; `-- bcrypt` only the hashing,
//! `-- S256` and `-- EdDSA` only the tokens, `-- session` only the sessions.
//! `RAMPART_BENCH_MAX_COST` sets the highest bcrypt cost, 14 by default.

mod layers;
mod password;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/it/services.rs"]
mod services;
mod sessions;
mod tokens;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    password::bench,
    layers::bench,
    tokens::bench,
    sessions::bench
);
criterion_main!(benches);
