//! Web front end security.

use reqwest::Method;
use serde_json::json;

use super::{behind_tls, every_answer_has, send};
use crate::server::{PASSWORD, Server, png, refused, text};

/// The cookies of a sign-in.
async fn cookies(server: &Server) -> Vec<String> {
    server.register("cookies@example.com").await;
    let body = json!({"email": "cookies@example.com", "password": PASSWORD});
    let login = server.post("/api/auth/login", body).await;
    let cookies = login.headers().get_all("set-cookie").iter();
    let cookies: Vec<_> = cookies
        .map(|cookie| cookie.to_str().expect("ASCII").to_owned())
        .collect();
    assert!(cookies.len() >= 2, "{cookies:?}");
    cookies
}

/// L1: a file is not rendered in another context than its own (`Content-Security-Policy: sandbox`, `nosniff`).
#[tokio::test]
async fn asvs_v5_3_2_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let stored = server
        .upload(&token, "a.png", "image/png", png(8, 8, 0))
        .await;
    let stored = super::json_of(stored).await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("sec-fetch-dest", "document")];
    let shown = send(&server, Method::GET, &text(&stored, "url"), &headers).await;
    let policy = shown.headers()["content-security-policy"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert!(
        policy.contains("sandbox") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    assert_eq!(shown.headers()["x-content-type-options"], "nosniff");
    assert!(shown.headers().contains_key("content-disposition"));
}

/// L1: cookies are Secure, and have a prefix (`session`).
#[tokio::test]
async fn asvs_v5_3_3_1() {
    for cookie in cookies(&behind_tls()).await {
        assert!(
            cookie.starts_with("__Host-") && cookie.contains("; Secure"),
            "{cookie}"
        );
    }
}

/// L2: cookies say to which sites they go (`session`).
#[tokio::test]
async fn asvs_v5_3_3_2() {
    for cookie in cookies(&behind_tls()).await {
        assert!(
            cookie.contains("; SameSite=Lax") || cookie.contains("; SameSite=Strict"),
            "{cookie}"
        );
    }
}

/// L2: cookies are for this host only (`session`, the prefix `__Host-`).
#[tokio::test]
async fn asvs_v5_3_3_3() {
    for cookie in cookies(&behind_tls()).await {
        assert!(
            cookie.starts_with("__Host-")
                && cookie.contains("; Path=/;")
                && !cookie.contains("Domain"),
            "{cookie}"
        );
    }
}

/// L2: scripts cannot read tokens, and get them in no body (`session`).
#[tokio::test]
async fn asvs_v5_3_3_4() {
    let server = behind_tls();
    for cookie in cookies(&server).await {
        assert!(cookie.contains("; HttpOnly"), "{cookie}");
    }
    let body = json!({"email": "cookies@example.com", "password": PASSWORD});
    let login = super::json_of(server.post("/api/auth/login", body).await).await;
    assert!(!login.to_string().contains("token\":"), "{login}");
}

/// L3: a cookie has at most 4,096 bytes (`session`).
#[tokio::test]
async fn asvs_v5_3_3_5() {
    for cookie in cookies(&behind_tls()).await {
        assert!(
            cookie.split(';').next().expect("a pair").len() <= 4_096,
            "{}",
            cookie.len()
        );
    }
}

/// L1: browsers use TLS for a year, subdomains included (`security_headers`).
#[tokio::test]
async fn asvs_v5_3_4_1() {
    let a_year = |value: &str| {
        let age = value
            .strip_prefix("max-age=")
            .and_then(|rest| rest.split(';').next());
        age.and_then(|age| age.parse::<u64>().ok())
            .is_some_and(|age| age >= 31_536_000)
            && value.contains("includeSubDomains")
    };
    every_answer_has(&behind_tls(), "strict-transport-security", a_year).await;
}

/// L1: only listed origins may read answers (`cors`).
#[tokio::test]
async fn asvs_v5_3_4_2() {
    let server = behind_tls();
    let listed = "https://app.example.com";
    let answer = send(&server, Method::GET, "/api/me", &[("origin", listed)]).await;
    assert_eq!(answer.headers()["access-control-allow-origin"], listed);
    for origin in [
        "null",
        "https://app.example.com.evil.io",
        "https://evil-app.example.com",
        "https://a.app.example.com",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.",
        "https://app.example.com/",
    ] {
        let answer = send(&server, Method::GET, "/api/me", &[("origin", origin)]).await;
        assert!(
            !answer.headers().contains_key("access-control-allow-origin"),
            "{origin}"
        );
        let varies = answer.headers().get_all("vary").iter();
        assert!(
            varies.into_iter().any(|vary| vary
                .to_str()
                .is_ok_and(|vary| vary.to_lowercase().contains("origin"))),
            "{origin}"
        );
    }
}

/// L2: a policy lets no plug-in and no other base in (`security_headers`).
#[tokio::test]
async fn asvs_v5_3_4_3() {
    let strict = |policy: &str| {
        let objects = policy.contains("object-src 'none'") || policy.contains("default-src 'none'");
        objects
            && policy.contains("base-uri 'none'")
            && !policy.contains("unsafe-inline")
            && !policy.contains("unsafe-eval")
    };
    every_answer_has(&behind_tls(), "content-security-policy", strict).await;
}

/// L2: types are not guessed (`security_headers`).
#[tokio::test]
async fn asvs_v5_3_4_4() {
    every_answer_has(&behind_tls(), "x-content-type-options", |value| {
        value == "nosniff"
    })
    .await;
}

/// L2: the address of a page is told to nobody else (`security_headers`).
#[tokio::test]
async fn asvs_v5_3_4_5() {
    let strict = [
        "no-referrer",
        "same-origin",
        "strict-origin",
        "strict-origin-when-cross-origin",
    ];
    every_answer_has(&behind_tls(), "referrer-policy", |value| {
        strict.contains(&value)
    })
    .await;
}

/// L2: no other page may frame anything (`security_headers`).
#[tokio::test]
async fn asvs_v5_3_4_6() {
    every_answer_has(&behind_tls(), "content-security-policy", |policy| {
        policy.contains("frame-ancestors 'none'")
    })
    .await;
}

/// L3: windows of other origins have no hold on ours (`security_headers`).
#[tokio::test]
async fn asvs_v5_3_4_8() {
    every_answer_has(&behind_tls(), "cross-origin-opener-policy", |value| {
        value == "same-origin"
    })
    .await;
}

/// L1: pages of strangers cannot act with a user's cookies (`csrf`).
#[tokio::test]
async fn asvs_v5_3_5_1() {
    let server = behind_tls();
    let cookie = cookies(&server).await.join("; ");
    for headers in [
        [("origin", "https://evil.example"), ("cookie", &*cookie)],
        [
            ("origin", "https://other.example.com"),
            ("cookie", &*cookie),
        ],
        [("origin", "null"), ("cookie", &*cookie)],
        [("sec-fetch-site", "cross-site"), ("cookie", &*cookie)],
    ] {
        let answer = send(&server, Method::POST, "/api/auth/logout", &headers).await;
        assert_eq!(answer.status(), 403, "{headers:?}");
    }
}

/// L1: nothing that needs a preflight can be had without one (`csrf`).
#[tokio::test]
async fn asvs_v5_3_5_2() {
    let server = behind_tls();
    let body = json!({"email": "ann@example.com", "password": PASSWORD}).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let request = server
            .request(Method::POST, "/api/auth/register")
            .header("content-type", kind);
        let request = request
            .header("origin", "https://evil.example")
            .body(body.clone());
        assert_eq!(
            request.send().await.expect("an answer").status(),
            403,
            "{kind}"
        );
        // From nowhere it is no JSON, either.
        let request = server
            .request(Method::POST, "/api/auth/register")
            .header("content-type", kind);
        let status = request
            .body(body.clone())
            .send()
            .await
            .expect("an answer")
            .status();
        assert_eq!(status, 415, "{kind}");
    }
}

/// L1: safe methods change nothing (the routes).
#[tokio::test]
async fn asvs_v5_3_5_3() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for path in [
        "/api/auth/login",
        "/api/auth/logout",
        "/api/auth/refresh",
        "/api/auth/register",
        "/api/me/password",
        "/api/me/avatar",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let request = server.request(method.clone(), path).bearer_auth(&token);
            assert_eq!(
                request.send().await.expect("an answer").status(),
                405,
                "{method} {path}"
            );
        }
    }
    assert_eq!(server.get("/api/me", &token).await.status(), 200);
}

/// L3: what is behind a sign-in cannot be embedded elsewhere (`security_headers`).
#[tokio::test]
async fn asvs_v5_3_5_8() {
    every_answer_has(&behind_tls(), "cross-origin-resource-policy", |value| {
        value == "same-origin"
    })
    .await;
    let server = behind_tls();
    refused(
        send(
            &server,
            Method::GET,
            "/api/images",
            &[("sec-fetch-site", "cross-site")],
        )
        .await,
        401,
        "token_missing",
    )
    .await;
}
