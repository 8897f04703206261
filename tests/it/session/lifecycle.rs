//! What ends a session, what does not, and who is told, on every store.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tower::Layer;
use tower_rampart::clock::{Clock as _, ManualClock};
use tower_rampart::session::{
    EndReason, EndSessions, MemoryStore, NewSession, Receipt, RefreshErrorKind, RefreshStore as _,
    SecurityEventKind, StrictSessionLayer, TokenIssuer, security_events,
};

use super::watched::{Fault, Watched};
use super::{Case, clock, every_issuer, every_store, issuer_with};
use crate::support::{Answer, Hello, call, request};

/// Asks a route that demands an access token.
async fn ask(issuer: &TokenIssuer, clock: &ManualClock, token: &str) -> Answer {
    let jwt = issuer
        .jwt_layer()
        .clock(clock.clone())
        .build()
        .expect("valid");
    call(jwt.layer(Hello::default()), bearer(token)).await
}

fn bearer(token: &str) -> http::Request<crate::support::Body> {
    request("GET", "/", &[("authorization", &format!("Bearer {token}"))])
}

async fn refused(issuer: &TokenIssuer, token: &str) -> (RefreshErrorKind, Option<EndReason>) {
    let error = issuer.refresh(token).await.expect_err("refused");
    (error.kind(), error.reason())
}

const REUSED: (RefreshErrorKind, Option<EndReason>) = (RefreshErrorKind::Reused, None);

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_once_more() {
    for (store, issuer, clock) in every_issuer().await {
        let _ = issuer.jwt_layer();
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        let lost = issuer
            .refresh(first.refresh_token())
            .await
            .expect("rotated");
        clock.advance(hours(20));
        let again = issuer
            .refresh(first.refresh_token())
            .await
            .expect("forgiven");
        assert_eq!(again.refresh_token(), lost.refresh_token(), "{store}");
        assert_eq!(again.session().generation, 1, "{store}");
        // Another tab that wakes up with the same token.
        let tab = issuer
            .refresh(first.refresh_token())
            .await
            .expect("a replay");
        assert_eq!(tab.refresh_token(), lost.refresh_token(), "{store}");
        clock.advance(Duration::from_secs(11));
        assert_eq!(
            refused(&issuer, first.refresh_token()).await,
            REUSED,
            "{store}: only once"
        );
        let dead = ask(&issuer, &clock, again.access_token().as_str()).await;
        assert_eq!(dead.code(), "session_revoked", "{store}");
    }
}

#[tokio::test]
async fn an_answer_is_not_lost_for_ever() {
    for (store, issuer, clock) in every_issuer().await {
        let _ = issuer.jwt_layer();
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        issuer
            .refresh(first.refresh_token())
            .await
            .expect("rotated");
        clock.advance(hours(24) + Duration::from_secs(1));
        assert_eq!(
            refused(&issuer, first.refresh_token()).await,
            REUSED,
            "{store}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_was_used_was_not_lost() {
    for Case { name, store } in every_store().await {
        let clock = clock();
        let issuer = issuer_with(Arc::clone(&store), &clock)
            .build()
            .expect("valid");
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        let second = issuer
            .refresh(first.refresh_token())
            .await
            .expect("rotated");
        let answer = ask(&issuer, &clock, second.access_token().as_str()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        // The store is told in the background.
        let sid = &second.session().sid;
        while store
            .find(sid)
            .await
            .expect("found")
            .expect("there")
            .receipt
            != Receipt::Confirmed
        {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(11));
        assert_eq!(
            refused(&issuer, first.refresh_token()).await,
            REUSED,
            "{name}"
        );
    }
}

#[tokio::test]
async fn without_a_look_at_access_tokens_no_answer_counts_as_lost() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let first = issuer.start(NewSession::of("ann")).await.expect("started");
    issuer
        .refresh(first.refresh_token())
        .await
        .expect("rotated");
    clock.advance(Duration::from_secs(11));
    assert_eq!(refused(&issuer, first.refresh_token()).await, REUSED);
}

#[tokio::test]
async fn thief_and_owner_cannot_take_turns_by_losing_answers() {
    for (store, issuer, clock) in every_issuer().await {
        let _ = issuer.jwt_layer();
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        let mut tokens = [
            first.refresh_token().to_owned(),
            first.refresh_token().to_owned(),
        ];
        let mut rounds = 0;
        // Neither ever shows an access token, so nothing is confirmed.
        'turns: loop {
            for token in &mut tokens {
                clock.advance(Duration::from_secs(60));
                let Ok(renewed) = issuer.refresh(token).await else {
                    break 'turns;
                };
                renewed.refresh_token().clone_into(token);
                rounds += 1;
                assert!(rounds <= 3, "{store}: not noticed");
            }
        }
        assert!(
            issuer.list("ann").await.expect("listed").is_empty(),
            "{store}"
        );
    }
}

#[tokio::test]
async fn a_wrong_mac_asks_the_store_nothing() {
    let store = Watched::new(Arc::new(MemoryStore::new()));
    let issuer = issuer_with(store.clone(), &clock()).build().expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    let before = store.calls();
    let genuine = tokens.refresh_token();
    for index in 0..genuine.len() {
        let mut bytes = genuine.as_bytes().to_vec();
        bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
        let altered = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(
            refused(&issuer, &altered).await,
            (RefreshErrorKind::Invalid, None)
        );
        let ended = issuer
            .end_by_refresh_token(&altered, EndReason::Logout)
            .await;
        ended.expect("nothing to do");
    }
    assert_eq!(store.calls(), before);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_within_the_same_second() {
    for Case { name, store } in every_store().await {
        let clock = clock();
        let issuer = |store| issuer_with(store, &clock).build().expect("valid");
        let (here, elsewhere) = (issuer(Arc::clone(&store)), issuer(store));
        let started = here.start(NewSession::of("ann"));
        let (kept, other) = (started.await, here.start(NewSession::of("ann")).await);
        let (kept, other) = (kept.expect("started"), other.expect("started"));
        let bystander = here.start(NewSession::of("bob")).await.expect("started");
        // Somebody knows the old password and is just being let in.
        let proved = here.epochs("ann").await.expect("epochs");

        let sid = kept.session().sid.as_str();
        let others = EndSessions::Subject {
            subject: "ann",
            keep: Some(sid),
        };
        let changed = here.end(others, EndReason::CredentialsChanged).await;
        assert!(changed.expect("ended"), "{name}");
        let late = NewSession::of("ann").proved_since(proved);
        let late = here.start(late).await.expect("stored, and over already");
        let fresh = here.start(NewSession::of("ann")).await.expect("started");
        elsewhere.sync_revocations().await.expect("synchronised");

        for issuer in [&here, &elsewhere] {
            let sees = async |tokens: &tower_rampart::session::IssuedTokens| {
                ask(issuer, &clock, tokens.access_token().as_str()).await
            };
            for dead in [&other, &late] {
                let answer = sees(dead).await;
                assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
                assert_eq!(answer.code(), "session_revoked", "{name}");
                assert_eq!(answer.json()["reason"], "credentials_changed", "{name}");
            }
            for alive in [&kept, &fresh, &bystander] {
                assert_eq!(sees(alive).await.status(), StatusCode::OK, "{name}");
            }
        }
        let over = (
            RefreshErrorKind::Revoked,
            Some(EndReason::CredentialsChanged),
        );
        assert_eq!(
            refused(&elsewhere, other.refresh_token()).await,
            over,
            "{name}"
        );
        assert_eq!(
            refused(&elsewhere, late.refresh_token()).await,
            over,
            "{name}"
        );
        for alive in [&kept, &fresh, &bystander] {
            let renewed = elsewhere
                .refresh(alive.refresh_token())
                .await
                .expect("goes on");
            let answer = ask(&here, &clock, renewed.access_token().as_str()).await;
            assert_eq!(answer.status(), StatusCode::OK, "{name}");
        }
        let listed = here.list("ann").await.expect("listed");
        let mut sids: Vec<_> = listed.iter().map(|session| session.sid.as_str()).collect();
        let mut expected = [sid, fresh.session().sid.as_str()];
        sids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sids, expected, "{name}");

        // Who is over already cannot be kept.
        let dead = EndSessions::Subject {
            subject: "ann",
            keep: Some(&other.session().sid),
        };
        let fresh = here.start(NewSession::of("ann")).await.expect("started");
        here.end(dead, EndReason::Terminated).await.expect("ended");
        assert!(here.list("ann").await.expect("listed").is_empty(), "{name}");
        for over in [&other, &kept, &fresh] {
            let answer = ask(&here, &clock, over.access_token().as_str()).await;
            assert_eq!(answer.json()["reason"], "terminated", "{name}");
            assert_eq!(
                refused(&here, over.refresh_token()).await,
                (RefreshErrorKind::Revoked, Some(EndReason::Terminated)),
                "{name}"
            );
        }
        let fresh = here.start(NewSession::of("ann")).await.expect("started");

        // Nobody is kept who was not there.
        let nobody = EndSessions::Subject {
            subject: "ann",
            keep: Some(&bystander.session().sid),
        };
        here.end(nobody, EndReason::AccountClosed)
            .await
            .expect("ended");
        assert!(here.list("ann").await.expect("listed").is_empty(), "{name}");
        let answer = ask(&here, &clock, fresh.access_token().as_str()).await;
        assert_eq!(answer.json()["reason"], "account_closed", "{name}");
    }
}

#[tokio::test]
async fn everybody_can_be_made_to_sign_in_again() {
    for Case { name, store } in every_store().await {
        let clock = clock();
        let issuer = |store| issuer_with(store, &clock).build().expect("valid");
        let (here, elsewhere) = (issuer(Arc::clone(&store)), issuer(store));
        let ann = here.start(NewSession::of("ann")).await.expect("started");
        let bob = elsewhere
            .start(NewSession::of("bob"))
            .await
            .expect("started");
        let everyone = here.revoke_everyone(EndReason::SecurityIncident).await;
        everyone.expect("revoked");
        elsewhere.sync_revocations().await.expect("synchronised");
        for (issuer, tokens) in [(&here, &ann), (&elsewhere, &bob), (&here, &bob)] {
            let answer = ask(issuer, &clock, tokens.access_token().as_str()).await;
            assert_eq!(answer.code(), "reauthentication_required", "{name}");
            assert_eq!(answer.json()["reason"], "security_incident", "{name}");
            assert_eq!(
                refused(issuer, tokens.refresh_token()).await,
                (
                    RefreshErrorKind::ReauthenticationRequired,
                    Some(EndReason::SecurityIncident)
                ),
                "{name}"
            );
        }
        let back = here.start(NewSession::of("ann")).await.expect("started");
        let answer = ask(&elsewhere, &clock, back.access_token().as_str()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        here.refresh(back.refresh_token()).await.expect("goes on");
        // An operator's own sign-in does not undo it for the others.
        assert_eq!(
            refused(&here, bob.refresh_token()).await.0,
            RefreshErrorKind::ReauthenticationRequired,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_view_that_nobody_feeds_refuses_everybody() {
    // `Watched` is a store that others may share.
    let store = Watched::new(Arc::new(MemoryStore::new()));
    let clock = clock();
    let build = |reckless: bool| {
        let builder = issuer_with(store.clone(), &clock);
        let builder = match reckless {
            true => builder,
            false => builder.stale_after(Duration::from_secs(30)),
        };
        builder.build().expect("valid")
    };
    let (issuer, reckless) = (build(false), build(true));
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    let sees = async |issuer: &TokenIssuer| {
        let answer = ask(issuer, &clock, tokens.access_token().as_str()).await;
        let refused = answer.status() != StatusCode::OK;
        if refused {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.code(), "revocation_unavailable");
            assert!(answer.header("retry-after").is_some());
            assert!(answer.header("www-authenticate").is_none());
        }
        !refused
    };
    assert!(!sees(&issuer).await, "nobody ever fed it");
    assert!(sees(&reckless).await);
    issuer.sync_revocations().await.expect("synchronised");
    assert!(sees(&issuer).await);
    clock.advance(Duration::from_secs(30));
    assert!(sees(&issuer).await);
    clock.advance(Duration::from_secs(1));
    store.then([Fault::Before]);
    issuer.sync_revocations().await.expect_err("away");
    assert!(!sees(&issuer).await);
    assert!(sees(&reckless).await);
    issuer.sync_revocations().await.expect("back");
    assert!(sees(&issuer).await);

    // A store of this process alone has nobody to hear from.
    let alone = issuer_with(MemoryStore::new(), &clock)
        .stale_after(Duration::from_secs(30))
        .build()
        .expect("valid");
    let tokens = alone.start(NewSession::of("ann")).await.expect("started");
    let answer = ask(&alone, &clock, tokens.access_token().as_str()).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn clocks_that_differ_hide_no_revocation() {
    for Case { name, store } in every_store().await {
        let (early, late) = (clock(), clock());
        late.advance(Duration::from_secs(200));
        let here = issuer_with(Arc::clone(&store), &early)
            .build()
            .expect("valid");
        let there = issuer_with(store, &late).build().expect("valid");
        for issuer in [&here, &there] {
            issuer.sync_revocations().await.expect("synchronised");
        }
        let ann = here.start(NewSession::of("ann")).await.expect("started");
        let all = EndSessions::Subject {
            subject: "ann",
            keep: None,
        };
        here.end(all, EndReason::AccountClosed)
            .await
            .expect("ended");
        let one = here.start(NewSession::of("bob")).await.expect("started");
        let sid = &one.session().sid;
        let which = EndSessions::One {
            subject: "bob",
            sid,
        };
        assert!(
            here.end(which, EndReason::Terminated).await.expect("ended"),
            "{name}"
        );
        // Beyond a minute, everything is read again every half minute.
        late.advance(Duration::from_secs(30));
        there.sync_revocations().await.expect("synchronised");
        for tokens in [&ann, &one] {
            let answer = ask(&there, &late, tokens.access_token().as_str()).await;
            assert_eq!(answer.code(), "session_revoked", "{name}");
        }
    }
}

#[tokio::test]
async fn to_sign_in_again_confirms_no_refresh_token() {
    for Case { name, store } in every_store().await {
        let clock = clock();
        let issuer = issuer_with(Arc::clone(&store), &clock)
            .build()
            .expect("valid");
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        let lost = issuer
            .refresh(first.refresh_token())
            .await
            .expect("rotated");
        let sid = first.session().sid.as_str();
        let proved = issuer
            .reauthenticate(sid)
            .await
            .expect("asked")
            .expect("alive");
        let answer = ask(&issuer, &clock, proved.as_str()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        tokio::task::yield_now().await;
        clock.advance(hours(1));
        let again = issuer
            .refresh(first.refresh_token())
            .await
            .expect("forgiven");
        assert_eq!(again.refresh_token(), lost.refresh_token(), "{name}");
    }
}

#[tokio::test]
async fn an_empty_subject_has_no_sessions() {
    for (store, issuer, clock) in every_issuer().await {
        let ann = issuer.start(NewSession::of("ann")).await.expect("started");
        issuer
            .start(NewSession::of(""))
            .await
            .expect_err("nobody's");
        let sid = ann.session().sid.as_str();
        for which in [
            EndSessions::Subject {
                subject: "",
                keep: None,
            },
            EndSessions::One { subject: "", sid },
        ] {
            assert!(
                !issuer
                    .end(which, EndReason::Terminated)
                    .await
                    .expect("asked"),
                "{store}"
            );
        }
        let answer = ask(&issuer, &clock, ann.access_token().as_str()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{store}");
        issuer.refresh(ann.refresh_token()).await.expect("alive");
    }
}

#[tokio::test]
async fn a_thief_who_goes_away_cannot_keep_the_owner_from_hearing_of_it() {
    let (clock, store) = (clock(), Watched::new(Arc::new(MemoryStore::new())));
    let (sender, mut events) = security_events(64);
    let issuer = issuer_with(store.clone(), &clock)
        .events(sender)
        .build()
        .expect("valid");
    let stolen = issuer.start(NewSession::of("ann")).await.expect("started");
    let second = issuer
        .refresh(stolen.refresh_token())
        .await
        .expect("rotated");
    issuer
        .refresh(second.refresh_token())
        .await
        .expect("rotated");
    // The store hears the question about the token, and the one that ends it.
    let mut theft = Box::pin(issuer.refresh(stolen.refresh_token()));
    let before = store.calls();
    tokio::select! {
        biased;
        _ = &mut theft => panic!("the task has not run yet"),
        () = std::future::ready(()) => {}
    }
    drop(theft);
    while store.calls() < before + 2 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    let kinds: Vec<_> = std::iter::from_fn(|| events.try_recv())
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds.last(),
        Some(&SecurityEventKind::TokenReuse),
        "{kinds:?}"
    );
    let dead = ask(&issuer, &clock, second.access_token().as_str()).await;
    assert_eq!(dead.code(), "session_revoked");
}

#[tokio::test]
async fn a_store_that_answers_too_late_uses_nothing_up() {
    for Case { name, store } in every_store().await {
        let (clock, store) = (clock(), Watched::new(store));
        let issuer = issuer_with(store.clone(), &clock).build().expect("valid");
        let _ = issuer.jwt_layer();
        let first = issuer.start(NewSession::of("ann")).await.expect("started");
        // Each time it is done, and the answer comes too late: first the
        // rotation, then, twenty minutes on, the repetition.
        for _ in 0..3 {
            store.then([Fault::After]);
            issuer
                .refresh(first.refresh_token())
                .await
                .expect("asked again at once");
            clock.advance(Duration::from_secs(5));
        }
        clock.advance(Duration::from_secs(1_200));
        store.then([Fault::None, Fault::After]);
        let again = issuer
            .refresh(first.refresh_token())
            .await
            .expect("asked again at once");
        assert_eq!(again.session().generation, 1, "{name}");
        issuer
            .refresh(again.refresh_token())
            .await
            .expect("goes on");
    }
}

#[tokio::test]
async fn a_strict_route_asks_the_store() {
    for Case { name, store } in every_store().await {
        let clock = clock();
        let watched = Watched::new(store);
        let issuer = |store| issuer_with(store, &clock).build().expect("valid");
        let (here, elsewhere) = (issuer(watched.clone()), issuer(watched.clone()));
        let tokens = here.start(NewSession::of("ann")).await.expect("started");
        let strict = async || {
            let jwt = here.jwt_layer().build().expect("valid");
            let app = jwt.layer(StrictSessionLayer::new(here.clone()).layer(Hello::default()));
            call(app, bearer(tokens.access_token().as_str())).await
        };
        assert_eq!(strict().await.status(), StatusCode::OK, "{name}");
        watched.then([Fault::Before]);
        assert_eq!(strict().await.code(), "temporarily_unavailable", "{name}");
        let all = EndSessions::Subject {
            subject: "ann",
            keep: None,
        };
        elsewhere
            .end(all, EndReason::AccountClosed)
            .await
            .expect("ended");
        // This process has not been told yet.
        let plain = ask(&here, &clock, tokens.access_token().as_str()).await;
        assert_eq!(plain.status(), StatusCode::OK, "{name}");
        let answer = strict().await;
        assert_eq!(answer.code(), "session_revoked", "{name}");
        assert_eq!(answer.json()["reason"], "account_closed", "{name}");
    }
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let answer = call(
        StrictSessionLayer::new(issuer).layer(Hello::default()),
        request("GET", "/", &[]),
    )
    .await;
    assert_eq!(
        answer.status(),
        StatusCode::INTERNAL_SERVER_ERROR,
        "nobody looked at the caller"
    );
}

#[tokio::test]
async fn events_say_what_happened_to_whom() {
    let clock = clock();
    let (sender, mut events) = security_events(5);
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .events(sender)
        .build()
        .expect("valid");
    let _ = issuer.jwt_layer();
    let first = issuer.start(NewSession::of("ann")).await.expect("started");
    issuer
        .refresh(first.refresh_token())
        .await
        .expect("rotated");
    clock.advance(hours(1));
    issuer
        .refresh(first.refresh_token())
        .await
        .expect("forgiven");
    clock.advance(Duration::from_secs(11));
    for _ in 0..3 {
        issuer
            .refresh(first.refresh_token())
            .await
            .expect_err("over");
    }
    let mut seen = Vec::new();
    while let Some(event) = events.try_recv() {
        assert_eq!(event.subject, "ann");
        assert_eq!(event.sid.as_deref(), Some(first.session().sid.as_str()));
        seen.push(event.kind);
    }
    use SecurityEventKind as Kind;
    let expected = [
        Kind::SessionCreated,
        Kind::SessionRenewed,
        Kind::TokenRepeated,
        Kind::TokenReuse,
    ];
    assert_eq!(seen, expected);
    assert_eq!(events.dropped(), 2, "the last place is for what matters");
    issuer
        .revoke_everyone(EndReason::SecurityIncident)
        .await
        .expect("revoked");
    let event = events.recv().await.expect("an event");
    assert_eq!(
        (event.kind, event.subject.as_str(), event.sid),
        (Kind::TokenRevoked, "", None)
    );
    assert_eq!(
        (event.reason, event.at),
        (Some(EndReason::SecurityIncident), clock.unix_now())
    );
}
