//! One conformance suite over all stores.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tower_rampart::clock::Clock;
use tower_rampart::jwt::VerifyErrorKind;
use tower_rampart::secret::Secret;
use tower_rampart::session::{
    EndReason, EndSessions, MemoryStore, NewSession, Problem, RefreshErrorKind, SqliteStore,
    TokenIssuer,
};

use super::{Case, NOW, clock, database, every_issuer, every_store, issuer_with};

#[track_caller]
fn kind<T>(outcome: Result<T, tower_rampart::session::RefreshError>) -> Option<RefreshErrorKind> {
    outcome.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_token_rotates_and_its_predecessor_gets_the_same_successor_for_a_moment() {
    for (store, issuer, clock) in every_issuer().await {
        let first = issuer
            .start(NewSession::of("ann").claim("roles", vec!["user"]))
            .await
            .expect("started");
        clock.advance(Duration::from_secs(60));
        let second = issuer
            .refresh(first.refresh_token())
            .await
            .expect("rotated");
        assert_ne!(second.refresh_token(), first.refresh_token(), "{store}");
        let replayed = issuer
            .refresh(first.refresh_token())
            .await
            .expect("a retry");
        assert_eq!(replayed.refresh_token(), second.refresh_token(), "{store}");
        assert_eq!(replayed.session().generation, 1, "{store}");

        let claims = issuer
            .verifier()
            .verify(second.access_token().as_str(), clock.unix_now())
            .expect("genuine");
        assert_eq!(
            (claims.subject(), claims.session()),
            ("ann", Some(first.session().sid.as_str())),
            "{store}"
        );
        assert!(claims.into_principal().has_role("user"), "{store}");
    }
}

#[tokio::test]
async fn a_superseded_token_ends_the_session_and_its_access_tokens() {
    for (store, issuer, clock) in every_issuer().await {
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        let second = issuer
            .refresh(first.refresh_token())
            .await
            .expect("rotated");
        clock.advance(Duration::from_secs(11));
        assert_eq!(
            kind(issuer.refresh(first.refresh_token()).await),
            Some(RefreshErrorKind::Reused),
            "{store}"
        );
        let error = issuer
            .refresh(second.refresh_token())
            .await
            .expect_err("over");
        assert_eq!(
            (error.kind(), error.reason()),
            (RefreshErrorKind::Revoked, Some(EndReason::Reuse)),
            "{store}"
        );
        assert!(
            issuer.revocations().contains(&first.session().sid),
            "{store}"
        );
        assert!(
            issuer.list("ann").await.expect("listed").is_empty(),
            "{store}"
        );
    }
}

#[tokio::test]
async fn two_generations_old_is_reuse_even_within_the_grace_period() {
    for (store, issuer, _) in every_issuer().await {
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        let second = issuer
            .refresh(first.refresh_token())
            .await
            .expect("rotated");
        issuer
            .refresh(second.refresh_token())
            .await
            .expect("rotated");
        assert_eq!(
            kind(issuer.refresh(first.refresh_token()).await),
            Some(RefreshErrorKind::Reused),
            "{store}"
        );
    }
}

#[tokio::test]
async fn thief_and_owner_cannot_take_turns() {
    for (store, issuer, clock) in every_issuer().await {
        let mut owner = issuer
            .start(NewSession::of("ann"))
            .await
            .expect("started")
            .refresh_token()
            .to_owned();
        let mut thief = owner.clone();
        let mut rounds = 0;
        loop {
            let Ok(stolen) = issuer.refresh(&thief).await else {
                break;
            };
            thief = stolen.refresh_token().to_owned();
            clock.advance(Duration::from_secs(30));
            let Ok(renewed) = issuer.refresh(&owner).await else {
                break;
            };
            owner = renewed.refresh_token().to_owned();
            clock.advance(Duration::from_secs(30));
            rounds += 1;
            assert!(rounds < 3, "{store}: not noticed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_at_once_get_one_successor() {
    for Case { name, store } in every_store().await {
        let clock = clock();
        // Nothing is shared but the store, as between processes.
        let issuers: Vec<_> = (0..64)
            .map(|_| {
                issuer_with(Arc::clone(&store), &clock)
                    .build()
                    .expect("valid")
            })
            .collect();
        for _ in 0..3 {
            let first = issuers[0]
                .start(NewSession::of("ann"))
                .await
                .expect("started");
            let presenters: Vec<_> = issuers
                .iter()
                .map(|issuer| {
                    let (issuer, token) = (issuer.clone(), first.refresh_token().to_owned());
                    tokio::spawn(async move { issuer.refresh(&token).await })
                })
                .collect();
            let mut successors = HashSet::new();
            for presenter in presenters {
                let tokens = presenter.await.expect("no panic");
                let tokens = tokens.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(tokens.session().generation, 1, "{name}");
                successors.insert(tokens.refresh_token().to_owned());
            }
            assert_eq!(successors.len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn sessions_end_when_idle_and_in_any_case() {
    for (store, issuer, clock) in every_issuer().await {
        let idle = issuer.start(NewSession::of("ann")).await.expect("started");
        clock.advance(Duration::from_secs(14 * 86_400));
        let outcome = issuer.refresh(idle.refresh_token()).await;
        assert_eq!(
            kind(outcome),
            Some(RefreshErrorKind::IdleTimeout),
            "{store}"
        );

        let mut tokens = issuer.start(NewSession::of("ann")).await.expect("started");
        for _ in 0..8 {
            clock.advance(Duration::from_secs(10 * 86_400));
            tokens = issuer
                .refresh(tokens.refresh_token())
                .await
                .expect("in use");
        }
        let left = tokens.refresh_lifetime();
        assert_eq!(
            left,
            Duration::from_secs(10 * 86_400),
            "{store}: not past the absolute end"
        );
        clock.advance(left);
        assert_eq!(
            kind(issuer.refresh(tokens.refresh_token()).await),
            Some(RefreshErrorKind::Expired),
            "{store}"
        );
    }
}

#[tokio::test]
async fn a_subject_sees_and_ends_their_own_sessions_only() {
    for (store, issuer, clock) in every_issuer().await {
        let start = |who: &str, client: &str| {
            issuer.start(NewSession::of(who).client(client).address("192.0.2.1"))
        };
        let phone = start("ann", "phone").await.expect("started");
        clock.advance(Duration::from_secs(1));
        let laptop = start("ann", "laptop").await.expect("started");
        let other = start("bob", "phone").await.expect("started");
        let listed: Vec<_> = issuer
            .list("ann")
            .await
            .expect("listed")
            .into_iter()
            .map(|s| s.client)
            .collect();
        assert_eq!(listed, ["laptop", "phone"], "{store}");

        let foreign = EndSessions::One {
            subject: "ann",
            sid: &other.session().sid,
        };
        let ended = issuer.end(foreign, EndReason::Terminated).await;
        assert!(!ended.expect("asked"), "{store}");
        let rest = EndSessions::Subject {
            subject: "ann",
            keep: Some(&laptop.session().sid),
        };
        let ended = issuer.end(rest, EndReason::CredentialsChanged).await;
        assert!(ended.expect("asked"), "{store}");
        assert_eq!(
            kind(issuer.refresh(phone.refresh_token()).await),
            Some(RefreshErrorKind::Revoked),
            "{store}"
        );
        assert_eq!(
            kind(issuer.refresh(laptop.refresh_token()).await),
            None,
            "{store}"
        );
        assert_eq!(
            kind(issuer.refresh(other.refresh_token()).await),
            None,
            "{store}"
        );

        issuer
            .end_by_refresh_token(laptop.refresh_token(), EndReason::Logout)
            .await
            .expect("asked");
        issuer
            .end_by_refresh_token(laptop.refresh_token(), EndReason::Logout)
            .await
            .expect("again");
        issuer
            .end_by_refresh_token("rt1_nonsense", EndReason::Logout)
            .await
            .expect("nothing");
        assert!(
            issuer.list("ann").await.expect("listed").is_empty(),
            "{store}"
        );
    }
}

#[tokio::test]
async fn signing_in_again_renews_the_time_in_the_token() {
    for (store, issuer, clock) in every_issuer().await {
        let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
        clock.advance(Duration::from_secs(100));
        let token = issuer
            .reauthenticate(&tokens.session().sid)
            .await
            .expect("asked")
            .expect("alive");
        let claims = issuer
            .verifier()
            .verify(token.as_str(), clock.unix_now())
            .expect("genuine");
        assert_eq!(
            claims.authenticated_at().map(|at| at.as_u64()),
            Some(NOW + 100),
            "{store}"
        );
        assert!(
            issuer
                .reauthenticate("unknown")
                .await
                .expect("asked")
                .is_none(),
            "{store}"
        );
    }
}

#[tokio::test]
async fn a_restart_forgets_no_ended_session() {
    let (clock, pool) = (clock(), database().await);
    let open = || async {
        issuer_with(
            SqliteStore::open(pool.clone()).await.expect("a table"),
            &clock,
        )
        .build()
        .expect("valid")
    };
    let before = open().await;
    let tokens = before.start(NewSession::of("ann")).await.expect("started");
    before
        .end_by_refresh_token(tokens.refresh_token(), EndReason::Logout)
        .await
        .expect("ended");

    let after = open().await;
    assert!(!after.revocations().contains(&tokens.session().sid));
    after.sync_revocations().await.expect("synchronised");
    assert!(after.revocations().contains(&tokens.session().sid));
}

#[tokio::test]
async fn what_is_over_is_forgotten_after_a_day() {
    let (clock, pool) = (clock(), database().await);
    let issuer = issuer_with(
        SqliteStore::open(pool.clone()).await.expect("a table"),
        &clock,
    )
    .build()
    .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    issuer
        .end_by_refresh_token(tokens.refresh_token(), EndReason::Logout)
        .await
        .expect("ended");
    for (hours, expected) in [(23, 2_i64), (2, 2)] {
        clock.advance(Duration::from_secs(hours * 3_600));
        issuer.start(NewSession::of("bob")).await.expect("started");
        let count = async || {
            let (rows,): (i64,) = sqlx::query_as("SELECT count(*) FROM rampart_session")
                .fetch_one(&pool)
                .await
                .expect("a count");
            rows
        };
        // The sweep is in the background.
        for _ in 0..500 {
            if count().await == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let rows = count().await;
        assert_eq!(
            rows,
            expected,
            "ann's is {} after {hours} h more",
            if hours == 23 { "there" } else { "gone" }
        );
    }
}

#[tokio::test]
async fn the_database_holds_nothing_that_is_a_token() {
    let (clock, pool) = (clock(), database().await);
    let issuer = issuer_with(
        SqliteStore::open(pool.clone()).await.expect("a table"),
        &clock,
    )
    .build()
    .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    let row: (Vec<u8>, String, String) =
        sqlx::query_as("SELECT rid_hash, sid, claims FROM rampart_session")
            .fetch_one(&pool)
            .await
            .expect("a row");
    let dump = format!("{row:?}");
    assert!(
        !dump.contains(&tokens.refresh_token()[10..30])
            && !dump.contains(tokens.access_token().as_str())
    );
    // With everything in the row, but another key, no token is accepted.
    let thief = TokenIssuer::builder(SqliteStore::open(pool).await.expect("a table"))
        .secret(&Secret::random(48))
        .issuer("https://api.example")
        .audience("api")
        .clock(clock.clone())
        .build()
        .expect("valid");
    assert_eq!(
        kind(thief.refresh(tokens.refresh_token()).await),
        Some(RefreshErrorKind::Invalid)
    );
    let forged = thief.start(NewSession::of("ann")).await.expect("started");
    let error = issuer
        .verifier()
        .verify(forged.access_token().as_str(), clock.unix_now())
        .expect_err("another key");
    assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
}

#[test]
fn lifetimes_that_contradict_each_other_are_problems() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let problems = TokenIssuer::builder(MemoryStore::new())
        .access_lifetime(days(2))
        .idle_lifetime(days(100))
        .grace(Duration::from_secs(61))
        .build()
        .expect_err("four problems")
        .into_problems();
    assert!(
        matches!(
            problems[..],
            [
                Problem::AccessLifetime { .. },
                Problem::Lifetimes { .. },
                Problem::Grace { .. },
                Problem::SecretMissing
            ]
        ),
        "{problems:?}"
    );
    let only_verifies =
        tower_rampart::jwt::VerifyingKey::hs256("k", &Secret::random(32)).expect("long enough");
    let keys = tower_rampart::jwt::KeySet::builder()
        .verifying(only_verifies)
        .build()
        .expect("valid");
    let problems = issuer_with(MemoryStore::new(), &clock())
        .keys(keys)
        .build()
        .expect_err("cannot sign")
        .into_problems();
    assert!(
        matches!(problems[..], [Problem::NoSigningKey]),
        "{problems:?}"
    );
    let weak = TokenIssuer::builder(MemoryStore::new())
        .secret(&Secret::new("short".to_owned()))
        .build();
    assert!(matches!(
        weak.expect_err("weak").into_problems()[..],
        [Problem::Jwt(_)]
    ));
}

#[tokio::test]
async fn another_secret_is_taken_over_and_the_old_tokens_go_on() {
    let secret = |text: &str| Secret::new(format!("{text}-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi"));
    let clock = clock();
    let issuer = TokenIssuer::builder(MemoryStore::new())
        .secret(&secret("first"))
        .issuer("https://api.example")
        .audience("api")
        .clock(clock.clone())
        .build()
        .expect("valid");
    let before = issuer.start(NewSession::of("user")).await.expect("started");
    issuer
        .replace_secrets(&secret("second"), &[secret("first")])
        .expect("two secrets");
    let verify = |token: &str| issuer.verifier().verify(token, clock.unix_now());
    assert!(verify(before.access_token().as_str()).is_ok());
    let after = issuer
        .refresh(before.refresh_token())
        .await
        .expect("renewed");
    assert!(verify(after.access_token().as_str()).is_ok());

    // A key that was revoked does not come back with its secret.
    let old = issuer.keys().list(clock.unix_now());
    let (old, ..) = old.last().expect("two keys");
    issuer.keys().revoke(old);
    issuer
        .replace_secrets(&secret("third"), &[secret("second"), secret("first")])
        .expect("three");
    let error = verify(before.access_token().as_str()).expect_err("revoked");
    assert_eq!(error.kind().as_str(), "signing-key-revoked");

    let weak = Secret::new("short".to_owned());
    assert!(issuer.replace_secrets(&weak, &[]).is_err());
    assert!(
        issuer.refresh(after.refresh_token()).await.is_ok(),
        "nothing changed"
    );
    issuer
        .replace_secrets(&secret("fourth"), &[])
        .expect("a clean break");
    assert!(issuer.refresh(after.refresh_token()).await.is_err());
}
