//! The order: each pair that must not be swapped.

mod order;

use std::time::Duration;

use http::StatusCode;
use tower::{Layer, service_fn};
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::context::ContextLayer;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::jwt::{JwtLayer, RequireLayer, Source};
use tower_rampart::rate_limit::{Key, RateLimitLayer};
use tower_rampart::rejection::Refusal;
use tower_rampart::secret::Secret;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::session::{
    MemoryStore, NewSession, SessionCookies, SessionLayer, StrictSessionLayer, TokenIssuer,
};
use tower_rampart::stack::{Problem, Rampart};
use tower_rampart::upload::{FileRule, UploadLayer};

use crate::support::{Answer, Body, Hello, call, request};

const PAGE: (&str, &str) = ("origin", "http://localhost:5173");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

struct Setup {
    issuer: TokenIssuer,
    clock: ManualClock,
    rampart: Rampart,
}

/// Every layer, with a limit of three by address and two by subject.
fn setup() -> Setup {
    let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
    let issuer = TokenIssuer::builder(MemoryStore::new())
        .secret(&Secret::random(48))
        .issuer("i")
        .audience("a")
        .clock(clock.clone())
        .build()
        .expect("valid");
    let cookies = SessionCookies::default();
    let origins = OriginPolicy::builder()
        .origin(PAGE.1)
        .build()
        .expect("valid");
    let source = Source::Cookie(cookies.access_name().to_owned());
    let jwt = JwtLayer::builder(issuer.verifier())
        .sources([Source::Bearer, source])
        .clock(clock.clone())
        .build();
    let limit = |name: &str, quota: &str| {
        RateLimitLayer::builder(name, quota.parse().expect("a quota")).clock(clock.clone())
    };
    let rampart = Rampart::builder()
        .rate_limit_subject(
            limit("subject", "2/1h")
                .key(Key::Subject)
                .build()
                .expect("valid"),
        )
        .jwt(jwt.expect("valid"))
        .session(SessionLayer::new(issuer.clone(), cookies).origins(&origins))
        .csrf(
            CsrfLayer::builder()
                .origins(&origins)
                .build()
                .expect("valid"),
        )
        .rate_limit(limit("address", "3/1h").build().expect("valid"))
        .cors(CorsLayer::credentialed(&origins).build().expect("valid"))
        .security_headers(SecurityHeadersLayer::api().build().expect("valid"))
        .context(ContextLayer::new())
        .max_content_length(1_000)
        .strict_session(StrictSessionLayer::new(issuer.clone()))
        .require(
            RequireLayer::fresh(Duration::from_secs(3_600))
                .clock(clock.clone())
                .build()
                .expect("valid"),
        )
        .build()
        .expect("a safe combination");
    Setup {
        issuer,
        clock,
        rampart,
    }
}

async fn send(setup: &Setup, method: &str, headers: &[(&str, &str)]) -> Answer {
    call(
        setup.rampart.layer(Hello::default()),
        request(method, "/", headers),
    )
    .await
}

/// What every answer to an allowed page must carry, whoever gave it.
#[track_caller]
fn check_decorated(answer: &Answer) {
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some(PAGE.1),
        "readable by the page"
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn cors_is_outside_authentication_and_limits() {
    let setup = setup();
    for _ in 0..10 {
        let preflight = send(
            &setup,
            "OPTIONS",
            &[PAGE, ("access-control-request-method", "GET")],
        )
        .await;
        assert_eq!(
            preflight.status(),
            StatusCode::NO_CONTENT,
            "not asked for a token, and not counted"
        );
        check_decorated(&preflight);
    }
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = send(&setup, "GET", &[PAGE]).await;
        check_decorated(&answer);
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
}

#[tokio::test]
async fn panics_and_errors_are_answered_inside_cors() {
    use http::{Request, Response};
    type Outcome = Result<Response<String>, String>;
    // Without a token that is asked for, so that the service is reached.
    let open = Rampart::builder()
        .cors(
            CorsLayer::credentialed(
                &OriginPolicy::builder()
                    .origin(PAGE.1)
                    .build()
                    .expect("valid"),
            )
            .build()
            .expect("valid"),
        )
        .security_headers(SecurityHeadersLayer::api().build().expect("valid"))
        .context(ContextLayer::new())
        .build()
        .expect("a safe combination");
    let late = |_request: Request<Body>| async { panic!("canary in a future") as Outcome };
    let early = |_request: Request<Body>| -> std::future::Ready<Outcome> { panic!("canary") };
    let failing = |_request: Request<Body>| async { Err("canary error".to_owned()) as Outcome };
    for (answer, kind) in [
        (
            call(open.layer(service_fn(late)), request("GET", "/", &[PAGE])).await,
            "panic",
        ),
        (
            call(open.layer(service_fn(early)), request("GET", "/", &[PAGE])).await,
            "panic",
        ),
        (
            call(
                open.layer(service_fn(failing)),
                request("GET", "/", &[PAGE]),
            )
            .await,
            "service-error",
        ),
    ] {
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        check_decorated(&answer);
        assert_eq!(answer.code(), "internal_error");
        assert_eq!(
            answer.json()["request_id"].as_str(),
            answer.header("x-request-id")
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
        let refusal = answer.head.extensions.get::<Refusal>().expect("a refusal");
        assert_eq!((refusal.policy(), refusal.kind()), ("rescue", kind));
    }
    // A service that works is not touched.
    let fine = |_request: Request<Body>| async { Ok(Response::new("fine".to_owned())) as Outcome };
    let answer = call(open.layer(service_fn(fine)), request("GET", "/", &[PAGE])).await;
    assert_eq!(
        (answer.status(), &answer.body[..]),
        (StatusCode::OK, &b"fine"[..])
    );
}

#[tokio::test]
async fn a_panic_in_a_layer_is_answered_inside_cors_too() {
    let limit = RateLimitLayer::builder("api", "3/1h".parse().expect("a quota"));
    let limit = limit.exempt_when(|_| panic!("canary in a closure"));
    let origins = OriginPolicy::builder()
        .origin(PAGE.1)
        .build()
        .expect("valid");
    let rampart = Rampart::builder()
        .rate_limit(limit.build().expect("valid"))
        .cors(CorsLayer::credentialed(&origins).build().expect("valid"))
        .security_headers(SecurityHeadersLayer::api().build().expect("valid"))
        .context(ContextLayer::new())
        .build()
        .expect("a safe combination");
    let answer = call(
        rampart.layer(Hello::default()),
        request("GET", "/", &[PAGE]),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    check_decorated(&answer);
}

#[tokio::test]
async fn the_limit_by_address_is_outside_everything_costly() {
    let setup = setup();
    for expected in [403, 403, 403, 429] {
        assert_eq!(
            send(&setup, "POST", &[EVIL]).await.status().as_u16(),
            expected
        );
    }
}

#[tokio::test]
async fn csrf_is_outside_the_token_refresh() {
    let setup = setup();
    let tokens = setup
        .issuer
        .start(NewSession::of("ann"))
        .await
        .expect("started");
    setup.clock.advance(Duration::from_secs(700));
    let cookie = format!("__Host-refresh={}", tokens.refresh_token());
    let forged = send(&setup, "POST", &[EVIL, ("cookie", &cookie)]).await;
    assert_eq!(
        (forged.status(), forged.header("set-cookie")),
        (StatusCode::FORBIDDEN, None)
    );
    let rotated = setup
        .issuer
        .refresh(tokens.refresh_token())
        .await
        .expect("still the first generation");
    assert_eq!(rotated.session().generation, 1);
}

#[tokio::test]
async fn the_refresh_is_outside_authentication_which_is_outside_the_limit_by_subject() {
    let setup = setup();
    let tokens = setup
        .issuer
        .start(NewSession::of("ann"))
        .await
        .expect("started");
    setup.clock.advance(Duration::from_secs(700));
    let cookie = format!("__Host-refresh={}", tokens.refresh_token());
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = send(&setup, "GET", &[PAGE, ("cookie", &cookie)]).await;
        check_decorated(&answer);
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(
        statuses,
        [200, 200, 429],
        "the subject's limit is two, the address's three"
    );
}

#[test]
fn the_order_is_told_in_words_and_as_json() {
    let explanation = setup().rampart.explain();
    let slots = explanation.to_json();
    let slots = slots.as_array().expect("a list");
    let names: Vec<_> = slots.iter().map(|slot| slot["layer"].as_str()).collect();
    let expected = [
        "context",
        "security_headers",
        "cors",
        "rescue",
        "rate_limit",
        "csrf",
        "content_length",
        "session",
        "jwt",
        "rate_limit_subject",
        "strict_session",
        "require",
    ];
    assert_eq!(names, expected.map(Some));
    assert!(slots.iter().all(|slot| slot["on"] == true));
    assert_eq!(
        slots[2]["settings"]["origins"],
        "http://localhost:5173; with credentials"
    );
    assert_eq!(slots[4]["settings"]["quota"], "address 3/1h");
    assert_eq!(slots[6]["settings"]["bytes"], "1000");
    let text = explanation.to_string();
    for line in [
        " 1  context             on  names the request",
        " 6  csrf                on  before a forged",
        "        quota: subject 2/1h",
        "        counted by: subject",
        "        cookies: __Host-access, __Host-refresh",
        "        signed in within: 3600s",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // Nothing but the rescue, which is always there.
    let empty = Rampart::default().explain().to_json();
    let on = empty
        .as_array()
        .expect("a list")
        .iter()
        .filter(|slot| slot["on"] == true);
    let on: Vec<_> = on.map(|slot| slot["layer"].as_str()).collect();
    assert_eq!(on, [Some("rescue")]);
}

#[tokio::test]
async fn a_cap_on_lengths_lowers_what_axum_reads_and_never_raises_it() {
    use axum::Router;
    use axum::routing::post;
    use tower_rampart::stack::RampartExt as _;
    for (cap, body, status) in [
        (1_000, 1_000, 200),
        (1_000, 1_001, 413),
        (50_000_000, 2_000_000, 200),
        (50_000_000, 3_000_000, 413),
    ] {
        let rampart = Rampart::builder().max_content_length(cap);
        let rampart = rampart.build().expect("a safe combination");
        let app = Router::new().route("/", post(async |_: bytes::Bytes| "read"));
        // Without a declared length.
        let asked = http::Request::post("/").body(Body::from(vec![0; body]));
        let service = app.rampart(&rampart).into_service();
        let answer = call(service, asked.expect("a legal request")).await;
        assert_eq!(answer.status().as_u16(), status, "{cap} {body}");
    }
}

#[test]
fn combinations_that_cannot_be_safe_are_refused() {
    let setup = setup();
    let jwt = || JwtLayer::builder(setup.issuer.verifier());
    let cookie = Source::Cookie("__Host-access".to_owned());
    let by_subject = RateLimitLayer::builder("s", "1/1s".parse().expect("a quota"))
        .key(Key::Subject)
        .build()
        .expect("valid");

    let problems = Rampart::builder()
        .jwt(jwt().sources([cookie]).build().expect("valid"))
        .build();
    assert_eq!(
        problems.expect_err("no CSRF").into_problems(),
        [Problem::CookiesWithoutCsrf]
    );
    assert!(
        Rampart::builder()
            .jwt(jwt().build().expect("valid"))
            .build()
            .is_ok(),
        "bearer tokens need none"
    );

    let session = SessionLayer::new(setup.issuer.clone(), SessionCookies::default());
    let problems = Rampart::builder()
        .session(session)
        .rate_limit(by_subject.clone())
        .rate_limit_subject(by_subject)
        .build();
    assert_eq!(
        problems.expect_err("four problems").into_problems(),
        [
            Problem::CookiesWithoutCsrf,
            Problem::SessionWithoutJwt,
            Problem::SubjectBeforeJwt,
            Problem::SubjectWithoutJwt
        ]
    );

    let require = RequireLayer::role("admin").build().expect("valid");
    let strict = StrictSessionLayer::new(setup.issuer.clone());
    let upload = UploadLayer::raw(FileRule::images().max_bytes(5_000));
    let upload = upload.build().expect("valid");
    let problems = Rampart::builder()
        .around_upload(&upload)
        .strict_session(strict)
        .max_content_length(4_999)
        .require(require)
        .build();
    let problems = problems.expect_err("three problems").into_problems();
    assert!(
        matches!(
            problems[..],
            [
                Problem::StrictSessionWithoutJwt,
                Problem::RequireWithoutJwt,
                Problem::UploadOverCap {
                    cap: 4_999,
                    upload: 5_000
                }
            ]
        ),
        "{problems:?}"
    );
    let origins = OriginPolicy::builder()
        .origin(PAGE.1)
        .build()
        .expect("valid");
    let cors = CorsLayer::credentialed(&origins).build().expect("valid");
    let session = SessionLayer::new(setup.issuer.clone(), SessionCookies::default());
    let problems = Rampart::builder()
        .cors(cors)
        .csrf(CsrfLayer::builder().build().expect("valid"))
        .session(session)
        .jwt(jwt().build().expect("valid"))
        .build();
    assert_eq!(
        problems
            .expect_err("three lists of one are missing")
            .into_problems(),
        [
            Problem::CsrfWithoutOrigins,
            Problem::SessionWithoutOrigins,
            Problem::CorsWithoutAuthorization
        ]
    );
    let reading = CorsLayer::credentialed(&origins).build().expect("valid");
    let csrf = CsrfLayer::builder()
        .own_pages_only()
        .build()
        .expect("valid");
    let session = SessionLayer::new(setup.issuer.clone(), SessionCookies::default());
    let cookie = Source::Cookie("__Host-access".to_owned());
    let reading = Rampart::builder()
        .cors(reading)
        .csrf(csrf)
        .session(session.own_pages_only())
        .jwt(jwt().sources([cookie]).build().expect("valid"));
    assert!(
        reading.build().is_ok(),
        "pages that may read and nothing else"
    );
    let public = Rampart::builder()
        .cors(CorsLayer::any_origin().build().expect("valid"))
        .jwt(jwt().optional().build().expect("valid"));
    assert!(public.build().is_ok(), "pages may come as strangers");
    let enough = Rampart::builder()
        .around_upload(&upload)
        .max_content_length(5_000);
    assert!(enough.build().is_ok());
}
