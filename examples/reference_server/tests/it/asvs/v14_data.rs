//! Configuration, data protection, and what is told and logged.

use reqwest::Method;
use serde_json::json;

use super::{behind_tls, every_kind_of_answer, json_of, send};
use crate::server::{PASSWORD, refused};

/// L1: no file of a repository, and no list of files, is served (the routes).
#[tokio::test]
async fn asvs_v5_13_4_1() {
    let server = behind_tls();
    for path in [
        "/.git/HEAD",
        "/.git/config",
        "/.env",
        "/.svn/entries",
        "/assets/",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/../Cargo.toml",
    ] {
        let answer = send(&server, Method::GET, path, &[]).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
}

/// L2: nothing of a debugger is reachable (the routes, `rejection`).
#[tokio::test]
async fn asvs_v5_13_4_2() {
    let server = behind_tls();
    for path in [
        "/debug",
        "/debug/pprof",
        "/actuator",
        "/server-status",
        "/console",
        "/_profiler",
        "/trace",
    ] {
        assert_eq!(
            send(&server, Method::GET, path, &[]).await.status(),
            404,
            "{path}"
        );
    }
    for (_, answer) in every_kind_of_answer(&server).await {
        let text = answer.text().await.expect("text");
        assert!(
            !text.contains("panicked at")
                && !text.contains(".rs:")
                && !text.contains("RUST_BACKTRACE"),
            "{text}"
        );
    }
}

/// L2: TRACE is refused (the routes).
#[tokio::test]
async fn asvs_v5_13_4_4() {
    let server = behind_tls();
    for path in ["/", "/api/me", "/healthz"] {
        let answer = send(&server, Method::TRACE, path, &[("x-canary", "canary-1")]).await;
        assert!(
            [401, 404, 405].contains(&answer.status().as_u16()),
            "{path}: {}",
            answer.status()
        );
        assert!(!answer.text().await.expect("text").contains("canary-1"));
    }
}

/// L2: documents and numbers for operators are not public (a listener of their own).
#[tokio::test]
async fn asvs_v5_13_4_5() {
    let server = behind_tls();
    for path in [
        "/metrics",
        "/docs",
        "/openapi.json",
        "/swagger",
        "/api-docs",
    ] {
        assert_eq!(
            send(&server, Method::GET, path, &[]).await.status(),
            404,
            "{path}"
        );
    }
    let answer = reqwest::get(format!("{}/openapi.json", server.operators)).await;
    assert_eq!(answer.expect("an answer").status(), 200);
}

/// L3: no version is told (`security_headers`).
#[tokio::test]
async fn asvs_v5_13_4_6() {
    for (_, answer) in every_kind_of_answer(&behind_tls()).await {
        for name in ["server", "x-powered-by", "via", "x-aspnet-version"] {
            assert!(!answer.headers().contains_key(name), "{name}");
        }
    }
}

/// L1: tokens are in no URL (`jwt` reads none there).
#[tokio::test]
async fn asvs_v5_14_2_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for name in ["access_token", "token", "jwt", "bearer"] {
        let answer = send(
            &server,
            Method::GET,
            &format!("/api/me?{name}={token}"),
            &[],
        )
        .await;
        assert!(
            [400, 401].contains(&answer.status().as_u16()),
            "{name}: {}",
            answer.status()
        );
    }
}

/// L2: what somebody sees is kept by no cache (`security_headers`).
#[tokio::test]
async fn asvs_v5_14_2_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let login = json!({"email": "ann@example.com", "password": PASSWORD});
    let answers = [
        server.get("/api/me", &token).await,
        server.get("/api/images", &token).await,
        server.get("/api/auth/sessions", &token).await,
        server.post("/api/auth/login", login).await,
        server.get("/api/me", "x").await,
    ];
    for answer in answers {
        let control = answer.headers()["cache-control"].to_str().expect("ASCII");
        assert!(control.contains("no-store"), "{}: {control}", answer.url());
    }
}

/// L1: signing out clears what a browser has kept (`Clear-Site-Data`, cookies).
#[tokio::test]
async fn asvs_v5_14_3_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let request = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&token);
    let answer = request.send().await.expect("an answer");
    let cleared = answer.headers()["clear-site-data"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert!(
        cleared.contains("\"cache\"") && cleared.contains("\"storage\""),
        "{cleared}"
    );
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert!(
        cookies.len() >= 2
            && cookies
                .iter()
                .all(|cookie| cookie.to_str().expect("ASCII").contains("Max-Age=0"))
    );
}

/// L1: an answer has the members that are needed (handlers).
#[tokio::test]
async fn asvs_v5_15_3_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let me = json_of(server.get("/api/me", &token).await).await;
    let mut members: Vec<_> = me.as_object().expect("an object").keys().cloned().collect();
    members.sort();
    assert_eq!(
        members,
        [
            "avatar",
            "created_at",
            "display_name",
            "email",
            "id",
            "role"
        ]
    );
}

/// L2: no member can be set that is not asked for (`deny_unknown_fields`).
#[tokio::test]
async fn asvs_v5_15_3_3() {
    let server = behind_tls();
    for (path, body) in [
        (
            "/api/auth/register",
            json!({"email": "a@example.com", "password": PASSWORD, "is_admin": true}),
        ),
        (
            "/api/auth/login",
            json!({"email": "a@example.com", "password": PASSWORD, "mfa": "skip"}),
        ),
        (
            "/api/auth/password/forgot",
            json!({"email": "a@example.com", "to": "b@example.com"}),
        ),
    ] {
        refused(server.post(path, body).await, 422, "invalid_members").await;
    }
}

/// L2: what is given twice is refused (`jwt`, `session`, queries).
#[tokio::test]
async fn asvs_v5_15_3_7() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let bearer = format!("Bearer {token}");
    let twice = [("authorization", &*bearer), ("authorization", &*bearer)];
    let status = send(&server, Method::GET, "/api/me", &twice)
        .await
        .status()
        .as_u16();
    assert!([400, 401].contains(&status), "{status}");
    let twice = [("authorization", &*bearer)];
    let answer = send(
        &server,
        Method::GET,
        "/api/images?cursor=a&cursor=b",
        &twice,
    )
    .await;
    assert_eq!(answer.status(), 400);
    let body = r#"{"email": "ann@example.com", "email": "bob@example.com", "password": "violet kettle parade"}"#;
    let request = server
        .request(Method::POST, "/api/auth/login")
        .header("content-type", "application/json");
    let status = request
        .body(body)
        .send()
        .await
        .expect("an answer")
        .status()
        .as_u16();
    assert!([400, 422].contains(&status), "{status}");
}

/// L2: errors say nothing of the inside, and a name to find them by (`rejection`).
#[tokio::test]
async fn asvs_v5_16_5_1() {
    for (status, answer) in every_kind_of_answer(&behind_tls()).await {
        if status < 400 {
            continue;
        }
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{}",
            answer.url()
        );
        let problem = json_of(answer).await;
        assert_eq!(
            problem["request_id"].as_str().map(str::len),
            Some(32),
            "{problem}"
        );
        let text = problem.to_string();
        for inside in ["sqlx", "SELECT", "/src/", "stack", "axum"] {
            assert!(!text.contains(inside), "{text}");
        }
    }
}

/// L2: what matters for security is logged, with who, from where, and when (`audit`).
#[tokio::test]
async fn asvs_v5_16_3_1() {
    let server = behind_tls();
    let admin = server.admin(&[]).await;
    server.register("ann@example.com").await;
    server
        .sign_in("ann@example.com", "violet kettle pirate")
        .await;
    server.sign_in("ann@example.com", PASSWORD).await;
    for event in ["authn_login_fail", "authn_login_success", "user_created"] {
        let path = format!("/api/admin/audit?event={event}");
        crate::server::within(5, async || {
            let found = json_of(server.get(&path, &admin).await).await;
            let row = &found["items"][0];
            row["address"] == "127.0.0.1"
                && row["at"].is_number()
                && row["subject"] != row["address"]
        })
        .await;
    }
}

/// L2: no secret is logged (`tracing`, `audit`).
#[tokio::test]
async fn asvs_v5_16_2_5() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    server
        .sign_in("ann@example.com", "canary kettle parade")
        .await;
    server.get("/api/me", &format!("{token}canary")).await;
    let log = server.log();
    assert!(!log.contains("canary") && !log.contains(&token) && !log.contains(PASSWORD));
}

/// L2: a line of the log is one event, whatever was written (`tracing`).
#[tokio::test]
async fn asvs_v5_16_4_1() {
    let server = behind_tls();
    let hostile = "Mozilla\u{85}FAKE 2026-01-01 ERROR forged";
    let body = json!({"email": "ann\nERROR forged@example.com", "password": PASSWORD});
    let request = server
        .request(Method::POST, "/api/auth/login")
        .header("user-agent", hostile.as_bytes());
    request.json(&body).send().await.expect("an answer");
    let forged = server
        .log()
        .lines()
        .any(|line| line.starts_with("ERROR forged") || line.starts_with("FAKE"));
    assert!(!forged, "{}", server.log());
}
