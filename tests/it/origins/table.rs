//! The table of answers, row by row: configuration, request, answer.

use http::StatusCode;
use tower_rampart::cors::{CorsLayer, OriginPolicy, OriginProblem};

use super::{
    App, Settings, behind, behind_headers, check_closed, check_open, check_strict, credentialed,
    dev_origins, production_origins,
};
use crate::support::Answer;
use crate::support::http::Site;

const PAGE: &str = "http://localhost:5173";
const OTHER: &str = "http://localhost:3000";
const EVIL: &str = "https://evil.example";

fn dev() -> CorsLayer {
    credentialed(&dev_origins()).build().expect("valid")
}

fn production() -> CorsLayer {
    credentialed(&production_origins()).build().expect("valid")
}

async fn get(site: Site, origin: &str) -> Answer {
    site.send("GET", "/", &[("Origin", origin)]).await
}

#[tokio::test]
async fn rows_1_to_4_who_may_read() {
    let site = behind(dev()).await;
    for origin in [PAGE, OTHER] {
        let answer = get(site, origin).await;
        assert_eq!(answer.status(), StatusCode::OK);
        check_open(&answer, origin);
    }
    check_closed(&site.send("GET", "/", &[]).await, "no origin");
    let answer = get(site, EVIL).await;
    assert_eq!(
        (answer.status(), answer.header("x-handler")),
        (StatusCode::OK, Some("ran"))
    );
    check_closed(&answer, EVIL);
}

#[tokio::test]
async fn rows_5_to_8_and_22_preflights_get_constants() {
    let site = behind(dev()).await;
    let commas = ",".repeat(8 * 1024);
    let mut answers = Vec::new();
    for asked in [
        &[(
            "Access-Control-Request-Headers",
            "authorization,content-type",
        )][..],
        &[("Access-Control-Request-Headers", "X-Evil")],
        &[(
            "Access-Control-Request-Headers",
            "AUTHORIZATION,CONTENT-TYPE",
        )],
        &[
            ("Access-Control-Request-Headers", "authorization"),
            ("Access-Control-Request-Headers", "content-type"),
        ],
        &[("Access-Control-Request-Headers", commas.as_str())],
        &[("Access-Control-Request-Private-Network", "true")],
        &[("Access-Control-Request-Method", "TRACE")],
        &[],
    ] {
        let mut headers = vec![("Origin", PAGE)];
        if !asked.iter().any(|(name, _)| name.ends_with("Method")) {
            headers.push(("Access-Control-Request-Method", "PUT"));
        }
        headers.extend(asked);
        let answer = site.send("OPTIONS", "/", &headers).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert!(answer.body.is_empty());
        let mut fields = answer.head.headers;
        fields.remove("date");
        answers.push(fields);
    }
    for (name, value) in [
        ("access-control-allow-origin", PAGE),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PUT,PATCH,DELETE"),
        ("access-control-allow-headers", "authorization,content-type"),
        ("access-control-max-age", "600"),
        (
            "vary",
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        ),
        ("connection", "close"),
    ] {
        assert_eq!(answers[0][name], value);
    }
    assert_eq!(answers[0].len(), 7, "and nothing else: {:?}", answers[0]);
    answers.dedup();
    assert_eq!(answers.len(), 1, "the same whatever was asked");

    let preflight = [("Origin", EVIL), ("Access-Control-Request-Method", "PUT")];
    let denied = site.send("OPTIONS", "/", &preflight).await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert_eq!(denied.header("x-handler"), None);
    assert_eq!(denied.code(), "origin_denied");
    check_closed(&denied, EVIL);
}

#[tokio::test]
async fn rows_9_and_10_other_options_are_the_handlers() {
    let site = behind(dev()).await;
    let plain = site.send("OPTIONS", "/", &[("Origin", PAGE)]).await;
    assert_eq!(plain.header("x-handler"), Some("ran"));
    check_open(&plain, PAGE);
    let no_page = [("Access-Control-Request-Method", "PUT")];
    let no_page = site.send("OPTIONS", "/", &no_page).await;
    assert_eq!(no_page.header("x-handler"), Some("ran"));
    check_closed(&no_page, "no origin");
}

#[tokio::test]
async fn rows_11_to_13_what_only_looks_like_a_page() {
    let site = behind(dev()).await;
    for origin in [
        "null",
        "http://localhost:5173/",
        "http://LOCALHOST:5173",
        "http://localhost:05173",
        "http://localhost:51730",
        "http://localhost:5173.evil.com",
        "http://evil@localhost:5173",
    ] {
        check_closed(&get(site, origin).await, origin);
    }
    for pair in [[PAGE, EVIL], [EVIL, PAGE], [PAGE, PAGE]] {
        let headers = pair.map(|origin| ("Origin", origin));
        check_closed(&site.send("GET", "/", &headers).await, "two origins");
    }
}

#[tokio::test]
async fn rows_14_to_16_subdomains() {
    let site = behind(production()).await;
    check_open(
        &get(site, "https://a.b.tenant.example.com").await,
        "https://a.b.tenant.example.com",
    );
    for origin in [
        "https://tenant.example.com",
        "https://eviltenant.example.com",
        "http://a.tenant.example.com",
        "https://a.tenant.example.com:8443",
        "https://app.example.com.evil.io",
    ] {
        check_closed(&get(site, origin).await, origin);
    }
}

#[tokio::test]
async fn rows_17_and_18_a_public_service() {
    let public = CorsLayer::any_origin().any_request_header();
    let site = behind(public.build().expect("valid")).await;
    for headers in [&[("Origin", EVIL)][..], &[]] {
        let answer = site.send("GET", "/", headers).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), None);
    }
    let preflight = [
        ("Origin", EVIL),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    let answer = site.send("OPTIONS", "/", &preflight).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("*,authorization")
    );
}

#[tokio::test]
async fn rows_19_to_21_what_handlers_say() {
    let says = |name: &'static str, value: &'static str| {
        let value = http::HeaderValue::from_static(value);
        [(http::HeaderName::from_static(name), value)]
            .into_iter()
            .collect()
    };
    let site = behind_headers(dev(), says("vary", "Accept-Encoding, origin")).await;
    let answer = get(site, PAGE).await;
    check_open(&answer, PAGE);
    assert_eq!(answer.header("vary"), Some("Accept-Encoding, origin"));
    let site = behind_headers(dev(), says("access-control-allow-origin", "*")).await;
    check_closed(&get(site, EVIL).await, EVIL);
    check_open(&get(site, PAGE).await, PAGE);
}

#[tokio::test]
async fn rows_23_to_25_refusals_can_be_read_and_preflights_are_free() {
    let app = App::start_with(Settings {
        quota: "5/1h",
        ..Settings::default()
    });
    let app = app.await;
    let stranger = app.site.send("GET", "/me", &[("Origin", PAGE)]).await;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert!(stranger.header("www-authenticate").is_some());
    check_open(&stranger, PAGE);
    check_strict(&stranger);
    for _ in 0..200 {
        let preflight = [("Origin", PAGE), ("Access-Control-Request-Method", "GET")];
        let answer = app.site.send("OPTIONS", "/me", &preflight).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    for expected in [401, 401, 401, 401, 429] {
        let answer = app.site.send("GET", "/me", &[("Origin", PAGE)]).await;
        assert_eq!(answer.status().as_u16(), expected);
        check_open(&answer, PAGE);
        check_strict(&answer);
        assert_eq!(answer.header("retry-after").is_some(), expected == 429);
    }
}

#[tokio::test]
async fn row_26_uploads_that_are_refused() {
    let app = App::start().await;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08";
    let large = [&png[..], &[0; 2_000]].concat();
    for (kind, body, status, code) in [
        ("image/png", &large[..], 413, "body_too_large"),
        (
            "application/pdf",
            b"%PDF-1.7",
            415,
            "unsupported_media_type",
        ),
        ("image/png", b"%PDF-1.7", 415, "media_type_mismatch"),
    ] {
        let headers = [
            ("Origin", PAGE.as_bytes()),
            ("Content-Type", kind.as_bytes()),
        ];
        let answer = app.site.send_bytes("POST", "/upload", &headers, body).await;
        assert_eq!(
            (answer.status().as_u16(), answer.code()),
            (status, code.to_owned())
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        check_open(&answer, PAGE);
        check_strict(&answer);
    }
    // What nobody reads is refused by what it says of itself.
    let headers = [("Origin", PAGE.as_bytes()), ("Content-Length", b"100001")];
    let answer = app.site.send_bytes("POST", "/things", &headers, b"").await;
    assert_eq!(
        (answer.status().as_u16(), answer.code()),
        (413, "body_too_large".to_owned())
    );
    check_open(&answer, PAGE);
}

#[tokio::test]
async fn row_27_failures() {
    let app = App::start().await;
    for (method, path, status) in [
        ("GET", "/panic", 500),
        ("GET", "/slow", 503),
        ("GET", "/nowhere", 404),
        ("PUT", "/only-get", 405),
    ] {
        let answer = app.site.send(method, path, &[("Origin", PAGE)]).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        check_open(&answer, PAGE);
        check_strict(&answer);
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
    }
}

#[tokio::test]
async fn rows_28_to_33_the_refresh_cookie() {
    let app = App::start().await;
    let cookie = app.refresh_cookie().await;
    let refresh = |headers: &'static [(&'static str, &'static str)]| {
        let mut all = vec![("Cookie", cookie.as_str())];
        all.extend(headers);
        let site = app.site;
        async move { site.send("POST", "/auth/refresh", &all).await }
    };
    for forged in [
        &[
            ("Origin", "http://localhost:9999"),
            ("Sec-Fetch-Site", "same-site"),
        ][..],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Origin", EVIL)],
        &[("Origin", "null")],
    ] {
        let answer = refresh(forged).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{forged:?}");
        assert_eq!(answer.code(), "cross_site_request");
        assert_eq!(answer.header("set-cookie"), None);
        check_closed(&answer, "forged");
        check_strict(&answer);
    }
    // The token is still the first one: none of them has spent it.
    let allowed = refresh(&[("Origin", PAGE), ("Sec-Fetch-Site", "same-site")]).await;
    assert_eq!(allowed.status(), StatusCode::OK);
    assert_eq!(allowed.head.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(allowed.header("cache-control"), Some("no-store"));
    check_open(&allowed, PAGE);

    for (strict, status) in [(false, 200), (true, 403)] {
        let app = App::start_with(Settings {
            csrf: if strict {
                |csrf| csrf.strict_cookies(["__Host-refresh"])
            } else {
                |csrf| csrf
            },
            ..Settings::default()
        });
        let app = app.await;
        let cookie = app.refresh_cookie().await;
        let curl = [("Cookie", cookie.as_str())];
        let answer = app.site.send("POST", "/auth/refresh", &curl).await;
        assert_eq!(answer.status().as_u16(), status);
        let spent = answer.head.headers.contains_key("set-cookie");
        assert_eq!(spent, !strict);
    }
}

#[tokio::test]
async fn rows_34_to_36_methods() {
    let app = App::start().await;
    let own = [("Sec-Fetch-Site", "same-origin")];
    assert_eq!(
        app.site.send("POST", "/things", &own).await.status(),
        StatusCode::OK
    );
    for method in ["DELETE", "PUT", "PATCH"] {
        let headers = [("Origin", EVIL), ("Authorization", "Bearer x")];
        let answer = app.site.send(method, "/things", &headers).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    for method in ["GET", "HEAD"] {
        let headers = [("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")];
        let answer = app.site.send(method, "/things", &headers).await;
        assert_eq!(answer.status(), StatusCode::OK);
        check_closed(&answer, method);
    }
}

#[tokio::test]
async fn row_37_websockets() {
    let app = App::start().await;
    for (origin, status) in [("http://localhost:9999", 403), (EVIL, 403), (PAGE, 101)] {
        let headers = [
            ("Origin", origin),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ];
        let answer = app.site.send("GET", "/ws", &headers).await;
        assert_eq!(answer.status().as_u16(), status, "{origin}");
    }
}

#[tokio::test]
async fn row_38_an_exemption_is_one_method_and_path() {
    let app = App::start_with(Settings {
        csrf: |csrf| csrf.dangerous_exempt(http::Method::POST, "/hook"),
        ..Settings::default()
    });
    let app = app.await;
    for (method, path, passes) in [
        ("POST", "/hook", true),
        ("POST", "/hook?from=mail", true),
        ("POST", "/hook/", false),
        ("POST", "//hook", false),
        ("POST", "/x/../hook", false),
        ("POST", "/HOOK", false),
        ("POST", "/%68ook", false),
        ("PUT", "/hook", false),
    ] {
        let answer = app.site.send(method, path, &[("Origin", EVIL)]).await;
        let refused = answer.status() == StatusCode::FORBIDDEN;
        assert_eq!(!refused, passes, "{method} {path}");
    }
}

#[tokio::test]
async fn rows_39_and_40_every_answer_is_strict() {
    for tls in [false, true] {
        let app = App::start_with(Settings {
            tls,
            ..Settings::default()
        });
        let app = app.await;
        let preflight = [("Origin", PAGE), ("Access-Control-Request-Method", "GET")];
        for (method, path, headers) in [
            ("GET", "/things", &[][..]),
            ("OPTIONS", "/things", &preflight[..]),
            ("POST", "/things", &[("Origin", EVIL)]),
            ("GET", "/panic", &[]),
            ("GET", "/nowhere", &[]),
        ] {
            let answer = app.site.send(method, path, headers).await;
            check_strict(&answer);
            let hsts = tls.then_some("max-age=31536000; includeSubDomains");
            assert_eq!(answer.header("strict-transport-security"), hsts);
        }
    }
}

/// The name of a problem.
fn variant(problem: &impl std::fmt::Debug) -> String {
    let text = format!("{problem:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn rows_41_and_42_thirteen_mistakes_are_thirteen_problems() {
    let origins = OriginPolicy::builder()
        .origin("*")
        .origin("null")
        .origin("https://a/")
        .origin("https://a:443")
        .origin("https://A")
        .origin("https://é.fr")
        .origin("https://*.com")
        .origin("http://x.com")
        .origin("example.com")
        .build()
        .expect_err("nine of nine")
        .into_problems();
    let kinds: Vec<_> = origins.iter().map(variant).collect();
    assert_eq!(
        kinds,
        [
            "Wildcard",
            "Null",
            "NotAnOrigin",
            "DefaultPort",
            "NotAnOrigin",
            "NotAnOrigin",
            "Wildcard",
            "Insecure",
            "NotAnOrigin"
        ]
    );
    let others = credentialed(&dev_origins())
        .methods([http::Method::TRACE])
        .request_headers([http::header::COOKIE])
        .expose([http::header::SET_COOKIE])
        .max_age(std::time::Duration::from_secs(90_000))
        .build()
        .expect_err("four of four")
        .into_problems();
    let kinds: Vec<_> = others.iter().map(variant).collect();
    assert_eq!(
        kinds,
        [
            "ForbiddenMethod",
            "ForbiddenHeader",
            "ForbiddenHeader",
            "MaxAgeTooLong"
        ]
    );
    let local = OriginPolicy::builder().origin(PAGE).production().build();
    let local = local.expect_err("everybody's own machine").into_problems();
    assert!(matches!(
        local[..],
        [OriginProblem::LoopbackInProduction { .. }]
    ));
}
