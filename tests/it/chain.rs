//! Policies in one gate do what they do in gates of their own.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, request, response};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_rampart::gate::{Chain, GateLayer, NoWait, Policy, RescueLayer, Verdict};
use tower_rampart::rejection::{Refusal, Rejection, RejectionCode, Reply};

use crate::support::{Body, call, request};

#[derive(Clone, Copy, Debug)]
enum Does {
    Passes,
    Refuses,
    Replies,
    WaitsAndPasses,
    WaitsAndRefuses,
}

const ALL: [Does; 5] = [
    Does::Passes,
    Does::Refuses,
    Does::Replies,
    Does::WaitsAndPasses,
    Does::WaitsAndRefuses,
];

type Log = Arc<Mutex<Vec<String>>>;

/// Does what it is told to, and writes down what it was asked and saw.
#[derive(Clone)]
struct Told {
    name: &'static str,
    does: Does,
    log: Log,
}

impl Told {
    fn write(&self, what: &str, seen: &[&HeaderValue]) {
        let line = format!("{}: {what} {seen:?}", self.name);
        self.log.lock().expect("whole").push(line);
    }

    fn refusal(&self) -> Rejection {
        Rejection::new(StatusCode::IM_A_TEAPOT, RejectionCode::Other("teapot")).kind(self.name)
    }
}

/// What a pass says when nobody took it to `leave`.
struct Pass(Told);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.write("dropped", &[]);
    }
}

impl Policy for Told {
    const NAME: &'static str = "told";
    type Pass = Pass;
    type Wait = Pin<Box<dyn Future<Output = Result<Pass, Reply>> + Send>>;

    fn admit(&self, head: &request::Parts) -> Verdict<Pass, Self::Wait> {
        let seen: Vec<_> = head.headers.get_all("seen-by").iter().collect();
        self.write("asked", &seen);
        let waits = |passes: bool| {
            let told = self.clone();
            Verdict::Wait(Box::pin(async move {
                told.write("waits", &[]);
                tokio::task::yield_now().await;
                match passes {
                    true => Ok(Pass(told)),
                    false => Err(told.refusal().into()),
                }
            }) as Self::Wait)
        };
        match self.does {
            Does::Passes => Verdict::Pass(Pass(self.clone())),
            Does::Refuses => self.refusal().into(),
            Does::Replies => {
                Verdict::Reply(Reply::Response(Response::new(Bytes::from_static(b"here"))))
            }
            Does::WaitsAndPasses => waits(true),
            Does::WaitsAndRefuses => waits(false),
        }
    }

    fn enter(&self, pass: &Pass, head: &mut request::Parts) {
        let name = HeaderValue::from_static(pass.0.name);
        head.headers.append("seen-by", name);
    }

    fn leave(&self, pass: Pass, head: &mut response::Parts) {
        let left: Vec<_> = head.headers.get_all("left").iter().collect();
        self.write("leaves", &left);
        head.headers
            .append("left", HeaderValue::from_static(pass.0.name));
    }
}

type Served = tower::util::BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// Writes down what reaches it, and answers.
fn served(log: &Log) -> Served {
    let log = log.clone();
    let served = move |request: Request<Body>| {
        let seen: Vec<_> = request.headers().get_all("seen-by").iter().collect();
        log.lock().expect("whole").push(format!("served {seen:?}"));
        ready(Ok(Response::new(Body::from("tea"))))
    };
    Served::new(service_fn(served))
}

/// Everything that can be seen of one request.
macro_rules! run {
    ($layer:expr, $log:expr) => {{
        let service = $layer.layer(served($log));
        let answer = call(service, request("GET", "/", &[])).await;
        let log = std::mem::take(&mut *$log.lock().expect("whole"));
        let refusal = answer.head.extensions.get::<Refusal>();
        let refusal = refusal.map(|refusal| (refusal.policy(), refusal.kind()));
        let head = (answer.head.status, answer.head.headers.clone());
        (head, refusal, answer.body.clone(), log)
    }};
}

#[tokio::test]
async fn a_chain_does_what_gates_one_in_the_other_do() {
    let log = Log::default();
    let told = |name, does| Told {
        name,
        does,
        log: log.clone(),
    };
    let mut reached = 0;
    for first in ALL {
        for second in ALL {
            for third in ALL {
                let (a, b, c) = (told("a", first), told("b", second), told("c", third));
                let gate = |told: &Told| GateLayer::new(told.clone());
                let apart = run!((gate(&a), gate(&b), gate(&c)), &log);
                let right = Chain(a.clone(), Chain(b.clone(), c.clone()));
                let left = Chain(Chain(a, b), c);
                let case = format!("{first:?}, {second:?}, {third:?}");
                assert_eq!(run!(GateLayer::new(right), &log), apart, "{case}");
                assert_eq!(run!(GateLayer::new(left), &log), apart, "{case}");
                reached += usize::from(apart.2 == "tea");
            }
        }
    }
    // Two ways to pass, three times.
    assert_eq!(reached, 8);
}

/// What is written when a request is given up at its first wait.
macro_rules! given_up {
    ($layer:expr, $inner:expr, $log:expr) => {{
        let mut answer = Box::pin($layer.layer($inner).oneshot(request("GET", "/", &[])));
        assert!(poll_once(&mut answer).is_pending());
        drop(answer);
        std::mem::take(&mut *$log.lock().expect("whole"))
    }};
}

#[tokio::test]
async fn a_chain_that_is_given_up_lets_go_of_the_inner_first() {
    let log = Log::default();
    let told = |name, does| Told {
        name,
        does,
        log: log.clone(),
    };
    let forever = || service_fn(|_request: Request<Body>| pending::<Answer>());
    for last in [Does::WaitsAndPasses, Does::Passes] {
        let (a, b) = (told("a", Does::Passes), told("b", Does::Passes));
        let c = told("c", last);
        let gate = |told: &Told| GateLayer::new(told.clone());
        let apart = given_up!((gate(&a), gate(&b), gate(&c)), forever(), &log);
        let right = Chain(a.clone(), Chain(b.clone(), c.clone()));
        assert_eq!(given_up!(right, forever(), &log), apart);
        assert_eq!(given_up!(Chain(Chain(a, b), c), forever(), &log), apart);
        let dropped = apart.iter().filter(|line| line.contains("dropped"));
        let dropped: String = dropped.map(|line| &line[..1]).collect();
        assert!(dropped.ends_with("ba"), "{apart:?}");
    }
}

type Answer = Result<Response<Body>, Infallible>;

/// Panics where it is told to.
#[derive(Clone)]
struct Panics(&'static str);

impl Policy for Panics {
    const NAME: &'static str = "panics";
    type Pass = ();
    type Wait = NoWait<()>;

    fn admit(&self, _head: &request::Parts) -> Verdict<(), NoWait<()>> {
        assert_ne!(self.0, "admit");
        Verdict::Pass(())
    }

    fn enter(&self, (): &(), _head: &mut request::Parts) {
        assert_ne!(self.0, "enter");
    }

    fn leave(&self, (): (), _head: &mut response::Parts) {
        assert_ne!(self.0, "leave");
    }
}

#[tokio::test]
async fn what_was_reserved_is_given_back_whoever_refuses_or_panics() {
    let log = Log::default();
    let told = |name, does| Told {
        name,
        does,
        log: log.clone(),
    };
    for place in ["admit", "enter", "leave", "nowhere"] {
        for does in ALL {
            let permits = Arc::new(tokio::sync::Semaphore::new(1));
            let limit = GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&permits));
            let chain = Chain(Panics(place), told("b", does));
            let stack = (RescueLayer, chain, limit);
            let mut service = stack.layer(served(&log));
            let asked = request("GET", "/", &[]);
            let answer = service.ready().await.expect("ready").call(asked).await;
            let answer = answer.expect("never");
            let panicked = answer.status() == StatusCode::INTERNAL_SERVER_ERROR;
            assert_eq!(panicked, place != "nowhere", "{place}, {does:?}");
            drop(answer);
            assert_eq!(permits.available_permits(), 1, "{place}, {does:?}");
            drop(service);
        }
    }
}

/// Polls once.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    Pin::new(future).poll(&mut context)
}

#[test]
fn gates_are_shown_with_their_policies() {
    let log = Log::default();
    let told = |name, does| Told {
        name,
        does,
        log: log.clone(),
    };
    let chain = Chain(told("a", Does::Passes), told("b", Does::WaitsAndPasses));
    let mut gate = GateLayer::new(chain).layer(served(&log));
    let names = r#"policies: ["told", "told"]"#;
    assert_eq!(format!("{gate:?}"), format!("Gate {{ {names}, .. }}"));
    let future = gate.call(request("GET", "/", &[]));
    let shown = format!("GateFuture {{ {names}, state: \"waiting\" }}");
    assert_eq!(format!("{future:?}"), shown);
}
