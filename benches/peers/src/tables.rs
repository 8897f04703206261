//! Each layer, and a whole stack, beside what else there is for the same work.
//!
//! Both sides of a row take turns, a hundred calls at a time, so that whatever else
//! the machine does falls on both. A row has the median of the turns of each, the
//! median ratio of two turns that follow each other with its 95 % interval (by order
//! statistics), and the allocations of one call beyond those of the service inside.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Request, Response};
use jwt_authorizer::{IntoLayer as _, JwtAuthorizer, Validation};
use serde_json::Value;
use tower::{Layer, Service, ServiceBuilder};
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_rampart::clock::{Clock as _, SystemClock};
use tower_rampart::context::ContextLayer;
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::identity::{ClientAddrResolver, PeerAddr};
use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::jwt::{JwtLayer, SigningKey, Verifier};
use tower_rampart::rate_limit::{Key, RateLimitLayer};
use tower_rampart::secret::Secret;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::stack::Rampart;

use crate::origins::{our_cors, policy, their_cors};
use crate::report::Row;
use crate::stand_ins::{Call, OldBody, OldNothing, Unlimited};
use crate::{Answered, Nothing, PLENTIFUL, PLENTY, run};

/// The peer of a stack that is compared with none.
pub(crate) const NO_STACK: &str = "no stack";

/// The page that asks.
const PAGE: &str = "http://localhost:5173";

/// A secret that both sides verify with.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How many calls make a turn, and how many turns each side has.
pub(crate) const CALLS: usize = 100;
pub(crate) const TURNS: usize = 400;

fn turn<S>(service: &mut S, asked: &dyn Fn() -> Request<Body>, wanted: u16) -> Duration
where
    S: Service<Request<Body>, Error: Debug>,
    S::Response: Answered,
{
    let requests: Vec<_> = (0..CALLS).map(|_| asked()).collect();
    let begun = Instant::now();
    for request in requests {
        assert_eq!(run(service, request), wanted);
    }
    begun.elapsed()
}

fn allocations<S>(service: &mut S, asked: &dyn Fn() -> Request<Body>) -> i64
where
    S: Service<Request<Body>, Error: Debug>,
    S::Response: Answered,
{
    let (one, other) = (asked(), asked());
    let counted = allocation_counter::measure(|| {
        run(service, one);
    });
    let bare = allocation_counter::measure(|| {
        run(&mut Nothing, other);
    });
    counted.count_total as i64 - bare.count_total as i64
}

pub(crate) fn row<A, B>(
    work: &'static str,
    peer: &'static str,
    asked: &dyn Fn() -> Request<Body>,
    wanted: u16,
    (mut ours, mut theirs): (A, B),
) -> Row
where
    A: Service<Request<Body>, Error: Debug>,
    A::Response: Answered,
    B: Service<Request<Body>, Error: Debug>,
    B::Response: Answered,
{
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut ratios = Vec::new();
    for number in 0..TURNS + TURNS / 10 {
        let (a, b) = if number % 2 == 0 {
            let a = turn(&mut ours, asked, wanted);
            (a, turn(&mut theirs, asked, wanted))
        } else {
            let b = turn(&mut theirs, asked, wanted);
            (turn(&mut ours, asked, wanted), b)
        };
        // The first tenth warms up.
        if number >= TURNS / 10 {
            first.push(a.as_nanos() as f64 / CALLS as f64);
            second.push(b.as_nanos() as f64 / CALLS as f64);
            ratios.push(a.as_secs_f64() / b.as_secs_f64());
        }
    }
    for times in [&mut first, &mut second, &mut ratios] {
        times.sort_by(f64::total_cmp);
    }
    let half = (0.98 * (TURNS as f64).sqrt()) as usize;
    let middle = TURNS / 2;
    Row {
        work,
        peer,
        ours: first[middle],
        theirs: second[middle],
        ratio: [ratios[middle], ratios[middle - half], ratios[middle + half]],
        allocations: [
            allocations(&mut ours, asked),
            allocations(&mut theirs, asked),
        ],
    }
}

pub(crate) fn keys() -> TestKeys {
    let secret = Secret::new(SECRET.to_owned());
    TestKeys::new(SigningKey::hs256("k", &secret).expect("a key"))
}

pub(crate) fn our_jwt() -> JwtLayer {
    let keys = keys();
    let verifier = Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience());
    JwtLayer::builder(verifier.build().expect("valid"))
        .build()
        .expect("valid")
}

fn their_jwt() -> jwt_authorizer::layer::AuthorizationLayer<Value> {
    let keys = keys();
    let rules = Validation::new()
        .iss(&[keys.issuer()])
        .aud(&[keys.audience()]);
    let authorizer = JwtAuthorizer::<Value>::from_secret(SECRET).validation(rules);
    crate::now(authorizer.build()).expect("valid").into_layer()
}

fn request(token: &str, peer: std::net::SocketAddr) -> Request<Body> {
    Request::get("/api/images")
        .header("origin", PAGE)
        .header("sec-fetch-site", "cross-site")
        .header("accept", "application/json")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        )
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .extension(PeerAddr(peer))
        .extension(ConnectInfo(peer))
        .body(Body::empty())
        .expect("legal")
}

pub(crate) fn limit(name: &str, key: Key) -> RateLimitLayer {
    RateLimitLayer::builder(name, PLENTIFUL.parse().expect("a quota"))
        .key(key)
        .build()
        .expect("valid")
}

macro_rules! their_limit {
    () => {{
        let config = GovernorConfigBuilder::default()
            .per_nanosecond(1_000)
            .burst_size(PLENTY)
            .use_headers()
            .finish();
        GovernorLayer::new(Arc::new(config.expect("valid")))
    }};
}

/// All layers of this crate that look at a head, in their order.
pub(crate) fn whole_stack() -> Rampart {
    let csrf = CsrfLayer::builder().origins(&policy(2)).build();
    let addresses = ClientAddrResolver::builder()
        .peer(tower_rampart::axum::connect_info)
        .build();
    Rampart::builder()
        .context(ContextLayer::new().client_addr(addresses.expect("valid")))
        .security_headers(SecurityHeadersLayer::api().build().expect("valid"))
        .cors(our_cors(2))
        .rate_limit(limit("api", Key::ClientAddr))
        .csrf(csrf.expect("valid"))
        .max_content_length(8 << 20)
        .jwt(our_jwt())
        .rate_limit_subject(limit("subject", Key::Subject))
        .build()
        .expect("a safe combination")
}

/// A token for that stack.
pub(crate) fn token() -> String {
    keys()
        .token()
        .claim("scope", "images:read images:write")
        .sign()
}

/// Measures every row.
pub(crate) fn measure() -> Vec<Row> {
    let token = token();
    let peer = ([192, 0, 2, 1], 4711).into();
    let asked = || request(&token, peer);
    let mut rows = Vec::new();

    rows.push(row(
        "JWT, HS256",
        "jwt-authorizer 0.15",
        &asked,
        200,
        (our_jwt().layer(Nothing), their_jwt().layer(OldNothing)),
    ));
    rows.push(row(
        "limit, with fields",
        "tower_governor 0.8",
        &asked,
        200,
        (
            limit("api", Key::ClientAddr).layer(Nothing),
            their_limit!().layer(Nothing),
        ),
    ));
    rows.push(row(
        "CORS, two origins",
        "tower-http 0.7",
        &asked,
        200,
        (our_cors(2).layer(Nothing), their_cors(2).layer(Nothing)),
    ));
    let their_csrf = || {
        let layer = tower_http::csrf::CsrfLayer::new();
        layer.add_trusted_origin(PAGE).expect("valid")
    };
    let our_csrf = CsrfLayer::builder().origins(&policy(2)).build();
    let posted = || {
        let mut request = asked();
        *request.method_mut() = http::Method::POST;
        request
    };
    rows.push(row(
        "CSRF, a POST",
        "tower-http 0.7",
        &posted,
        200,
        (
            our_csrf.expect("valid").layer(Nothing),
            their_csrf().layer(Nothing),
        ),
    ));
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let id = HeaderName::from_static("x-request-id");
    macro_rules! their_headers {
        () => {
            ServiceBuilder::new()
                .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .layer(header(X_FRAME_OPTIONS, "DENY"))
                .layer(header(REFERRER_POLICY, "no-referrer"))
                .layer(header(CACHE_CONTROL, "no-store"))
                .layer(header(
                    HeaderName::from_static("cross-origin-opener-policy"),
                    "same-origin",
                ))
                .layer(header(
                    HeaderName::from_static("cross-origin-resource-policy"),
                    "same-origin",
                ))
                .layer(header(
                    HeaderName::from_static("permissions-policy"),
                    "camera=(), microphone=()",
                ))
                .layer(header(
                    CONTENT_SECURITY_POLICY,
                    "default-src 'none'; frame-ancestors 'none'",
                ))
        };
    }
    rows.push(row(
        "security headers",
        "tower-http 0.7, eight layers",
        &asked,
        200,
        (
            SecurityHeadersLayer::api()
                .build()
                .expect("valid")
                .layer(Nothing),
            their_headers!().service(Nothing),
        ),
    ));
    // What answers with bodies of the axum before is innermost but one.
    let inner = ServiceBuilder::new()
        .map_response(|response: Response<OldBody>| response.map(|_| Body::empty()))
        .layer(their_jwt())
        .service(OldNothing);
    let theirs = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(id.clone(), MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(id))
        .layer(their_headers!().into_inner())
        .layer(their_cors(2))
        .layer(CatchPanicLayer::new())
        .layer(their_limit!())
        .layer(their_csrf())
        .layer(their_limit!())
        .service(inner);
    let theirs = RequestBodyLimitLayer::new(8 << 20).layer(Unlimited(theirs));
    rows.push(row(
        "whole stack",
        "the same of all these",
        &asked,
        200,
        (whole_stack().layer(Nothing), theirs),
    ));
    rows.push(row(
        "whole stack",
        NO_STACK,
        &asked,
        200,
        (whole_stack().layer(Nothing), Nothing),
    ));
    rows.push(decode(&token));
    rows.extend(crate::others::measure(&asked));
    rows
}

/// Verification without a layer.
fn decode(token: &str) -> Row {
    let keys = keys();
    let verifier = Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience());
    let verifier = verifier.build().expect("valid");
    let theirs = jsonwebtoken::DecodingKey::from_secret(SECRET.as_bytes());
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.set_issuer(&[keys.issuer()]);
    rules.set_audience(&[keys.audience()]);
    let now = SystemClock.unix_now();
    let ours = || {
        assert!(verifier.verify(std::hint::black_box(token), now).is_ok());
    };
    let decode = || {
        let decoded = jsonwebtoken::decode::<Value>(std::hint::black_box(token), &theirs, &rules);
        assert!(decoded.is_ok());
    };
    let counted = [
        allocation_counter::measure(ours).count_total as i64,
        allocation_counter::measure(decode).count_total as i64,
    ];
    let asked = || Request::new(Body::empty());
    let mut row = row(
        "verification, HS256",
        "jsonwebtoken 9 `decode`",
        &asked,
        200,
        (Call(&ours), Call(&decode)),
    );
    row.allocations = counted;
    row
}
