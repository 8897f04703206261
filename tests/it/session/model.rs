//! Any sequence of what clients, thieves and time can do, against a model of
//! one page that knows no store.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tower_rampart::session::{EndReason, EndSessions, NewSession, RefreshErrorKind as Kind};

use super::{Case, clock, every_store, issuer_with};

#[derive(Clone, Debug)]
enum Step {
    /// Presents the token of a generation so far back.
    Present(u64),
    /// Uses an access token of the current generation.
    Use,
    /// Lets seconds pass.
    Wait(u64),
    /// Ends the session, or all of the subject's.
    End { all: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => prop_oneof![5 => Just(0), 5 => Just(1), 1 => Just(2), 1 => 0..6_u64].prop_map(Step::Present),
        4 => Just(Step::Use),
        8 => prop_oneof![Just(1), Just(10), Just(11), Just(600), Just(86_400), Just(86_401), Just(1_209_600)]
            .prop_map(Step::Wait),
        1 => any::<bool>().prop_map(|all| Step::End { all }),
    ];
    prop::collection::vec(step, 1..25)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Receipt {
    Open,
    Repeated,
    Closed,
}

/// The rules of the design, in seconds since the session began.
#[derive(Debug)]
struct Model {
    now: u64,
    generation: u64,
    rotated: u64,
    idle_until: u64,
    receipt: Receipt,
    over: bool,
}

const DAY: u64 = 86_400;

impl Model {
    fn new() -> Self {
        Self {
            now: 0,
            generation: 0,
            rotated: 0,
            idle_until: 14 * DAY,
            receipt: Receipt::Open,
            over: false,
        }
    }

    /// The generation that is answered, or why none is.
    fn present(&mut self, generation: u64) -> Result<u64, Kind> {
        if self.over {
            return Err(Kind::Revoked);
        }
        if self.now >= 90 * DAY {
            return Err(Kind::Expired);
        }
        if self.now >= self.idle_until {
            return Err(Kind::IdleTimeout);
        }
        let age = self.now - self.rotated;
        match self.generation - generation {
            0 => {
                self.generation += 1;
                self.rotated = self.now;
                self.idle_until = (self.now + 14 * DAY).min(90 * DAY);
                self.receipt = match self.receipt {
                    Receipt::Repeated => Receipt::Closed,
                    Receipt::Open | Receipt::Closed => Receipt::Open,
                };
            }
            1 if age <= 10 => {}
            1 if age <= DAY && self.receipt == Receipt::Open => {
                self.receipt = Receipt::Repeated;
                self.rotated = self.now;
            }
            _ => {
                self.over = true;
                return Err(Kind::Reused);
            }
        }
        Ok(self.generation)
    }
}

#[test]
fn every_sequence_goes_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    for Case { name, store } in runtime.block_on(every_store()) {
        let cases = if name == "memory" { 1_000 } else { 40 };
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            ..Config::with_cases(cases)
        });
        let outcome = runner.run(&steps(), |steps| {
            runtime.block_on(async {
                let clock = clock();
                let issuer = issuer_with(Arc::clone(&store), &clock)
                    .build()
                    .expect("valid");
                let _ = issuer.jwt_layer();
                // Another subject each time, so that nobody's epoch ends others.
                let subject = format!("ann-{}", number());
                let first = issuer
                    .start(NewSession::of(&subject))
                    .await
                    .expect("started");
                let sid = first.session().sid.clone();
                let mut tokens = vec![first.refresh_token().to_owned()];
                let mut model = Model::new();
                for step in &steps {
                    match *step {
                        Step::Wait(seconds) => {
                            clock.advance(Duration::from_secs(seconds));
                            model.now += seconds;
                        }
                        Step::Use => {
                            store.confirm(&sid, model.generation).await.expect("told");
                            if model.receipt == Receipt::Open {
                                model.receipt = Receipt::Closed;
                            }
                        }
                        Step::End { all } => {
                            let one = EndSessions::One {
                                subject: &subject,
                                sid: &sid,
                            };
                            let every = EndSessions::Subject {
                                subject: &subject,
                                keep: None,
                            };
                            let which = if all { every } else { one };
                            issuer.end(which, EndReason::Logout).await.expect("ended");
                            model.over = true;
                        }
                        Step::Present(back) => {
                            let generation = model.generation.saturating_sub(back);
                            let token = &tokens[usize::try_from(generation).expect("few")];
                            let expected = model.present(generation);
                            let outcome = issuer.refresh(token).await;
                            let got = outcome.as_ref().map(|tokens| tokens.session().generation);
                            let got = got.map_err(|error| error.kind());
                            prop_assert_eq!(got, expected, "{}: {:?}", name, model);
                            if let Ok(answer) = outcome {
                                // A generation has one token, whoever asks.
                                let text = answer.refresh_token().to_owned();
                                match tokens.get(usize::try_from(model.generation).expect("few")) {
                                    Some(known) => prop_assert_eq!(known, &text),
                                    None => tokens.push(text),
                                }
                            }
                        }
                    }
                }
                Ok(())
            })
        });
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn number() -> u32 {
    super::COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
