//! Cross-site requests, as browsers make them.

use http::{Method, StatusCode};
use tower::Layer;
use tower_rampart::csrf::{CsrfLayer, OriginPolicy, Problem};

use crate::support::{Hello, call, request};

fn layer() -> CsrfLayer {
    let origins = OriginPolicy::builder()
        .origin("http://localhost:5173")
        .build()
        .expect("valid");
    CsrfLayer::builder()
        .origins(&origins)
        .strict_cookies(["__Host-refresh"])
        .dangerous_exempt(Method::POST, "/hook")
        .build()
        .expect("valid")
}

async fn status(method: &str, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut headers = headers.to_vec();
    headers.push(("host", "api.example"));
    call(
        layer().layer(Hello::default()),
        request(method, path, &headers),
    )
    .await
    .status()
}

#[track_caller]
fn refused(status: StatusCode) {
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[track_caller]
fn passes(status: StatusCode) {
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_change_anything() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "X-CUSTOM"] {
        refused(
            status(
                method,
                "/",
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
            )
            .await,
        );
        refused(status(method, "/", &[("sec-fetch-site", "cross-site")]).await);
        refused(status(method, "/", &[("origin", "https://evil.example")]).await);
        refused(status(method, "/", &[("origin", "null")]).await);
        passes(
            status(
                method,
                "/",
                &[
                    ("origin", "http://localhost:5173"),
                    ("sec-fetch-site", "same-site"),
                ],
            )
            .await,
        );
        passes(status(method, "/", &[("sec-fetch-site", "same-origin")]).await);
        passes(status(method, "/", &[("sec-fetch-site", "none")]).await);
    }
}

#[tokio::test]
async fn another_port_of_the_same_host_is_another_origin() {
    let sibling = [
        ("origin", "http://localhost:9999"),
        ("sec-fetch-site", "same-site"),
    ];
    refused(status("POST", "/", &sibling).await);
}

#[tokio::test]
async fn doubled_or_unreadable_headers_are_no_proof() {
    refused(
        status(
            "POST",
            "/",
            &[
                ("origin", "http://localhost:5173"),
                ("origin", "https://evil.example"),
            ],
        )
        .await,
    );
    refused(
        status(
            "POST",
            "/",
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
        )
        .await,
    );
    refused(status("POST", "/", &[("origin", "http://evil@localhost:5173")]).await);
    refused(status("POST", "/", &[("sec-fetch-site", "Same-Origin ")]).await);
}

#[tokio::test]
async fn without_fetch_metadata_the_origin_must_be_the_hosts_own() {
    passes(status("POST", "/", &[("origin", "https://api.example")]).await);
    refused(status("POST", "/", &[("origin", "https://api.example:8443")]).await);
    refused(status("POST", "/", &[("origin", "https://api.example.evil.io")]).await);
    refused(status("POST", "/", &[("origin", "https://")]).await);
}

#[tokio::test]
async fn a_client_that_is_no_browser_passes_unless_it_carries_a_session() {
    passes(status("POST", "/", &[]).await);
    passes(status("POST", "/", &[("cookie", "theme=dark")]).await);
    refused(status("POST", "/", &[("cookie", "theme=dark; __Host-refresh=x")]).await);
}

#[tokio::test]
async fn safe_methods_pass_and_handshakes_do_not() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        passes(
            status(
                method,
                "/",
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
            )
            .await,
        );
    }
    refused(
        status(
            "GET",
            "/ws",
            &[("upgrade", "WebSocket"), ("origin", "https://evil.example")],
        )
        .await,
    );
    passes(
        status(
            "GET",
            "/ws",
            &[
                ("upgrade", "websocket"),
                ("origin", "http://localhost:5173"),
            ],
        )
        .await,
    );
}

#[tokio::test]
async fn an_exemption_is_one_method_and_one_path() {
    let evil = [("origin", "https://evil.example")];
    passes(status("POST", "/hook", &evil).await);
    passes(status("POST", "/hook?x=1", &evil).await);
    for (method, path) in [
        ("POST", "/hook/"),
        ("PUT", "/hook"),
        ("POST", "//hook"),
        ("POST", "/a/../hook"),
        ("POST", "/Hook"),
    ] {
        refused(status(method, path, &evil).await);
    }
}

#[tokio::test]
async fn declared_own_origins_compare_scheme_and_port_too() {
    let own = OriginPolicy::builder()
        .origin("https://api.example")
        .build()
        .expect("valid");
    let layer = CsrfLayer::builder()
        .own_origins(&own)
        .build()
        .expect("valid");
    for (origin, expected) in [
        ("https://api.example", StatusCode::OK),
        ("http://api.example", StatusCode::FORBIDDEN),
    ] {
        let post = request("POST", "/", &[("host", "api.example"), ("origin", origin)]);
        assert_eq!(
            call(layer.layer(Hello::default()), post).await.status(),
            expected,
            "{origin}"
        );
    }
}

/// Over HTTP/2 a WebSocket is opened by `CONNECT` (RFC 8441 §5).
#[tokio::test]
async fn a_handshake_over_http2_is_one_too() {
    for (origin, opens) in [
        ("https://evil.example", false),
        ("http://localhost:9999", false),
        ("http://localhost:5173", true),
    ] {
        let mut shake = request(
            "CONNECT",
            "/ws",
            &[("origin", origin), ("host", "api.example")],
        );
        let protocol = hyper::ext::Protocol::from_static("websocket");
        shake.extensions_mut().insert(protocol);
        let answer = call(layer().layer(Hello::default()), shake).await;
        assert_eq!(answer.status() == StatusCode::OK, opens, "{origin}");
    }
}

#[tokio::test]
async fn a_handshake_can_be_exempt_by_its_path() {
    let open = CsrfLayer::builder().dangerous_exempt(Method::GET, "/public");
    let open = open.build().expect("valid");
    let shake = |path: &str| {
        let headers = [("origin", "https://evil.example"), ("upgrade", "websocket")];
        call(open.layer(Hello::default()), request("GET", path, &headers))
    };
    passes(shake("/public").await.status());
    refused(shake("/private").await.status());
}

#[test]
fn exemptions_that_could_never_match_are_problems() {
    let problems = CsrfLayer::builder()
        .dangerous_exempt(Method::POST, "hook")
        .dangerous_exempt(Method::HEAD, "/x")
        .dangerous_exempt(Method::POST, "/hooks/{id}")
        .build()
        .expect_err("all are wrong")
        .into_problems();
    assert!(
        matches!(
            problems[..],
            [
                Problem::ExemptPath { .. },
                Problem::ExemptSafeMethod { .. },
                Problem::ExemptPath { .. }
            ]
        ),
        "{problems:?}"
    );
}

/// The cases of Go's `net/http` (`csrf_test.go`, Go 1.25), a service at
/// `example.com` that trusts `https://trusted.example`.
#[tokio::test]
async fn cases_of_another_implementation_are_decided_alike() {
    let trusted = OriginPolicy::builder().origin("https://trusted.example");
    let trusted = trusted.build().expect("valid");
    let layer = CsrfLayer::builder()
        .origins(&trusted)
        .dangerous_exempt(Method::POST, "/bypass/")
        .build()
        .expect("valid");
    let attacker = "https://attacker.example";
    for (method, path, site, origin, passes) in [
        ("POST", "/", "same-origin", "", true),
        ("POST", "/", "none", "", true),
        ("POST", "/", "cross-site", "", false),
        ("POST", "/", "same-site", "", false),
        ("POST", "/", "", "", true),
        ("POST", "/", "", "https://example.com", true),
        ("POST", "/", "", attacker, false),
        ("POST", "/", "", "null", false),
        ("GET", "/", "cross-site", "", true),
        ("HEAD", "/", "cross-site", "", true),
        ("OPTIONS", "/", "cross-site", "", true),
        ("PUT", "/", "cross-site", "", false),
        ("POST", "/", "", "https://trusted.example", true),
        ("POST", "/", "cross-site", "https://trusted.example", true),
        ("POST", "/", "cross-site", attacker, false),
        ("POST", "/bypass/", "", attacker, true),
        ("POST", "/bypass/", "cross-site", attacker, true),
        ("POST", "/api/", "", attacker, false),
        ("POST", "/api/", "cross-site", attacker, false),
        ("POST", "/foo/../api/bar", "", attacker, false),
        ("POST", "/api", "", attacker, false),
        // Passed there, since the server redirects to what is exempt. An exemption
        // of ours is one path, byte by byte.
        ("POST", "/foo/../bypass/bar", "", attacker, false),
        ("POST", "/bypass", "", attacker, false),
        ("POST", "/bypass/bar", "", attacker, false),
    ] {
        let mut headers = vec![("host", "example.com")];
        headers.extend([("sec-fetch-site", site), ("origin", origin)]);
        headers.retain(|(_, value)| !value.is_empty());
        let answer = call(
            layer.layer(Hello::default()),
            request(method, path, &headers),
        )
        .await;
        let passed = answer.status() == StatusCode::OK;
        assert_eq!(passed, passes, "{method} {path} {site:?} {origin:?}");
    }
    for (origin, valid) in [
        ("https://example.com", true),
        ("https://example.com:8080", true),
        // Taken there. Whoever is on the network could act for our users.
        ("http://example.com", false),
        ("example.com", false),
        ("https://", false),
        ("https://example.com/", false),
        ("https://example.com/path", false),
        ("https://example.com?query=value", false),
        ("https://example.com#fragment", false),
        ("https://ex ample.com", false),
        ("", false),
        ("null", false),
    ] {
        let list = OriginPolicy::builder().origin(origin).build();
        assert_eq!(list.is_ok(), valid, "{origin:?}");
    }
}
