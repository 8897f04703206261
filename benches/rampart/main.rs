//! What hashing and the layers cost on this machine.
//!
//! `cargo bench --features full` runs all of it; `-- bcrypt` only the hashing,
//! `-- S256` and `-- EdDSA` only the tokens.
//! `RAMPART_BENCH_MAX_COST` sets the highest bcrypt cost, 12 by default.

mod layers;
mod password;
mod tokens;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, password::bench, layers::bench, tokens::bench);
criterion_main!(benches);
