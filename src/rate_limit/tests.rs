//! The table behind the limiter.

use super::store::BoundedStore;

fn owe(store: &BoundedStore, key: &[u8], arrival: u64) -> Option<u64> {
    let outcome: Result<Option<u64>, ()> = store.decide(&[store.slot([0, 0], key)], |owed| {
        Ok(owed[0].replace(arrival))
    });
    outcome.expect("the closure does not fail")
}

#[test]
fn what_a_key_owes_is_kept_until_it_is_forgotten() {
    let store = BoundedStore::with_capacity(1024);
    assert_eq!(owe(&store, b"a", 7), None);
    assert_eq!(owe(&store, b"a", 9), Some(7));
    let slot = store.slot([0, 0], b"a");
    let forgotten: Result<(), ()> = store.decide(&[slot], |owed| {
        owed[0] = None;
        Ok(())
    });
    forgotten.expect("it does not fail");
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
    let refused: Result<(), &str> = store.decide(&[store.slot([0, 0], b"a")], |owed| {
        owed[0] = Some(9);
        Err("limited")
    });
    assert!(refused.is_err());
    assert_eq!(owe(&store, b"a", 8), Some(7));
}
