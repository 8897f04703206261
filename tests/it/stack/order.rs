//! Every set of layers, and every refusal that each of them can make: what is
//! outside completes the answer, and one event tells of it.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::context::ContextLayer;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::jwt::{JwtLayer, RequireLayer};
use tower_rampart::rate_limit::{Caller, Key, RateLimitLayer};
use tower_rampart::rejection::Refusal;
use tower_rampart::secret::Secret;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::session::{
    EndReason, MemoryStore, NewSession, SessionCookies, SessionLayer, StrictSessionLayer,
    TokenIssuer,
};
use tower_rampart::stack::{ConfigError, Rampart};

use crate::support::events::events;
use crate::support::{Answer, Body, call, request};

const PAGE: (&str, &str) = ("origin", "http://localhost:5173");
/// A page that may read and may not act.
const READER: (&str, &str) = ("origin", "http://localhost:3000");

/// The slots, as bits of a set.
const CONTEXT: u32 = 1 << 0;
const HEADERS: u32 = 1 << 1;
const CORS: u32 = 1 << 2;
const LIMIT: u32 = 1 << 3;
const CSRF: u32 = 1 << 4;
const LENGTH: u32 = 1 << 5;
const SESSION: u32 = 1 << 6;
const JWT: u32 = 1 << 7;
const SUBJECT: u32 = 1 << 8;
const STRICT: u32 = 1 << 9;
const REQUIRE: u32 = 1 << 10;
const SETS: u32 = 1 << 11;

/// What is shared by all sets.
struct Parts {
    issuer: TokenIssuer,
    cors: CorsLayer,
    csrf: CsrfLayer,
    /// The pages that may act.
    actors: OriginPolicy,
    headers: SecurityHeadersLayer,
    /// One that admits, and one that has banned everybody.
    limits: [RateLimitLayer; 2],
    subjects: [RateLimitLayer; 2],
    jwt: JwtLayer,
    require: RequireLayer,
    /// Of a caller with the role, of one without, and of two like them whose
    /// sessions are over.
    tokens: [String; 4],
}

/// Why a request is refused, and by which layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    Limit,
    CrossSite,
    TooLong,
    BadRefresh,
    NoToken,
    Subject,
    Ended,
    NoRole,
    /// The service answers so itself.
    Service(u16),
    /// The service panics.
    Panic,
    /// The service fails.
    Failure,
}

impl Cause {
    const ALL: [Self; 17] = [
        Self::Limit,
        Self::CrossSite,
        Self::TooLong,
        Self::BadRefresh,
        Self::NoToken,
        Self::Subject,
        Self::Ended,
        Self::NoRole,
        Self::Service(401),
        Self::Service(404),
        Self::Service(405),
        Self::Service(408),
        Self::Service(415),
        Self::Service(422),
        Self::Service(503),
        Self::Panic,
        Self::Failure,
    ];

    /// The slot that refuses, the policy that says so, the status.
    fn refusal(self) -> (u32, &'static str, u16) {
        match self {
            Self::Limit => (LIMIT, "rate_limit", 429),
            Self::CrossSite => (CSRF, "csrf", 403),
            Self::TooLong => (LENGTH, "content_length", 413),
            Self::BadRefresh => (SESSION, "session", 401),
            Self::NoToken => (JWT, "jwt", 401),
            Self::Subject => (SUBJECT, "rate_limit", 429),
            Self::Ended => (STRICT, "strict-session", 401),
            Self::NoRole => (REQUIRE, "require", 403),
            Self::Service(status) => (0, "", status),
            Self::Panic | Self::Failure => (0, "rescue", 500),
        }
    }
}

impl Parts {
    async fn new() -> Self {
        let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
        let issuer = TokenIssuer::builder(MemoryStore::new())
            .secret(&Secret::random(48))
            .issuer("i")
            .audience("a")
            .clock(clock.clone())
            .build()
            .expect("valid");
        let mut tokens = Vec::new();
        for (subject, role) in [
            ("ann", "user"),
            ("bob", "none"),
            ("eve", "user"),
            ("dan", "none"),
        ] {
            let session = NewSession::of(subject).claim("roles", vec![role]);
            let issued = issuer.start(session).await.expect("started");
            tokens.push(issued.access_token().as_str().to_owned());
            if ["eve", "dan"].contains(&subject) {
                let ended = issuer.end_by_refresh_token(issued.refresh_token(), EndReason::Logout);
                ended.await.expect("ended");
            }
        }
        let origins = |list: &str| OriginPolicy::builder().csv("ORIGINS", list).build();
        let readers = origins(&format!("{},{}", PAGE.1, READER.1)).expect("valid");
        let actors = origins(PAGE.1).expect("valid");
        let limit = |key: Key| {
            let quota = "1000000/1s".parse().expect("a quota");
            let layer = RateLimitLayer::builder("api", quota)
                .key(key)
                .capacity(1024);
            layer.clock(clock.clone()).build().expect("valid")
        };
        let limits = [limit(Key::ClientAddr), limit(Key::ClientAddr)];
        let subjects = [limit(Key::Subject), limit(Key::Subject)];
        let hour = Duration::from_secs(3_600);
        let address = Caller::address("192.0.2.1".parse().expect("an address"));
        limits[1].handle().ban(&address, hour).await;
        let subjects_banned = ["ann", "bob", "eve", "dan"].map(Caller::subject);
        for caller in subjects_banned.into_iter().chain([address]) {
            subjects[1].handle().ban(&caller, hour).await;
        }
        let jwt = JwtLayer::builder(issuer.verifier()).clock(clock.clone());
        Self {
            cors: CorsLayer::credentialed(&readers)
                .request_headers([AUTHORIZATION])
                .build()
                .expect("valid"),
            csrf: CsrfLayer::builder()
                .origins(&actors)
                .build()
                .expect("valid"),
            headers: SecurityHeadersLayer::api().build().expect("valid"),
            limits,
            subjects,
            jwt: jwt.build().expect("valid"),
            require: RequireLayer::role("user").build().expect("valid"),
            actors,
            tokens: tokens.try_into().expect("four"),
            issuer,
        }
    }

    /// The layers of a set, of which some refuse.
    fn rampart(&self, set: u32, causes: &[Cause]) -> Result<Rampart, ConfigError> {
        let has = |slot: u32| set & slot != 0;
        let mut builder = Rampart::builder();
        // Set from the inside out: the order of the calls says nothing.
        if has(REQUIRE) {
            builder = builder.require(self.require.clone());
        }
        if has(STRICT) {
            builder = builder.strict_session(StrictSessionLayer::new(self.issuer.clone()));
        }
        if has(SUBJECT) {
            let banned = usize::from(causes.contains(&Cause::Subject));
            builder = builder.rate_limit_subject(self.subjects[banned].clone());
        }
        if has(JWT) {
            builder = builder.jwt(self.jwt.clone());
        }
        if has(SESSION) {
            let cookies = SessionCookies::default();
            builder = builder
                .session(SessionLayer::new(self.issuer.clone(), cookies).origins(&self.actors));
        }
        if has(LENGTH) {
            builder = builder.max_content_length(1_000);
        }
        if has(CSRF) {
            builder = builder.csrf(self.csrf.clone());
        }
        if has(LIMIT) {
            let banned = usize::from(causes.contains(&Cause::Limit));
            builder = builder.rate_limit(self.limits[banned].clone());
        }
        if has(CORS) {
            builder = builder.cors(self.cors.clone());
        }
        if has(HEADERS) {
            builder = builder.security_headers(self.headers.clone());
        }
        if has(CONTEXT) {
            builder = builder.context(ContextLayer::new());
        }
        builder.build()
    }

    fn request(&self, causes: &[Cause]) -> Request<Body> {
        let has = |cause: Cause| causes.contains(&cause);
        let page = if has(Cause::CrossSite) { READER } else { PAGE };
        let length = if has(Cause::TooLong) { "1001" } else { "1000" };
        let token = match (has(Cause::Ended), has(Cause::NoRole)) {
            (false, false) => &self.tokens[0],
            (false, true) => &self.tokens[1],
            (true, false) => &self.tokens[2],
            (true, true) => &self.tokens[3],
        };
        let bearer = format!("Bearer {token}");
        let mut headers = vec![page, ("content-length", length)];
        if has(Cause::BadRefresh) {
            headers.push(("cookie", "__Host-refresh=forged"));
        }
        if !has(Cause::BadRefresh) && !has(Cause::NoToken) {
            headers.push(("authorization", &bearer));
        }
        request("POST", "/", &headers)
    }
}

async fn ask(rampart: &Rampart, request: Request<Body>, cause: Cause) -> Answer {
    let service = service_fn(move |_request: Request<Body>| async move {
        let mut response = Response::new(Full::new(Bytes::new()));
        match cause {
            Cause::Panic => panic!("canary"),
            Cause::Failure => return Err("canary".to_owned()),
            Cause::Service(status) => {
                *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            }
            _ => {}
        }
        Ok(response)
    });
    call(rampart.layer(service), request).await
}

#[test]
fn every_refusal_of_every_set_of_layers_is_completed_by_what_is_outside() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let parts = runtime.block_on(Parts::new());
    let (mut sets, mut refusals) = (0, 0);
    for set in 0..SETS {
        let has = |slot: u32| set & slot != 0;
        let safe = (!has(SESSION) || has(JWT) && has(CSRF))
            && (!has(SUBJECT | STRICT | REQUIRE) || has(JWT));
        if !safe {
            assert!(parts.rampart(set, &[]).is_err(), "{set:b}");
            continue;
        }
        sets += 1;
        for cause in Cause::ALL {
            let (slot, policy, status) = cause.refusal();
            if slot & set != slot {
                continue;
            }
            refusals += 1;
            let rampart = parts.rampart(set, &[cause]).expect("a safe combination");
            events();
            let answer = runtime.block_on(ask(&rampart, parts.request(&[cause]), cause));
            let what = format!("{set:011b} {cause:?}");
            assert_eq!(answer.status().as_u16(), status, "{what}");
            let (told, refusal) = (events(), answer.head.extensions.get::<Refusal>());
            assert_eq!(refusal.map_or("", Refusal::policy), policy, "{what}");
            // The service's own answers are no news.
            let expected = usize::from(!policy.is_empty());
            assert_eq!(told, expected, "{what}");
            let nosniff = answer.header("x-content-type-options");
            assert_eq!(nosniff.is_some(), has(HEADERS), "{what}");
            let page = if cause == Cause::CrossSite {
                READER
            } else {
                PAGE
            };
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, has(CORS).then_some(page.1), "{what}");
            assert_eq!(answer.header("vary").is_some(), has(CORS), "{what}");
            let id = answer.header("x-request-id");
            assert_eq!(id.is_some(), has(CONTEXT), "{what}");
            if has(CONTEXT) && !policy.is_empty() {
                assert_eq!(answer.json()["request_id"].as_str(), id, "{what}");
            }
        }
    }
    assert_eq!((sets, refusals), (832, 11_040));
}

#[test]
fn of_two_that_would_refuse_the_outer_one_does() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let parts = runtime.block_on(Parts::new());
    let outermost_first = [
        Cause::Limit,
        Cause::CrossSite,
        Cause::TooLong,
        Cause::BadRefresh,
        Cause::NoToken,
        Cause::Subject,
        Cause::Ended,
        Cause::NoRole,
    ];
    let mut pairs = 0;
    for (index, outer) in outermost_first.into_iter().enumerate() {
        for inner in &outermost_first[index + 1..] {
            // Without a token there is nobody to know anything about.
            let nobody = [Cause::BadRefresh, Cause::NoToken].contains(&outer);
            if nobody && *inner != Cause::NoToken {
                continue;
            }
            pairs += 1;
            let causes = [outer, *inner];
            let rampart = parts
                .rampart(SETS - 1, &causes)
                .expect("a safe combination");
            let answer =
                runtime.block_on(ask(&rampart, parts.request(&causes), Cause::Service(200)));
            let (_, policy, status) = outer.refusal();
            assert_eq!(answer.status().as_u16(), status, "{causes:?}");
            let refusal = answer.head.extensions.get::<Refusal>().expect("a refusal");
            assert_eq!(refusal.policy(), policy, "{causes:?}");
        }
    }
    assert_eq!(pairs, 22);
}
