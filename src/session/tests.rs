//! The state machine as a table, and the token's MAC.

use std::time::Duration;

use super::flights::Flights;
use super::refresh_token::{RefreshKeys, RefreshToken};
use super::rotation::{MAX_REPLAYS, Presentation, Windows, classify};
use super::store::{Epochs, Receipt, SessionRecord};
use crate::clock::UnixSeconds;
use crate::jwt::EndReason;
use crate::secret::Secret;

const WINDOWS: Windows = Windows {
    grace: Duration::from_secs(10),
    lost_reply: Duration::from_secs(500),
};

/// A session at generation 5, rotated at second 1,000.
fn record() -> SessionRecord {
    SessionRecord {
        sid: "s".into(),
        subject: "u".into(),
        generation: 5,
        replays: 0,
        receipt: Receipt::Confirmed,
        epochs: Epochs::default(),
        created_at: UnixSeconds::new(0),
        authenticated_at: UnixSeconds::new(0),
        rotated_at: UnixSeconds::new(1_000),
        idle_until: UnixSeconds::new(2_000),
        absolute_until: UnixSeconds::new(3_000),
        ended: None,
        client: String::new(),
        address: String::new(),
        claims: "{}".into(),
    }
}

#[track_caller]
fn check(
    generation: u64,
    now: u64,
    change: impl FnOnce(&mut SessionRecord),
    expected: Presentation,
) {
    let mut record = record();
    change(&mut record);
    assert_eq!(
        classify(generation, Some(&record), UnixSeconds::new(now), WINDOWS),
        expected
    );
}

#[test]
fn a_presented_token_means_what_the_table_says() {
    assert_eq!(
        classify(0, None, UnixSeconds::new(0), WINDOWS),
        Presentation::Unknown
    );
    check(5, 1_000, |_| (), Presentation::Current);
    check(6, 1_000, |_| (), Presentation::FromTheFuture);
    check(4, 1_000, |_| (), Presentation::Replay);
    check(4, 1_010, |_| (), Presentation::Replay);
    check(4, 1_011, |_| (), Presentation::Reuse);
    check(
        4,
        1_000,
        |record| record.replays = MAX_REPLAYS,
        Presentation::Reuse,
    );
    check(3, 1_000, |_| (), Presentation::Reuse);
    let lost = |record: &mut SessionRecord| record.receipt = Receipt::Unconfirmed;
    check(4, 1_010, lost, Presentation::Replay);
    check(4, 1_011, lost, Presentation::LostReply);
    check(4, 1_500, lost, Presentation::LostReply);
    check(4, 1_501, lost, Presentation::Reuse);
    check(3, 1_000, lost, Presentation::Reuse);
    let repeated = |record: &mut SessionRecord| record.receipt = Receipt::Repeated;
    check(4, 1_010, repeated, Presentation::Replay);
    check(4, 1_011, repeated, Presentation::Reuse);
    check(5, 2_000, |_| (), Presentation::IdleTimeout);
    check(5, 1_999, |_| (), Presentation::Current);
    check(
        5,
        3_000,
        |record| record.idle_until = UnixSeconds::new(3_000),
        Presentation::Expired,
    );
    check(3, 3_000, |_| (), Presentation::Expired);
    check(
        5,
        1_000,
        |record| record.ended = Some(EndReason::Logout),
        Presentation::Revoked(EndReason::Logout),
    );
}

#[test]
fn a_token_with_any_byte_changed_is_not_a_token() {
    let keys = RefreshKeys::from_secrets([&Secret::random(48)]);
    let token = RefreshToken::first([7; 16]).at_generation(9);
    let text = keys.encode(&token);
    assert_eq!(text.len(), 64);
    assert_eq!(keys.decode(&text), Some(token));
    for index in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(keys.decode(&altered), None, "byte {index}");
    }
    for altered in ["", "rt1_", &text[..63], &format!("{text}A"), &text[4..]] {
        assert_eq!(keys.decode(altered), None, "{altered}");
    }
}

#[test]
fn a_token_of_the_previous_secret_is_read_and_answered_with_the_current_one() {
    let (old, new) = (Secret::random(48), Secret::random(48));
    let token = RefreshToken::first([7; 16]);
    let text = RefreshKeys::from_secrets([&old]).encode(&token);
    let rotated = RefreshKeys::from_secrets([&new, &old]);
    assert_eq!(rotated.decode(&text).as_ref(), Some(&token));
    assert_ne!(rotated.encode(&token), text);
    assert_eq!(RefreshKeys::from_secrets([&new]).decode(&text), None);
}

#[test]
fn an_answer_is_given_to_those_who_waited_for_it_and_nobody_later() {
    use std::future::ready;
    use std::task::{Context, Poll, Waker};
    let mut context = Context::from_waker(Waker::noop());
    let flights = Flights::default();
    let key = (RefreshToken::first([7; 16]).id(), 0);
    let gate = tokio::sync::Notify::new();
    let mut first = Box::pin(flights.join(key, async {
        gate.notified().await;
        1
    }));
    let mut second = Box::pin(flights.join(key, ready(2)));
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    gate.notify_one();
    assert_eq!(first.as_mut().poll(&mut context), Poll::Ready(1));
    // The second has not been woken yet, and its seat is still taken.
    let mut late = Box::pin(flights.join(key, ready(3)));
    assert_eq!(late.as_mut().poll(&mut context), Poll::Ready(3));
    assert_eq!(second.as_mut().poll(&mut context), Poll::Ready(1));
}
