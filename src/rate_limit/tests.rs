//! The table behind the limiter.

use governor::nanos::Nanos;
use governor::state::StateStore as _;

use super::store::BoundedStore;

fn owe(store: &BoundedStore, key: &[u8], arrival: u64) -> Option<u64> {
    let slot = store.slot(key);
    let outcome: Result<Option<u64>, ()> = store.measure_and_replace(&slot, |known| {
        Ok((known.map(Nanos::as_u64), Nanos::new(arrival)))
    });
    outcome.expect("the closure does not fail")
}

#[test]
fn what_a_key_owes_is_kept_until_it_is_forgotten() {
    let store = BoundedStore::with_capacity(1024);
    assert_eq!(owe(&store, b"a", 7), None);
    assert_eq!(owe(&store, b"a", 9), Some(7));
    store.forget(store.slot(b"a"));
    assert_eq!(owe(&store, b"a", 1), None);
}

#[test]
fn a_flood_of_new_keys_does_not_free_the_one_that_owes_most() {
    let store = BoundedStore::with_capacity(1024);
    owe(&store, b"abuser", 1_000_000);
    for key in 0_u32..100_000 {
        owe(&store, &key.to_be_bytes(), 1_000);
    }
    assert_eq!(owe(&store, b"abuser", 1_000_001), Some(1_000_000));
}

#[test]
fn a_refusal_writes_nothing() {
    let store = BoundedStore::with_capacity(1024);
    owe(&store, b"a", 7);
    let refused: Result<(), &str> =
        store.measure_and_replace(&store.slot(b"a"), |_| Err("limited"));
    assert!(refused.is_err());
    assert_eq!(owe(&store, b"a", 8), Some(7));
}
