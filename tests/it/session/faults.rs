//! Whatever fails in the middle of a renewal, nobody is signed out, and no
//! token has two successors.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_rampart::session::{
    MemoryStore, NewSession, PostgresStore, RedisStore, RefreshErrorKind, RefreshStore, TokenIssuer,
};

use super::watched::{Fault, Watched};
use super::{Case, clock, every_store, issuer_with};
use crate::services::Service;

/// Polls a future so often, and drops it then.
struct Impatient<F> {
    future: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Impatient<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

/// The next token works, its predecessor says the same again, and so it goes on.
async fn goes_on(issuer: &TokenIssuer, token: &str, generation: u64, what: &str) {
    let next = issuer.refresh(token).await;
    let next = next.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(next.session().generation, generation, "{what}");
    let again = issuer.refresh(token).await.expect("a replay");
    assert_eq!(again.refresh_token(), next.refresh_token(), "{what}");
    let after = issuer.refresh(next.refresh_token()).await.expect("goes on");
    assert_eq!(after.session().generation, generation + 1, "{what}");
}

#[tokio::test]
async fn a_renewal_may_be_dropped_wherever_it_waits() {
    for Case { name, store } in every_store().await {
        let issuer = issuer_with(store, &clock()).build().expect("valid");
        for polls in 0.. {
            let first = issuer.start(NewSession::of("ann")).await.expect("started");
            let impatient = Impatient {
                future: Box::pin(issuer.refresh(first.refresh_token())),
                left: polls,
            };
            let done = impatient.await;
            goes_on(
                &issuer,
                first.refresh_token(),
                1,
                &format!("{name}, after {polls} polls"),
            )
            .await;
            if done.is_some() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_renewal_may_fail_before_and_after_the_store_has_done_it() {
    use Fault::{After, Before, HangAfter, HangBefore, None as Fine};
    for Case { name, store } in every_store().await {
        let store = Watched::new(store);
        let clock = clock();
        let issuer = issuer_with(store.clone(), &clock).build().expect("valid");
        let _ = issuer.jwt_layer();
        // The second question is about the replay, or the repetition.
        for faults in [
            [Before, Fine],
            [After, Fine],
            [HangBefore, Fine],
            [HangAfter, Fine],
            [Fine, Before],
            [Fine, After],
            [Fine, HangBefore],
            [Fine, HangAfter],
        ] {
            for (waited, replayed) in [(0, false), (0, true), (3_600, true)] {
                let what = format!("{name}: {faults:?}, {waited} s, replayed: {replayed}");
                let first = issuer.start(NewSession::of("ann")).await.expect("started");
                if replayed {
                    issuer
                        .refresh(first.refresh_token())
                        .await
                        .expect("rotated");
                    clock.advance(Duration::from_secs(waited));
                }
                let asked = if replayed { &faults[..] } else { &faults[..1] };
                store.then(asked.iter().copied());
                let mut renewal = Box::pin(issuer.refresh(first.refresh_token()));
                let hangs = asked
                    .iter()
                    .any(|fault| matches!(fault, HangBefore | HangAfter));
                if hangs {
                    // Until the question that is never answered was asked.
                    while !store.hangs() {
                        tokio::select! {
                            _ = &mut renewal => panic!("{what}: it was answered"),
                            () = tokio::task::yield_now() => {}
                        }
                    }
                } else if let Err(error) = renewal.as_mut().await {
                    assert_eq!(error.kind(), RefreshErrorKind::Unavailable, "{what}");
                }
                drop(renewal);
                store.forget();
                goes_on(&issuer, first.refresh_token(), 1, &what).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_rounds_of_twenty_callers_sign_nobody_out() {
    for Case { name, store } in every_store().await {
        let clock = clock();
        // Each caller is a process: nothing is shared but the store.
        let issuers: Vec<_> = (0..20)
            .map(|_| {
                issuer_with(Arc::clone(&store), &clock)
                    .build()
                    .expect("valid")
            })
            .collect();
        let first = issuers[0]
            .start(NewSession::of("ann"))
            .await
            .expect("started");
        let mut token = first.refresh_token().to_owned();
        for round in 1..=200 {
            let callers: Vec<_> = issuers
                .iter()
                .map(|issuer| {
                    let (issuer, token) = (issuer.clone(), token.clone());
                    tokio::spawn(async move { issuer.refresh(&token).await })
                })
                .collect();
            let mut successors = HashSet::new();
            for caller in callers {
                let tokens = caller.await.expect("no panic");
                let tokens = tokens.unwrap_or_else(|error| panic!("{name}, {round}: {error}"));
                assert_eq!(tokens.session().generation, round, "{name}");
                successors.insert(tokens.refresh_token().to_owned());
            }
            assert_eq!(successors.len(), 1, "{name}, {round}");
            token = successors.into_iter().next().expect("one");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_postgres_that_crashes_signs_nobody_out() {
    let Some(service) = Service::postgres() else {
        return;
    };
    let options = sqlx::postgres::PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(2));
    let pool = options
        .connect(&service.postgres_url("postgres"))
        .await
        .expect("a database");
    PostgresStore::migrate(&pool).await.expect("tables");
    survive_a_crash(service, PostgresStore::new(pool)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_crashes_signs_nobody_out() {
    let Some(service) = Service::redis() else {
        return;
    };
    let store = RedisStore::connect(&service.redis_url())
        .await
        .expect("a connection");
    survive_a_crash(service, store).await;
}

/// Eight clients renew as fast as they can while the service is killed.
async fn survive_a_crash(mut service: Service, store: impl RefreshStore) {
    use std::sync::atomic::{AtomicU64, Ordering};
    let issuer = issuer_with(store, &clock()).build().expect("valid");
    let (renewed, failed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (issuer, renewed, failed) =
                (issuer.clone(), Arc::clone(&renewed), Arc::clone(&failed));
            tokio::spawn(async move {
                let first = issuer.start(NewSession::of("ann")).await.expect("started");
                let (mut token, mut generation) = (first.refresh_token().to_owned(), 0);
                let mut after_the_crash = 0;
                while after_the_crash < 20 {
                    match issuer.refresh(&token).await {
                        Ok(tokens) => {
                            generation += 1;
                            assert_eq!(tokens.session().generation, generation);
                            tokens.refresh_token().clone_into(&mut token);
                            renewed.fetch_add(1, Ordering::SeqCst);
                            after_the_crash += u64::from(failed.load(Ordering::SeqCst) >= 8);
                        }
                        Err(error) => {
                            assert_eq!(error.kind(), RefreshErrorKind::Unavailable, "{error:?}");
                            failed.fetch_add(1, Ordering::SeqCst);
                            tokio::task::yield_now().await;
                        }
                    }
                }
            })
        })
        .collect();
    while renewed.load(Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    service.kill();
    while failed.load(Ordering::SeqCst) < 8 {
        tokio::task::yield_now().await;
    }
    service.start_again();
    for client in clients {
        client.await.expect("nobody was signed out");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_dropped_renewal_does_it() {
    let store = Watched::new(Arc::new(MemoryStore::new()));
    let issuer = issuer_with(store.clone(), &clock()).build().expect("valid");
    let first = issuer.start(NewSession::of("ann")).await.expect("started");
    store.then([Fault::HangAfter]);
    let mut leader = Box::pin(issuer.refresh(first.refresh_token()));
    let mut follower = Box::pin(issuer.refresh(first.refresh_token()));
    tokio::select! {
        biased;
        _ = &mut leader => panic!("it hangs"),
        _ = &mut follower => panic!("it waits"),
        () = std::future::ready(()) => {}
    }
    let before = store.calls();
    drop(leader);
    let tokens = follower.await.expect("done");
    assert_eq!(tokens.session().generation, 1);
    assert_eq!(store.calls(), before + 2, "it looked, and counted a replay");
}

#[tokio::test]
async fn one_process_asks_the_store_once_for_sixty_four_callers() {
    let store = Watched::new(Arc::new(MemoryStore::new()));
    let issuer = issuer_with(store.clone(), &clock()).build().expect("valid");
    let first = issuer.start(NewSession::of("ann")).await.expect("started");
    let before = store.calls();
    store.then([Fault::HangBefore]);
    let mut stuck = Box::pin(issuer.refresh(first.refresh_token()));
    let callers: Vec<_> = (0..64)
        .map(|_| Box::pin(issuer.refresh(first.refresh_token())))
        .collect();
    tokio::select! {
        biased;
        _ = &mut stuck => panic!("it hangs"),
        () = std::future::ready(()) => {}
    }
    let mut callers: Vec<_> = callers.into_iter().map(in_line).collect();
    drop(stuck);
    for caller in &mut callers {
        caller.as_mut().await.expect("done");
    }
    assert_eq!(store.calls(), before + 2, "one that hung, and one for all");
}

/// Polls once, so that a caller stands in line.
fn in_line<F: Future>(mut future: Pin<Box<F>>) -> Pin<Box<F>> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    future
}
