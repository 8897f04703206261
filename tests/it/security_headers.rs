//! The headers that every response carries once.

use std::time::Duration;

use http::StatusCode;
use tower::Layer;
use tower_rampart::context::ContextLayer;
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::security_headers::{
    ContentSecurityPolicy, CspNonce, Problem, SecurityHeadersLayer, SecurityHeadersLayerBuilder,
};

use crate::support::{Answer, Body, Hello, call, request};

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
                "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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

#[tokio::test]
async fn each_page_has_a_nonce_of_its_own() {
    let policy = ContentSecurityPolicy::own()
        .set("script-src", ["'nonce'", "'strict-dynamic'"])
        .set("style-src", ["'NONCE'"]);
    let layer = SecurityHeadersLayer::web().content_security_policy(policy);
    let layer = layer.build().expect("valid");
    let page = tower::service_fn(|request: http::Request<Body>| async move {
        let nonce = request.extensions().get::<CspNonce>().expect("a nonce");
        Ok::<_, std::convert::Infallible>(http::Response::new(nonce.to_string()))
    });
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let answer = call(layer.layer(page), request("GET", "/", &[])).await;
        let nonce = String::from_utf8(answer.body.to_vec()).expect("text");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert_eq!(
            policy,
            format!(
                "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; \
                 script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'nonce-{nonce}'"
            )
        );
        assert!(nonce.len() >= 22 && seen.insert(nonce), "another each time");
    }
}

#[tokio::test]
async fn the_proposals_of_owasp_are_sent_and_nobody_is_signed_out() {
    let owasp = || SecurityHeadersLayer::owasp();
    let plain = owasp().build().expect("valid");
    let answer = call(plain.layer(Hello::default()), request("GET", "/", &[])).await;
    for (name, value) in [
        ("cache-control", "no-store, max-age=0"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-permitted-cross-domain-policies", "none"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    for absent in [
        "clear-site-data",
        "strict-transport-security",
        "x-xss-protection",
    ] {
        assert_eq!(answer.header(absent), None);
    }
    let policy = |answer: &Answer| {
        answer
            .header("content-security-policy")
            .expect("one")
            .to_owned()
    };
    assert!(!policy(&answer).contains("upgrade-insecure-requests"));
    let tls = owasp()
        .hsts(Duration::from_secs(31_536_000))
        .build()
        .expect("valid");
    let answer = call(tls.layer(Hello::default()), request("GET", "/", &[])).await;
    assert!(policy(&answer).ends_with("; upgrade-insecure-requests"));
    let back = owasp().hsts(Duration::ZERO).build().expect("valid");
    let answer = call(back.layer(Hello::default()), request("GET", "/", &[])).await;
    assert!(!policy(&answer).contains("upgrade-insecure-requests"));
}

#[tokio::test]
async fn a_nonce_is_neither_cached_nor_given_to_a_page_that_has_one() {
    let policy = ContentSecurityPolicy::own().set("script-src", ["'nonce'"]);
    let layer = SecurityHeadersLayer::web().content_security_policy(policy);
    let layer = layer.build().expect("valid");
    let answer = call(layer.layer(Hello::default()), request("GET", "/", &[])).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let kept = tower::service_fn(|_request: http::Request<Body>| async {
        let mut response = http::Response::new(String::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        Ok::<_, std::convert::Infallible>(response)
    });
    let answer = call(layer.layer(kept), request("GET", "/", &[])).await;
    assert_eq!(answer.header("content-security-policy"), None);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn tls_can_be_declared_for_one_host_and_taken_back() {
    let answer = async |builder: SecurityHeadersLayerBuilder| {
        let layer = builder.build().expect("valid");
        let answer = call(layer.layer(Hello::default()), request("GET", "/", &[])).await;
        answer
            .header("strict-transport-security")
            .expect("declared")
            .to_owned()
    };
    let api = SecurityHeadersLayer::api;
    assert_eq!(
        answer(api().hsts(Duration::ZERO)).await,
        "max-age=0; includeSubDomains"
    );
    let hour = Duration::from_secs(3_600);
    assert_eq!(answer(api().hsts_of_this_host(hour)).await, "max-age=3600");
}

#[tokio::test]
async fn credentials_do_not_get_into_the_log() {
    let printing = tower::service_fn(|request: http::Request<Body>| async move {
        Ok::<_, std::convert::Infallible>(http::Response::new(format!("{:?}", request.headers())))
    });
    let layer = ContextLayer::new();
    let headers = [
        ("authorization", "Bearer canary"),
        ("cookie", "a=canary"),
        ("cookie", "b=canary"),
    ];
    let printed = call(layer.layer(printing), request("GET", "/", &headers))
        .await
        .body;
    let printed = String::from_utf8_lossy(&printed);
    assert!(
        printed.contains("cookie") && !printed.contains("canary"),
        "{printed}"
    );
    let inner = Hello::default()
        .with_header("set-cookie", "a=canary")
        .with_header("set-cookie", "b=canary");
    let answer = call(layer.layer(inner), request("GET", "/", &[])).await;
    assert!(!format!("{:?}", answer.head.headers).contains("canary"));
}

#[test]
fn headers_that_browsers_would_not_understand_are_problems() {
    for (bad, faults) in [
        ("", 1),
        (" ; ", 1),
        ("default-src self", 1),
        ("default-src 'self", 1),
        ("default-src self'", 1),
        ("default-src 'self' https://é.fr", 1),
        ("default-src", 1),
        ("default-src 'none' https:", 1),
        ("default-src 'evil.example'", 1),
        ("script-src 'self' unsafe-inline; style-src nonce", 2),
        ("script-src 'self'; SCRIPT-SRC *", 1),
        ("script-scr 'self'", 1),
        ("script-src 'nonce-abc'", 1),
        ("img-src 'nonce'", 1),
        ("script-src-attr 'nonce'", 1),
        ("default-src 'self', X", 1),
        ("require-trusted-types-for script", 1),
        ("sandbox allow-script", 1),
        ("upgrade-insecure-requests yes", 1),
        ("script-src \"self\"", 1),
        (
            "default-src None; script-src Self; style-src nonce-abc; img-src sha256-abc",
            4,
        ),
        ("img-src data; media-src blob; connect-src https", 3),
        ("script-src 'sha256-'", 1),
        (
            "script-src 'sha512-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='",
            1,
        ),
        ("require-trusted-types-for; webrtc", 2),
        ("script-src 'self' 'strict-dynamic'", 1),
    ] {
        let layer = SecurityHeadersLayer::web()
            .content_security_policy(bad)
            .build();
        let problems = layer.expect_err(bad).into_problems();
        assert_eq!(problems.len(), faults, "{bad}: {problems:?}");
    }
    for good in [
        "default-src 'self' *.example.com https: data: 'unsafe-inline'",
        "script-src 'nonce' 'strict-dynamic' 'SHA256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; sandbox allow-scripts; report-uri /csp; report-to csp",
        "default-src 'SELF'; Script-Src 'Unsafe-Inline'; webrtc 'block'; block-all-mixed-content; sandbox",
        "connect-src nonce.example.com nonce-server.example.com; script-src 'Nonce'",
        "upgrade-insecure-requests; require-trusted-types-for 'script'; trusted-types a 'allow-duplicates'",
    ] {
        let layer = SecurityHeadersLayer::web()
            .content_security_policy(good)
            .build();
        assert!(layer.is_ok(), "{good}: {layer:?}");
    }
    let empty = ContentSecurityPolicy::own().set("img-src", [""]);
    let empty = SecurityHeadersLayer::web().content_security_policy(empty);
    assert!(empty.build().is_err());
    let problems = SecurityHeadersLayer::api()
        .hsts(Duration::from_secs(60))
        .build()
        .expect_err("too short")
        .into_problems();
    assert!(matches!(problems[..], [Problem::HstsTooShort { .. }]));
}

#[tokio::test]
async fn what_a_handler_says_twice_is_kept_or_goes_whole() {
    let hello = Hello::default()
        .with_header("server", "one")
        .with_header("x-frame-options", "SAMEORIGIN")
        .with_header("content-security-policy", "default-src 'self'")
        .with_header("server", "two")
        .with_header("x-frame-options", "ALLOWALL")
        .with_header("x-powered-by", "three")
        .with_header("content-security-policy", "img-src 'none'")
        .with_header("x-powered-by", "four")
        .with_header("link", "</a>")
        .with_header("link", "</b>");
    let layer = SecurityHeadersLayer::api().build().expect("valid");
    let answer = call(layer.layer(hello), request("GET", "/", &[])).await;
    let all = |name: &str| -> Vec<_> {
        let lines = answer.head.headers.get_all(name).iter();
        lines.map(|line| line.to_str().expect("ASCII")).collect()
    };
    assert!(all("server").is_empty() && all("x-powered-by").is_empty());
    assert_eq!(all("x-frame-options"), ["DENY"]);
    let policies = ["default-src 'self'", "img-src 'none'"];
    assert_eq!(all("content-security-policy"), policies);
    assert_eq!(all("link"), ["</a>", "</b>"]);
    assert_eq!(all("x-content-type-options"), ["nosniff"]);
}
