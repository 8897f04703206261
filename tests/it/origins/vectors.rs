//! Published attacks on lists of origins, and on what trusts them, by the number
//! of the class of attack (V1 to V32).

use axum::Router;
use axum::routing::{any, get};
use http::{Method, StatusCode, header};
use proptest::prelude::*;
use tower::Layer as _;
use tower_rampart::cors::{CorsLayer, OriginPolicy, OriginProblem, Problem};

use super::{
    App, Settings, behind, check_closed, check_open, check_strict, credentialed, dev_origins,
    production_origins,
};
use crate::support::http::Site;

const PAGE: &str = "http://localhost:5173";
const EVIL: &str = "https://evil.example";

async fn dev() -> Site {
    behind(credentialed(&dev_origins()).build().expect("valid")).await
}

async fn production() -> Site {
    behind(credentialed(&production_origins()).build().expect("valid")).await
}

/// Neither a request nor a preflight of this origin learns anything.
async fn check_denied(site: Site, origin: &[u8]) {
    let what = String::from_utf8_lossy(origin).into_owned();
    let plain = site
        .send_bytes("GET", "/", &[("Origin", origin)], b"")
        .await;
    assert_eq!(plain.status(), StatusCode::OK, "{what}");
    check_closed(&plain, &what);
    let preflight = [
        ("Origin", origin),
        ("Access-Control-Request-Method", b"PUT"),
    ];
    let preflight = site.send_bytes("OPTIONS", "/", &preflight, b"").await;
    assert_eq!(preflight.status(), StatusCode::FORBIDDEN, "{what}");
    assert_eq!(preflight.header("x-handler"), None);
    check_closed(&preflight, &what);
}

#[tokio::test]
async fn v1_to_v11_v17_v18_origins_that_are_not_on_the_list() {
    let long = format!("https://{}.tenant.example.com", "a".repeat(8 * 1024));
    let label = format!("https://{}.tenant.example.com", "a".repeat(64));
    let production = production().await;
    for origin in [
        EVIL,
        "null",
        // V3: whole labels.
        "https://evilapp.example.com",
        "https://eviltenant.example.com",
        "https://notfoo.com",
        // V4: the end is compared too.
        "https://app.example.com.evil.io",
        "https://app.example.com:8080",
        "https://app.example.com:443",
        // V5 and V6.
        "https://app.example.community",
        "https://barfoo.com",
        "https://foobar.com",
        // V8: scheme, case.
        "http://app.example.com",
        "HTTPS://app.example.com",
        "https://APP.example.com",
        "https://a.TENANT.example.com",
        // V10: odd bytes.
        "https://app.example.com`.evil.io",
        "https://app.example.com%60.evil.io",
        "https://app.example.com%00",
        "https://{}.tenant.example.com",
        "https://a b.tenant.example.com",
        // V11: edges of subdomains.
        "https://tenant.example.com",
        "https://.tenant.example.com",
        "https://a..tenant.example.com",
        "https://a.tenant.example.com.",
        "https://*.tenant.example.com",
        "https://a.tenant.example.com/",
        "https://a.tenant.example.com?",
        "https://a@b.tenant.example.com",
        "https://[::1].tenant.example.com",
        "https:/a.tenant.example.com",
        "//a.tenant.example.com",
        // V17, V18.
        &long,
        &label,
        "https://app.example.com, https://foo.com",
        "https://app.example.com https://foo.com",
        "",
    ] {
        check_denied(production, origin.as_bytes()).await;
    }
    for byte in 0x80..=0xFF_u8 {
        let origin = [b"https://a", &[byte][..], b".tenant.example.com"].concat();
        check_denied(production, &origin).await;
    }

    let dev = dev().await;
    for origin in [
        "null",
        "http://localhost.example.com",
        // V7: ports.
        "http://localhost",
        "http://localhost:517",
        "http://localhost:51730",
        "http://localhost:05173",
        "http://localhost:5173.evil.com",
        "http://localhost:5173:80",
        "http://localhost:+5173",
        "http://localhost:",
        "http://localhost:5173 x",
        // V8 and V9.
        "https://localhost:5173",
        "HTTP://LOCALHOST:5173",
        "http:// localhost:5173",
        "http://evil@localhost:5173",
        "http://localhost:5173@evil.com",
        "http://127.0.0.1:5173",
        "http://[::1]:5173",
    ] {
        check_denied(dev, origin.as_bytes()).await;
    }
}

#[tokio::test]
async fn v12_and_v10_origins_that_are() {
    let site = production().await;
    for origin in [
        "https://app.example.com",
        "https://foo.com",
        "https://bar.com",
        "https://a.tenant.example.com",
        "https://a.b.c.tenant.example.com",
        "https://x_.tenant.example.com",
        "https://xn--9ca.tenant.example.com",
        "https://0.tenant.example.com",
    ] {
        check_open(&site.send("GET", "/", &[("Origin", origin)]).await, origin);
    }
}

#[test]
fn v13_and_v25_what_cannot_be_configured() {
    let origins = ["h*", "https://*.com", "*"];
    let subdomains = ["https://com", "https://github.io", "https://co.uk"];
    let mut builder = OriginPolicy::builder();
    for origin in origins {
        builder = builder.origin(origin);
    }
    for origin in subdomains {
        builder = builder.subdomains_of(origin);
    }
    let problems = builder.origin("http://api.example.com").build();
    let problems = problems.expect_err("all of them").into_problems();
    assert_eq!(problems.len(), 7, "{problems:?}");
    assert!(matches!(problems[6], OriginProblem::Insecure { .. }));

    let methods = ["CONNECT", "TRACE", "TRACK", "trace"];
    let methods = methods.map(|name| Method::from_bytes(name.as_bytes()).expect("a token"));
    let names = ["cookie", "sec-fetch-site", "proxy-authorization", "origin"];
    let names = names.map(|name| name.parse::<header::HeaderName>().expect("a name"));
    let problems = credentialed(&dev_origins())
        .methods(methods)
        .request_headers(names)
        .expose([header::SET_COOKIE])
        .any_request_header()
        .build()
        .expect_err("all of them")
        .into_problems();
    assert_eq!(problems.len(), 11, "{problems:?}");
    assert!(problems.contains(&Problem::AnyHeaderWithCredentials));
    assert!(problems.contains(&Problem::AnyHeaderAndSome));
}

#[tokio::test]
async fn v14_and_v15_caches_are_told_and_requests_do_not_tell_them() {
    let site = dev().await;
    for headers in [&[][..], &[("Origin", EVIL)], &[("Vary", "X-Foo")]] {
        check_closed(&site.send("GET", "/", headers).await, "vary");
    }
    let answer = site.send("GET", "/", &[("Vary", "X-Foo")]).await;
    assert_eq!(answer.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn v16_requested_headers_are_not_read() {
    let site = dev().await;
    let mut seen = Vec::new();
    for (name, count) in [
        (",", 16_000),
        ("accept,", 8_000),
        (" ", 16_000),
        ("\t,", 16_000),
    ] {
        let asked = name.repeat(count);
        let headers = [
            ("Origin", PAGE),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", asked.as_str()),
        ];
        seen.push(site.send("OPTIONS", "/", &headers).await);
    }
    let mut lines = vec![("Origin", PAGE), ("Access-Control-Request-Method", "PUT")];
    lines.resize(90, ("Access-Control-Request-Headers", ""));
    seen.push(site.send("OPTIONS", "/", &lines).await);
    for answer in seen {
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let allowed = answer.header("access-control-allow-headers");
        assert_eq!(allowed, Some("authorization,content-type"));
    }
}

#[tokio::test]
async fn v21_a_policy_belongs_to_the_route_and_not_to_a_path() {
    let strict = credentialed(&dev_origins()).build().expect("valid");
    let open = CorsLayer::any_origin().build().expect("valid");
    let router = Router::new()
        .route("/admin", any(async || "strict").layer(strict))
        .route("/public", any(async || "open").layer(open));
    let site = Site::serve(router).await;
    for path in [
        "/admin",
        "/admin?x=/public",
        "/Admin",
        "/admin%2f..",
        "/admin+x",
        "/public/../admin",
        "/public%2f..%2fadmin",
        "//public",
    ] {
        let answer = site.send("GET", path, &[("Origin", EVIL)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let open = site.send("GET", "/public", &[("Origin", EVIL)]).await;
    assert_eq!(open.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn v19_what_an_attacker_writes_is_not_echoed() {
    let app = App::start().await;
    for origin in [
        &b"http://a%0d%0aX: y"[..],
        b"http://\xFF\xFE",
        b"http://a\tb",
    ] {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", b"PUT"),
        ];
        let answer = app
            .site
            .send_bytes("OPTIONS", "/things", &headers, b"")
            .await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !text.contains("http://") && answer.header("x").is_none(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn v9_v26_to_v30_and_v32_requests_of_other_pages_change_nothing() {
    let app = App::start_with(Settings {
        csrf: |csrf| csrf.dangerous_exempt(Method::POST, "/hook"),
        ..Settings::default()
    });
    let app = app.await;
    let cookie = app.refresh_cookie().await;
    let cookie = ("Cookie", cookie.as_str());
    for (method, path, headers) in [
        (
            "POST",
            "/things",
            &[("Origin", "http://evil@localhost:5173")][..],
        ),
        (
            "POST",
            "/things",
            &[("Origin", "http://localhost:5173@evil.com")],
        ),
        ("POST", "/things", &[("Origin", PAGE), ("Origin", EVIL)]),
        (
            "POST",
            "/things",
            &[("Origin", "http://localhost:5173, https://evil.example")],
        ),
        ("POST", "/hook/", &[("Origin", EVIL)]),
        ("POST", "/a/../hook", &[("Origin", EVIL)]),
        ("POST", "//hook/", &[("Origin", EVIL)]),
        // V27: whatever the body says it is.
        (
            "POST",
            "/things",
            &[("Origin", EVIL), ("Content-Type", "text/plain")],
        ),
        (
            "POST",
            "/things",
            &[("Origin", EVIL), ("Content-Type", "multipart/form-data")],
        ),
        ("POST", "/things", &[("Origin", EVIL), ("Content-Type", "")]),
        // V28, V29.
        (
            "POST",
            "/auth/refresh",
            &[("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")],
        ),
        (
            "POST",
            "/auth/refresh",
            &[
                ("Origin", "http://localhost:9999"),
                ("Sec-Fetch-Site", "same-site"),
            ],
        ),
        // V30, and a proxy that writes the protocol in its own way.
        ("GET", "/ws", &[("Origin", EVIL), ("Upgrade", "websocket")]),
        (
            "GET",
            "/ws",
            &[("Origin", EVIL), ("Upgrade", "h2c, WebSocket")],
        ),
        // V32: the method is the one on the wire.
        (
            "POST",
            "/things",
            &[("Origin", EVIL), ("X-HTTP-Method-Override", "GET")],
        ),
        ("TRACE", "/things", &[("Origin", EVIL)]),
        ("get", "/things", &[("Origin", EVIL)]),
        ("PROPFIND", "/things", &[("Origin", EVIL)]),
    ] {
        let mut headers = headers.to_vec();
        headers.push(cookie);
        let answer = app.site.send(method, path, &headers).await;
        assert_eq!(
            answer.status(),
            StatusCode::FORBIDDEN,
            "{method} {path} {headers:?}"
        );
        assert_eq!(answer.header("set-cookie"), None);
        check_closed(&answer, path);
        check_strict(&answer);
    }
    let allowed = [cookie, ("Origin", PAGE), ("Sec-Fetch-Site", "same-site")];
    let allowed = app.site.send("POST", "/auth/refresh", &allowed).await;
    assert_eq!(allowed.status(), StatusCode::OK, "nobody has spent it");
    let overridden = [("Origin", EVIL), ("X-HTTP-Method-Override", "DELETE")];
    let overridden = app.site.send("GET", "/only-get", &overridden).await;
    assert_eq!(&overridden.body[..], b"got", "still a GET");
}

#[tokio::test]
async fn v31_preflights_are_never_redirected() {
    use axum::response::Redirect;
    let cors = credentialed(&dev_origins()).build().expect("valid");
    let router = Router::new()
        .route("/path", get(async || Redirect::permanent("/path/")))
        .layer(cors);
    let site = Site::serve(router).await;
    let preflight = [("Origin", PAGE), ("Access-Control-Request-Method", "PUT")];
    for path in ["/path", "/path/", "/nowhere"] {
        let answer = site.send("OPTIONS", path, &preflight).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
    }
}

proptest! {
    /// V24: what is on the list is never refused, alone or among others.
    #[test]
    fn v24_whatever_is_listed_is_allowed(
        hosts in prop::collection::vec("[a-z][a-z0-9-]{0,6}[a-z](\\.[a-z]{2,4}){1,2}", 1..30),
        names in prop::collection::vec("x-[a-z]{1,12}", 1..20),
    ) {
        let origins: Vec<_> = hosts.iter().map(|host| format!("https://{host}")).collect();
        let list = OriginPolicy::builder().csv("ORIGINS", &origins.join(","));
        let list = list.build().expect("valid");
        for origin in &origins {
            prop_assert!(list.allows(origin), "{origin}");
        }
        let headers = names.iter().map(|name| name.parse::<header::HeaderName>().expect("a name"));
        let cors = CorsLayer::credentialed(&list).request_headers(headers).build();
        let cors = cors.expect("valid");
        let asked = crate::support::request(
            "OPTIONS",
            "/",
            &[("origin", &origins[0]), ("access-control-request-method", "PUT")],
        );
        let answer = crate::support::call(cors.layer(crate::support::Hello::default()), asked);
        let answer = crate::support::now(answer);
        let allowed = answer.header("access-control-allow-headers").unwrap_or_default();
        let allowed: Vec<_> = allowed.split(',').collect();
        for name in &names {
            prop_assert!(allowed.contains(&name.as_str()), "{name}");
        }
    }
}

/// Another way to say what is allowed: one comparison an entry, nothing shared.
#[derive(Clone, Debug)]
enum Entry {
    Exact(String),
    SubdomainsOf { scheme: String, rest: String },
}

impl Entry {
    fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::SubdomainsOf { scheme, rest } => {
                let host = origin.strip_prefix(&format!("{scheme}://"));
                let labels = host.and_then(|host| host.strip_suffix(&format!(".{rest}")));
                labels.is_some_and(|labels| {
                    labels.split('.').all(|label| {
                        let legal = |c: char| {
                            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
                        };
                        !label.is_empty() && label.len() <= 63 && label.chars().all(legal)
                    })
                })
            }
        }
    }
}

fn host() -> impl Strategy<Value = String> {
    // Few letters, so that names share beginnings and ends.
    prop::collection::vec("[ab]{1,2}", 1..4).prop_map(|labels| format!("{}.cc", labels.join(".")))
}

fn origin() -> impl Strategy<Value = String> {
    let port = prop::option::of(prop::sample::select(vec![":8443", ":1", ":80"]));
    let scheme = prop::sample::select(vec!["http", "https"]);
    (scheme, host(), port)
        .prop_filter("the default port is left out", |(scheme, _, port)| {
            !(*scheme == "http" && *port == Some(":80"))
        })
        .prop_map(|(scheme, host, port)| format!("{scheme}://{host}{}", port.unwrap_or_default()))
}

/// Bytes put in, taken out or changed.
fn bent() -> impl Strategy<Value = String> {
    let edit = (
        prop::arbitrary::any::<prop::sample::Index>(),
        prop::sample::select(vec!["", ".", "a", "*", "@", ":", "/", "A", "_x"]),
    );
    (origin(), edit).prop_map(|(origin, (place, text))| {
        let place = place.index(origin.len());
        format!(
            "{}{text}{}",
            &origin[..place],
            &origin[place + usize::from(text.is_empty())..]
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// 10 origins for each of 10,000 lists.
    #[test]
    fn the_list_decides_as_one_comparison_an_entry(
        exact in prop::collection::vec(origin(), 0..8),
        wide in prop::collection::vec(origin(), 1..4),
        asked in prop::collection::vec(prop_oneof![3 => origin(), 1 => bent()], 10),
    ) {
        let mut entries: Vec<_> = exact.iter().cloned().map(Entry::Exact).collect();
        let mut list = OriginPolicy::builder().dangerous_allow_insecure_origins();
        for origin in &exact {
            list = list.origin(origin);
        }
        for origin in &wide {
            list = list.subdomains_of(origin);
            let (scheme, rest) = origin.split_once("://").expect("an origin");
            let (scheme, rest) = (scheme.to_owned(), rest.to_owned());
            entries.push(Entry::SubdomainsOf { scheme, rest });
        }
        let list = list.build().expect("valid");
        for origin in exact.iter().chain(&asked) {
            let naive = entries.iter().any(|entry| entry.allows(origin));
            prop_assert_eq!(list.allows(origin), naive, "{}", origin);
        }
    }
}
