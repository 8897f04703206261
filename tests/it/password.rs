//! The pool around the hasher.

use std::time::Duration;

use tower_rampart::password::{
    HashError, LoginHasher, MismatchReason, Password, PasswordHasher, PasswordPolicy, PoolStats,
    Problem, Verified,
};

fn password(text: &str) -> Password {
    Password::new(text).expect("short enough")
}

fn pool(permits: usize, deadline: Duration) -> LoginHasher {
    let hasher = PasswordHasher::builder().cost(10).build().expect("valid");
    LoginHasher::builder(hasher)
        .permits(permits)
        .deadline(deadline)
        .build()
        .expect("valid")
}

#[tokio::test]
async fn unknown_locked_and_wrong_are_told_apart_only_by_the_audit() {
    let pool = pool(1, Duration::from_secs(10));
    let stored = pool
        .hash_new(password("violet kettle parade"))
        .await
        .expect("hashed");
    for (stored, expected) in [
        (None, MismatchReason::NoAccount),
        (Some("!locked".to_owned()), MismatchReason::Locked),
        (Some("plain".to_owned()), MismatchReason::Unreadable),
        (Some(stored), MismatchReason::WrongPassword),
    ] {
        let outcome = pool
            .verify_login(password("wrong"), stored)
            .await
            .expect("not busy");
        assert_eq!(outcome, Verified::Mismatch { reason: expected });
    }
}

#[tokio::test]
async fn work_that_cannot_be_done_in_time_is_refused_at_once() {
    // One permit and a deadline of 50 ms: a few may wait, the rest may not.
    let pool = pool(1, Duration::from_millis(50));
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.verify_login(password("x"), None).await })
        })
        .collect();
    let mut refused = 0;
    for attempt in attempts {
        if let Err(busy) = attempt.await.expect("no panic") {
            assert!(busy.retry_after() >= Duration::from_secs(1));
            refused += 1;
        }
    }
    assert!(refused >= 17, "{refused}");
    let PoolStats {
        waiting,
        refused: counted,
        ..
    } = pool.stats();
    assert_eq!((waiting, counted), (0, refused));
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_takes_its_work_along() {
    let pool = pool(1, Duration::from_secs(10));
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { pool.verify_login(password("x"), None).await }
    });
    tokio::task::yield_now().await;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.verify_login(password("x"), None).await }
    });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.is_err());
    running.await.expect("no panic").expect("not busy");
    assert_eq!((pool.stats().waiting, pool.stats().done), (0, 1));
}

#[tokio::test]
async fn a_nul_is_refused_before_hashing() {
    let outcome = pool(1, Duration::from_secs(10))
        .hash_new(password("violet\0kettle parade"))
        .await;
    assert_eq!(outcome, Err(HashError::Nul));
}

#[test]
fn settings_that_protect_nobody_are_problems() {
    for (cost, cap) in [(4, 15), (9, 15), (16, 15), (12, 31)] {
        assert!(
            PasswordHasher::builder()
                .cost(cost)
                .max_verify_cost(cap)
                .build()
                .is_err(),
            "{cost} {cap}"
        );
    }
    let hasher = PasswordHasher::builder().cost(10).build().expect("valid");
    let problems = LoginHasher::builder(hasher)
        .permits(0)
        .build()
        .expect_err("no permits")
        .into_problems();
    assert_eq!(problems, [Problem::Permits { permits: 0 }]);
    assert!(PasswordPolicy::with_min_chars(7).is_err());
}
