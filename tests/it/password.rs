//! The pool around the hasher.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use tower_rampart::password::{
    BreachChecker, BreachErrorKind, BreachFile, BreachRange, HashError, LoginHasher,
    MismatchReason, Password, PasswordHasher, PasswordPolicy, PoolStats, Problem, Verified,
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vanish_in_mid_hash_leave_nothing_running_beyond_the_bound() {
    let pool = pool(1, Duration::from_secs(5));
    let mut most = 0;
    for _ in 0..100 {
        let pool = pool.clone();
        let before = pool.stats().running;
        let client = tokio::spawn({
            let pool = pool.clone();
            async move { pool.verify_login(password("x"), None).await }
        });
        // Until the hash of this one, or of one before, has begun.
        while pool.stats().running == 0 && before == 0 {
            tokio::task::yield_now().await;
        }
        most = most.max(pool.stats().running);
        client.abort();
        let _ = client.await;
        most = most.max(pool.stats().running);
    }
    assert_eq!(most, 1, "one at a time was allowed");
    let deadline = Instant::now() + Duration::from_secs(10);
    while pool.stats().running > 0 {
        assert!(Instant::now() < deadline, "it ends");
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.stats().waiting, 0);
    let next = pool.verify_login(password("x"), None).await;
    assert!(next.is_ok(), "and the next one is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_new_passwords_keeps_nobody_from_signing_in() {
    let pool = pool(1, Duration::from_secs(30));
    let registrations: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.hash_new(password("violet kettle parade")).await })
        })
        .collect();
    while pool.stats().running == 0 {
        tokio::task::yield_now().await;
    }
    let before = pool.stats().done;
    pool.verify_login(password("x"), None)
        .await
        .expect("not busy");
    // The one that ran, perhaps one whose turn had come, and the sign-in itself.
    let done = pool.stats().done - before;
    assert!(done <= 3, "{done} were served first");
    for registration in registrations {
        registration.abort();
    }
}

/// SHA-1 of `violet kettle parade`.
const LEAKED: &str = "90DC2777CAEB30D48D7B3BC08915B47B035F0C16";

fn listed(lines: &[String]) -> std::path::PathBuf {
    let name = format!(
        "rampart-leaked-{:032x}",
        u128::from_be_bytes(tower_rampart::secret::random_bytes())
    );
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, lines.concat()).expect("written");
    path
}

#[tokio::test]
async fn a_leaked_password_is_found_in_a_file_wherever_it_stands() {
    let others = |before: usize, after: usize| {
        let low = (0..before).map(|n| format!("{n:040X}:{n}\r\n"));
        let high = (0..after).map(|n| format!("F{n:039x}\n"));
        (low.collect::<Vec<_>>(), high.collect::<Vec<_>>())
    };
    for (before, after) in [(0, 0), (0, 1), (1, 0), (1, 1), (7, 2_000), (2_000, 7)] {
        for (line, expected) in [
            (format!("{LEAKED}:12\n"), true),
            (LEAKED.to_lowercase(), true),
            (format!("{LEAKED}:0\r\n"), false),
            (format!("{}:5\n", LEAKED.replace('A', "B")), false),
        ] {
            let (low, high) = others(before, after);
            let end = if line.ends_with('\n') || after == 0 {
                ""
            } else {
                "\n"
            };
            let lines = [low, vec![format!("{line}{end}")], high].concat();
            let path = listed(&lines);
            let list = BreachFile::open(&path).expect("a list");
            let found = list.is_breached(&password("violet kettle parade")).await;
            assert_eq!(
                found.expect("readable"),
                expected,
                "{before} {line:?} {after}"
            );
            std::fs::remove_file(path).expect("removed");
        }
    }
}

#[tokio::test]
async fn what_is_no_list_of_leaked_passwords_is_said_to_be_none() {
    for lines in [
        "",
        "\n",
        "hello\n",
        "0123\n",
        "ffff",
        &format!("{LEAKED}:x\n"),
    ] {
        let path = listed(&[lines.to_owned()]);
        let error = BreachFile::open(&path).expect_err("no list");
        assert!(error.to_string().contains("SHA-1"), "{error}");
        std::fs::remove_file(path).expect("removed");
    }
    // As it is offered, too: by how often each was seen.
    let by_count: Vec<String> = (0..5_000_u32)
        .map(|n| {
            let digest =
                (u128::from(n) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C834);
            format!("{digest:032X}{n:08X}:{}\n", 9_000 - n)
        })
        .collect();
    let unordered = listed(&by_count);
    let error = BreachFile::open(&unordered).expect_err("not in order");
    assert_eq!(error.kind(), BreachErrorKind::Malformed);
    std::fs::remove_file(unordered).expect("removed");
    // One that was replaced by something else, or is empty now.
    let list = listed(&[format!("{LEAKED}:1\n")]);
    let opened = BreachFile::open(&list).expect("a list");
    for now in [by_count.concat(), String::new()] {
        std::fs::write(&list, now).expect("written");
        let asked = opened.is_breached(&password("violet kettle parade")).await;
        assert_eq!(
            asked.expect_err("no list").kind(),
            BreachErrorKind::Malformed
        );
    }
    std::fs::remove_file(list).expect("removed");
    let list = listed(&[format!("{LEAKED}:1\n")]);
    let opened = BreachFile::open(&list).expect("a list");
    std::fs::remove_file(list).expect("removed");
    let error = opened.is_breached(&password("x")).await.expect_err("gone");
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");
}

/// Answers as the service does, and knows one password.
async fn range_service() -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let answer = async move |Path(prefix): Path<String>, headers: HeaderMap| {
        seen.lock().expect("unpoisoned").push(prefix.clone());
        if headers
            .get("add-padding")
            .is_none_or(|value| value != "true")
        {
            return (StatusCode::BAD_REQUEST, String::new());
        }
        let padding = format!("{:035X}:0\r\n", 7);
        let tail = &LEAKED[5..];
        match &*prefix {
            prefix if prefix == &LEAKED[..5] => {
                (StatusCode::OK, format!("{padding}{tail}:3\r\n{:035X}:9", 9))
            }
            // What `padded out` begins with: listed to make the answer longer.
            prefix if prefix == &PADDED[..5] => (StatusCode::OK, format!("{}:0", &PADDED[5..])),
            prefix if prefix == &EMPTY[..5] => (StatusCode::OK, String::new()),
            prefix if prefix == &BROKEN[..5] => (StatusCode::OK, "<html>".to_owned()),
            _ => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}/range/", listener.local_addr().expect("bound"));
    let router = Router::new().route("/range/{prefix}", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

const PADDED: &str = "191DA4F20B6EF6CA413BE87E4FE574FA29B14069";
const EMPTY: &str = "72EC53A3760474E9D92D96D8356E2A80343176E8";
const BROKEN: &str = "A91C338F48502D90B79022E8FB4236AC2CADF653";

#[tokio::test]
async fn a_service_is_told_five_digits_and_nothing_else() {
    let (url, asked) = range_service().await;
    let service = BreachRange::at(&url).expect("on this machine");
    let found = service.is_breached(&password("violet kettle parade")).await;
    assert!(found.expect("an answer"));
    assert_eq!(*asked.lock().expect("unpoisoned"), [&LEAKED[..5]]);
    // Letters with accents are looked up as they are kept.
    asked.lock().expect("unpoisoned").clear();
    for spelling in ["p\u{e4}ssword", "pa\u{308}ssword"] {
        let _ = service.is_breached(&password(spelling)).await;
    }
    let prefixes = asked.lock().expect("unpoisoned").clone();
    assert_eq!(prefixes[0], prefixes[1]);
    let padded = service.is_breached(&password("padded out")).await;
    assert!(!padded.expect("an answer"), "counted 0 times");
    for text in ["broken page", "nothing at all", "anything else"] {
        let error = service.is_breached(&password(text)).await;
        let error = format!("{:?}", error.expect_err("no answer"));
        assert!(!error.contains("range/"), "{error}");
    }
    for url in [
        "http://api.example/range/",
        "ftp://127.0.0.1/",
        "range",
        "https://api.example/range",
        "https://api.example/range/#",
        "https://user@api.example/range/",
    ] {
        assert!(BreachRange::at(url).is_err(), "{url}");
    }
}
