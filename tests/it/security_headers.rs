//! The headers that every response carries once.

use std::time::Duration;

use http::StatusCode;
use tower::Layer;
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::security_headers::{Problem, SecurityHeadersLayer};

use crate::support::{Hello, call, request};

#[tokio::test]
async fn every_response_is_strict_refusals_too() {
    let layer = SecurityHeadersLayer::api().build().expect("valid");
    let csrf = CsrfLayer::builder().build().expect("valid");
    let service = layer.layer(
        csrf.layer(
            Hello::default()
                .with_header("server", "x")
                .with_header("x-powered-by", "y"),
        ),
    );
    for (origin, status) in [
        ("https://api.example", StatusCode::OK),
        ("https://evil.example", StatusCode::FORBIDDEN),
    ] {
        let answer = call(
            service.clone(),
            request("POST", "/", &[("origin", origin), ("host", "api.example")]),
        )
        .await;
        assert_eq!(answer.status(), status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert!(answer.header("permissions-policy").is_some());
        for absent in [
            "server",
            "x-powered-by",
            "strict-transport-security",
            "x-xss-protection",
        ] {
            assert_eq!(answer.header(absent), None);
        }
    }
}

#[tokio::test]
async fn a_handlers_own_policy_wins_and_its_sniffing_does_not() {
    let inner = Hello::default()
        .with_header("content-security-policy", "default-src 'self'")
        .with_header("x-content-type-options", "sniff");
    let layer = SecurityHeadersLayer::web()
        .hsts(Duration::from_secs(31_536_000))
        .build()
        .expect("valid");
    let answer = call(layer.layer(inner), request("GET", "/", &[])).await;
    assert_eq!(
        answer.header("content-security-policy"),
        Some("default-src 'self'")
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000; includeSubDomains")
    );
}

#[tokio::test]
async fn answers_to_credentials_are_not_cached() {
    let layer = SecurityHeadersLayer::api().build().expect("valid");
    for (headers, expected) in [
        (&[][..], None),
        (&[("authorization", "Bearer x")], Some("no-store")),
        (&[("cookie", "a=b")], Some("no-store")),
    ] {
        let answer = call(layer.layer(Hello::default()), request("GET", "/", headers)).await;
        assert_eq!(answer.header("cache-control"), expected);
    }
    let own = Hello::default()
        .with_header("cache-control", "private, max-age=60")
        .with_header("set-cookie", "a=b");
    let answer = call(layer.layer(own), request("GET", "/", &[])).await;
    assert_eq!(answer.header("cache-control"), Some("private, max-age=60"));
}

#[test]
fn headers_that_browsers_would_not_understand_are_problems() {
    for bad in [
        "default-src self",
        "",
        "script-src 'self' unsafe-inline",
        "default-src 'self'\nX: y",
    ] {
        assert!(
            SecurityHeadersLayer::api()
                .content_security_policy(bad)
                .build()
                .is_err(),
            "{bad}"
        );
    }
    let problems = SecurityHeadersLayer::api()
        .hsts(Duration::from_secs(60))
        .build()
        .expect_err("too short")
        .into_problems();
    assert!(matches!(problems[..], [Problem::HstsTooShort { .. }]));
}
