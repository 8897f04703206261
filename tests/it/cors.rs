//! Cross-origin resource sharing, row by row.

use http::{Method, StatusCode, header};
use tower::Layer;
use tower_rampart::cors::{CorsLayer, OriginPolicy, OriginProblem, Problem};

use crate::support::events::events;
use crate::support::{Answer, Hello, call, request};

fn dev() -> CorsLayer {
    let origins = OriginPolicy::builder()
        .origin("http://localhost:5173")
        .origin("http://localhost:3000")
        .build();
    CorsLayer::credentialed(&origins.expect("valid"))
        .methods([Method::PUT, Method::PATCH, Method::DELETE])
        .request_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose([header::RETRY_AFTER])
        .build()
        .expect("valid")
}

fn production() -> CorsLayer {
    let origins = OriginPolicy::builder()
        .origin("https://app.example.com")
        .origin("https://foo.com")
        .origin("https://bar.com")
        .subdomains_of("https://tenant.example.com")
        .build();
    CorsLayer::credentialed(&origins.expect("valid"))
        .build()
        .expect("valid")
}

async fn get(layer: &CorsLayer, origin: &str) -> Answer {
    call(
        layer.layer(Hello::default()),
        request("GET", "/", &[("origin", origin)]),
    )
    .await
}

#[track_caller]
fn check_denied(answer: &Answer, origin: &str) {
    assert_eq!(answer.header_names("access-control-"), [""; 0], "{origin}");
    assert_eq!(answer.header("vary"), Some("Origin"), "{origin}");
}

#[tokio::test]
async fn a_listed_origin_may_read_the_answer() {
    for origin in ["http://localhost:5173", "http://localhost:3000"] {
        let answer = get(&dev(), origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("retry-after")
        );
        assert_eq!(answer.header_names("access-control-").len(), 3);
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn a_denied_origin_learns_nothing_and_its_request_still_runs() {
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:5173/",
        "http://LOCALHOST:5173",
        "http://localhost:05173",
        "http://localhost:51730",
        "http://localhost:517",
        "http://localhost",
        "https://localhost:5173",
        "http://localhost:5173.evil.com",
        "http://evil@localhost:5173",
        "http://localhost:5173@evil.com",
        "http://localhost:5173, http://localhost:3000",
        "http://localhost.example.com",
        "",
    ] {
        let inner = Hello::default();
        let answer = call(
            dev().layer(inner.clone()),
            request("GET", "/", &[("origin", origin)]),
        )
        .await;
        check_denied(&answer, origin);
        assert_eq!(inner.calls(), 1);
    }
    let twice = request(
        "GET",
        "/",
        &[
            ("origin", "http://localhost:5173"),
            ("origin", "https://evil.example"),
        ],
    );
    check_denied(
        &call(dev().layer(Hello::default()), twice).await,
        "two origins",
    );
    check_denied(
        &call(dev().layer(Hello::default()), request("GET", "/", &[])).await,
        "no origin",
    );
}

#[tokio::test]
async fn subdomains_match_by_whole_labels() {
    for origin in [
        "https://a.tenant.example.com",
        "https://a.b.c.tenant.example.com",
        "https://x_.tenant.example.com",
    ] {
        assert_eq!(
            get(&production(), origin)
                .await
                .header("access-control-allow-origin"),
            Some(origin)
        );
    }
    for origin in [
        "https://tenant.example.com",
        "https://eviltenant.example.com",
        "https://evilapp.example.com",
        "https://app.example.com.evil.io",
        "https://app.example.com:8080",
        "https://notfoo.com",
        "https://barfoo.com",
        "https://foobar.com",
        "https://app.example.community",
        "http://app.example.com",
        "http://a.tenant.example.com",
        "https://a.tenant.example.com:8443",
        "https://.tenant.example.com",
        "https://a..tenant.example.com",
        "https://a.tenant.example.com.",
        "https://*.tenant.example.com",
        "https://app.example.com`.evil.io",
        "https://app.example.com%60.evil.io",
    ] {
        check_denied(&get(&production(), origin).await, origin);
    }
}

fn preflight(origin: &str, extra: &[(&str, &str)]) -> http::Request<crate::support::Body> {
    let mut headers = vec![("origin", origin), ("access-control-request-method", "PUT")];
    headers.extend_from_slice(extra);
    request("OPTIONS", "/", &headers)
}

#[tokio::test]
async fn a_preflight_gets_constants_whatever_it_asks() {
    let inner = Hello::default();
    let long = ",".repeat(8_192);
    for extra in [
        vec![],
        vec![(
            "access-control-request-headers",
            "authorization,content-type",
        )],
        vec![("access-control-request-headers", "X-Evil")],
        vec![("access-control-request-headers", long.as_str())],
        vec![("access-control-request-private-network", "true")],
    ] {
        let answer = call(
            dev().layer(inner.clone()),
            preflight("http://localhost:5173", &extra),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert!(answer.body.is_empty());
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("http://localhost:5173")
        );
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(
            answer.header("access-control-allow-methods"),
            Some("PUT,PATCH,DELETE")
        );
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("authorization,content-type")
        );
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert_eq!(answer.header_names("access-control-").len(), 5);
        assert_eq!(
            answer.header("vary"),
            Some("Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        );
    }
    let denied = call(
        dev().layer(inner.clone()),
        preflight("https://evil.example", &[]),
    )
    .await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert_eq!(denied.header_names("access-control-"), [""; 0]);
    assert_eq!(denied.code(), "origin_denied");
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn other_options_requests_reach_the_handler() {
    let inner = Hello::default();
    let plain = request("OPTIONS", "/", &[("origin", "http://localhost:5173")]);
    let answer = call(dev().layer(inner.clone()), plain).await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:5173")
    );
    let no_origin = request("OPTIONS", "/", &[("access-control-request-method", "PUT")]);
    check_denied(
        &call(dev().layer(inner.clone()), no_origin).await,
        "no origin",
    );
    assert_eq!(inner.calls(), 2);
}

#[tokio::test]
async fn a_handler_cannot_open_what_the_list_closes() {
    let inner = Hello::default()
        .with_header("access-control-allow-origin", "*")
        .with_header("access-control-allow-credentials", "true")
        .with_header("vary", "Accept-Encoding, origin");
    let denied = call(
        dev().layer(inner.clone()),
        request("GET", "/", &[("origin", "https://evil.example")]),
    )
    .await;
    assert_eq!(denied.header_names("access-control-"), [""; 0]);
    assert_eq!(denied.header("vary"), Some("Accept-Encoding, origin"));
    let allowed = call(
        dev().layer(inner),
        request("GET", "/", &[("origin", "http://localhost:3000")]),
    )
    .await;
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
}

#[tokio::test]
async fn a_public_service_shares_with_everybody_and_without_credentials() {
    let public = CorsLayer::any_origin().build().expect("valid");
    for headers in [&[("origin", "https://any.example")][..], &[]] {
        let answer = call(public.layer(Hello::default()), request("GET", "/", headers)).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), None);
    }
}

#[test]
fn every_origin_that_could_never_match_is_reported_at_once() {
    let problems = OriginPolicy::builder()
        .origin("null")
        .origin("https://a.example/")
        .origin("https://a.example:443")
        .origin("https://A.example")
        .origin("https://é.fr")
        .origin("https://*.com")
        .origin("http://x.example")
        .origin("example.com")
        .subdomains_of("https://github.io")
        .any_port_on("https://example.com")
        .build()
        .expect_err("every one is wrong")
        .into_problems();
    assert_eq!(problems.len(), 10, "{problems:#?}");
    assert!(matches!(&problems[0], OriginProblem::Null { .. }));
    assert_eq!(
        problems[1].to_string(),
        "origin 1 \"https://a.example/\": an origin ends after host and port; write https://a.example"
    );
    assert!(
        matches!(&problems[2], OriginProblem::DefaultPort { suggestion: Some(s), .. } if s == "https://a.example")
    );
    assert!(matches!(&problems[6], OriginProblem::Insecure { .. }));
    assert!(matches!(&problems[8], OriginProblem::PublicSuffix { .. }));
}

#[test]
fn production_refuses_loopback_and_names_the_entry() {
    let list = "https://app.example.com, http://localhost:5173,https://b.example.com/x";
    let problems = OriginPolicy::builder()
        .csv("CORS_ORIGINS", list)
        .production()
        .build()
        .expect_err("two are wrong");
    let text = problems.to_string();
    assert!(
        text.contains("CORS_ORIGINS[1] \"http://localhost:5173\": a loopback origin"),
        "{text}"
    );
    assert!(
        text.contains("CORS_ORIGINS[2]") && text.contains("write https://b.example.com"),
        "{text}"
    );
}

#[test]
fn what_scripts_can_never_do_is_a_problem() {
    let problems = CorsLayer::any_origin()
        .methods([Method::TRACE, Method::CONNECT])
        .request_headers([
            header::COOKIE,
            header::HeaderName::from_static("sec-fetch-site"),
        ])
        .expose([header::SET_COOKIE])
        .max_age(std::time::Duration::from_secs(90_000))
        .build()
        .expect_err("every one is wrong")
        .into_problems();
    assert_eq!(problems.len(), 6, "{problems:?}");
    assert!(matches!(problems[5], Problem::MaxAgeTooLong { .. }));
}

#[tokio::test]
async fn a_layer_inside_another_one_can_only_close() {
    let both =
        OriginPolicy::builder().csv("BOTH", "https://app.example.com,https://admin.example.com");
    let admin = OriginPolicy::builder().origin("https://admin.example.com");
    let layer = |list: tower_rampart::cors::OriginPolicyBuilder| {
        let list = list.build().expect("valid");
        CorsLayer::credentialed(&list).build().expect("valid")
    };
    let (both, admin) = (layer(both), layer(admin));
    let nested = |outer: &CorsLayer, inner: &CorsLayer, origin: &'static str| {
        // Nobody has left anything in the extensions of this one.
        let mut asked = request("GET", "/", &[("origin", origin)]);
        asked.extensions_mut().clear();
        call(outer.layer(inner.layer(Hello::default())), asked)
    };
    // Caches know that a public answer depends on who asks, once a list closes it.
    let public = CorsLayer::any_origin().build().expect("valid");
    for (origin, open) in [
        ("https://evil.example", false),
        ("https://admin.example.com", true),
    ] {
        let answer = nested(&public, &admin, origin).await;
        assert_eq!(answer.header("access-control-allow-origin").is_some(), open);
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    // Whoever completes answers from outside opens nothing again.
    let asked = request("GET", "/", &[("origin", "https://app.example.com")]);
    let mut answer = call(both.layer(admin.layer(Hello::default())), asked).await;
    let origin = header::HeaderValue::from_static("https://app.example.com");
    let asked = [(header::ORIGIN, origin)].into_iter().collect();
    both.decorate(&asked, &mut answer.head);
    check_denied(&answer, "decorated");
    for (outer, inner) in [(&both, &admin), (&admin, &both)] {
        let app = nested(outer, inner, "https://app.example.com").await;
        check_denied(&app, "closed by one of them");
        let admin = nested(outer, inner, "https://admin.example.com").await;
        let allowed = admin.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://admin.example.com"));
    }
}

#[tokio::test]
async fn a_layer_inside_another_one_says_so_once() {
    let (outer, inner) = (dev(), dev());
    let asked = || request("GET", "/", &[("origin", "http://localhost:5173")]);
    events();
    call(outer.layer(Hello::default()), asked()).await;
    assert_eq!(events(), 0, "alone");
    for said in [1, 0] {
        call(outer.layer(inner.layer(Hello::default())), asked()).await;
        assert_eq!(events(), said);
    }
}

#[test]
fn names_that_browsers_read_otherwise_are_problems() {
    let origins = OriginPolicy::builder()
        .origin("https://a.example.com")
        .build();
    let star = header::HeaderName::from_static("*");
    let problems = CorsLayer::credentialed(&origins.expect("valid"))
        .methods(
            ["*", "put", "M-SEARCH"]
                .map(|name| Method::from_bytes(name.as_bytes()).expect("a token")),
        )
        .request_headers([star.clone()])
        .expose([star])
        .build()
        .expect_err("four are wrong")
        .into_problems();
    assert!(
        matches!(
            problems[..],
            [
                Problem::Star { setting: "methods" },
                Problem::MethodCase { .. },
                Problem::Star {
                    setting: "request_headers"
                },
                Problem::Star { setting: "expose" }
            ]
        ),
        "{problems:?}"
    );
}

#[test]
fn origins_that_no_page_has_are_problems_and_those_of_apps_are_not() {
    for (origin, suggestion) in [
        ("wss://app.example.com", Some("https://app.example.com")),
        ("ws://localhost:5173", Some("http://localhost:5173")),
        ("localhost:5173", Some("http://localhost:5173")),
        ("https://256.1.1.1", None),
        ("https://127.1", None),
        ("https://[::ffff:127.0.0.1]", None),
    ] {
        let problems = OriginPolicy::builder().origin(origin).build();
        let problems = problems.expect_err(origin).into_problems();
        let OriginProblem::NotAnOrigin {
            suggestion: told, ..
        } = &problems[0]
        else {
            panic!("{origin}: {problems:?}");
        };
        assert_eq!(told.as_deref(), suggestion, "{origin}");
    }
    let mapped = OriginPolicy::builder()
        .origin("https://[::ffff:a00:1]")
        .build();
    assert!(mapped.is_ok(), "as browsers write it: {mapped:?}");
    let wide = OriginPolicy::builder()
        .subdomains_of("https://10.0.0.5")
        .subdomains_of("https://cloudfront.net")
        .build();
    assert_eq!(wide.expect_err("both").into_problems().len(), 2);
    let apps = || {
        OriginPolicy::builder()
            .origin("capacitor://localhost")
            .origin("tauri://localhost")
            .production()
    };
    assert!(apps().build().is_ok());
    let web_view = apps().origin("https://localhost");
    assert!(web_view.build().is_err());
    let web_view = apps()
        .origin("https://localhost")
        .dangerous_allow_loopback_in_production();
    assert!(web_view.build().is_ok());
}

proptest::proptest! {
    #[test]
    fn the_list_decides_like_a_naive_comparison(
        labels in proptest::collection::vec("[ab]{1,2}", 1..5),
        scheme in proptest::sample::select(vec!["http", "https"]),
        port in proptest::option::of(proptest::sample::select(vec![1_u16, 80, 443, 8443])),
    ) {
        let host = format!("{}.example.com", labels.join("."));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let origin = format!("{scheme}://{host}{port}");
        let exact = ["https://a.example.com", "https://b.a.example.com:8443"];
        let policy = OriginPolicy::builder().origin(exact[0]).origin(exact[1]).subdomains_of("https://ab.example.com").build();
        let naive = exact.contains(&origin.as_str())
            || (scheme == "https" && port.is_empty() && host.ends_with(".ab.example.com"));
        proptest::prop_assert_eq!(policy.expect("valid").allows(&origin), naive, "{}", origin);
    }
}
