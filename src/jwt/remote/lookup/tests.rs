//! When an issuer is asked.

use super::*;

#[test]
fn strangers_make_one_fetch_in_thirty_seconds() {
    let at = Duration::from_secs;
    let mut lookups = Lookups::default();
    assert_eq!(lookups.next("a", true, at(100)), Next::Fetch);
    assert_eq!(lookups.next("b", true, at(100)), Next::Wait);
    lookups.ended();
    lookups.note_unknown("a".to_owned(), at(101));
    assert_eq!(lookups.next("b", true, at(129)), Next::GiveUp);
    assert_eq!(
        lookups.next("a", true, at(130)),
        Next::GiveUp,
        "asked for already"
    );
    assert_eq!(lookups.next("b", true, at(130)), Next::Fetch);
    lookups.ended();
    assert_eq!(
        lookups.next("a", true, at(161)),
        Next::Fetch,
        "asked long ago"
    );
    lookups.ended();
    assert_eq!(lookups.next("a", false, at(165)), Next::GiveUp);
    assert_eq!(
        lookups.next("a", false, at(166)),
        Next::Fetch,
        "no keys at all"
    );
}

#[test]
fn the_memory_of_unknown_keys_is_bounded() {
    let mut lookups = Lookups::default();
    for index in 0..5_000 {
        lookups.note_unknown(index.to_string(), Duration::from_secs(1));
    }
    assert_eq!(lookups.unknown.len(), MAX_UNKNOWN);
    lookups.note_unknown("late".to_owned(), Duration::from_secs(62));
    assert_eq!(lookups.unknown.len(), 1);
}
