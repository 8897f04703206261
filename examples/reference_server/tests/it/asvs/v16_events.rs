//! How the house is kept: dependencies, costs, addresses, and what is written down.

use reqwest::Method;
use serde_json::{Value, json};

use super::v1_more::of_the_repository;
use super::{behind_tls, json_of};
use crate::server::{PASSWORD, Server, refresh, text, within};

/// The rows of the audit log with an event.
async fn rows(server: &Server, admin: &str, event: &str) -> Vec<Value> {
    let found = json_of(
        server
            .get(&format!("/api/admin/audit?event={event}"), admin)
            .await,
    )
    .await;
    found["items"].as_array().cloned().unwrap_or_default()
}

/// Waits for a row with an event.
async fn row(server: &Server, admin: &str, event: &str) -> Value {
    within(5, async || !rows(server, admin, event).await.is_empty()).await;
    rows(server, admin, event).await.remove(0)
}

/// L1: how soon a hole is mended is documented (`SECURITY.md`).
#[tokio::test]
async fn asvs_v5_15_1_1() {
    let policy = of_the_repository(".github/SECURITY.md");
    assert!(
        policy.contains("an answer within three working days, and a plan within ten"),
        "{policy}"
    );
}

/// L2: there is a list of what the server is made of (the workflow).
#[tokio::test]
async fn asvs_v5_15_1_2() {
    let workflow = of_the_repository(".github/workflows/ci.yml");
    assert!(workflow.contains("cargo cyclonedx --format json"));
}

/// L2: what is costly is known, and counted (`explain`, `/metrics`).
#[tokio::test]
async fn asvs_v5_15_1_3() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let metrics = reqwest::get(format!("{}/metrics", server.operators)).await;
    let metrics = metrics.expect("an answer").text().await.expect("text");
    for name in [
        "rampart_password_hashes_total 1",
        "rampart_password_waiting 0",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

/// L1: holes that are known are looked for every week (the workflow).
#[tokio::test]
async fn asvs_v5_15_2_1() {
    let workflow = of_the_repository(".github/workflows/ci.yml");
    assert!(workflow.contains("- cron:") && workflow.contains("advisor"));
}

/// L2: what is costly keeps nobody else from being served (`LoginHasher`).
#[tokio::test(flavor = "multi_thread")]
async fn asvs_v5_15_2_2() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let attempts = (0..120).map(|_| {
        let body = json!({"email": "ann@example.com", "password": PASSWORD});
        let request = server.request(Method::POST, "/api/auth/login").json(&body);
        tokio::spawn(request.send())
    });
    let attempts: Vec<_> = attempts.collect();
    let health = reqwest::get(format!("{}/healthz", server.url)).await;
    assert_eq!(health.expect("an answer").status(), 200);
    let mut overloaded = 0;
    for attempt in attempts {
        let answer = attempt.await.expect("no panic").expect("an answer");
        if answer.status() == 503 {
            assert!(answer.headers().contains_key("retry-after"));
            overloaded += 1;
        }
    }
    assert!(overloaded > 0, "all of them waited");
}

/// L2: the address of a client is the same wherever it is used (`ClientAddrResolver`).
#[tokio::test]
async fn asvs_v5_15_3_4() {
    let server = Server::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    server.register("ann@example.com").await;
    let admin = server.admin(&[]).await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "delivery": "body"});
    let request = server
        .request(Method::POST, "/api/auth/login")
        .header("x-forwarded-for", "203.0.113.9, 198.51.100.7")
        .json(&body);
    let session = json_of(request.send().await.expect("an answer")).await;
    let listed = json_of(
        server
            .get("/api/auth/sessions", &text(&session, "access_token"))
            .await,
    )
    .await;
    assert_eq!(listed[0]["address"], "198.51.100.7", "{listed}");
    within(5, async || {
        let rows = rows(&server, &admin, "authn_login_success").await;
        rows.iter().any(|row| row["address"] == "198.51.100.7")
    })
    .await;
}

/// L2: an event says when, where, who and what (`audit`).
#[tokio::test]
async fn asvs_v5_16_2_1() {
    let server = behind_tls();
    let admin = server.admin(&[]).await;
    server.token("ann@example.com").await;
    let row = row(&server, &admin, "authn_login_success").await;
    for member in [
        "seq",
        "at",
        "datetime",
        "level",
        "event",
        "actor",
        "session",
        "request_id",
        "address",
    ] {
        assert!(!row[member].is_null(), "{member} in {row}");
    }
}

/// L2: times have one zone, which they name (`audit`).
#[tokio::test]
async fn asvs_v5_16_2_2() {
    let server = behind_tls();
    let admin = server.admin(&[]).await;
    let row = row(&server, &admin, "sys_startup").await;
    let written = text(&row, "datetime");
    let read: jiff::Timestamp = written.parse().expect("a time of RFC 3339");
    assert!(written.ends_with('Z'), "{written}");
    assert_eq!(Some(read.as_second()), row["at"].as_i64());
}

/// L2: the log of a server in production is read by programs (`tracing`).
#[tokio::test]
async fn asvs_v5_16_2_4() {
    let server = Server::start_with(&[
        ("RAMPART_ENV", "production"),
        ("RAMPART_PUBLIC_URL", "https://api.example.com"),
        ("CORS_ORIGINS", "https://app.example.com"),
        ("SECRET_KEY", crate::attacks::SECRET),
        (
            "PASSWORD_PEPPER",
            "p8Zr3Lq6Yt1Wn9Kx4Hs7Vd2Bg5Jm0Fc-RaUeTiOoEyQ",
        ),
    ]);
    server.register("ann@example.com").await;
    let log = server.log();
    assert!(log.lines().count() >= 2, "{log}");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"));
        assert!(text(&event, "timestamp").ends_with('Z'), "{line}");
    }
}

/// L2: who tries what they may not do is written down (`audit`).
#[tokio::test]
async fn asvs_v5_16_3_2() {
    let server = behind_tls();
    let admin = server.admin(&[]).await;
    let token = server.token("ann@example.com").await;
    assert_eq!(server.get("/api/admin/users", &token).await.status(), 403);
    let row = row(&server, &admin, "authz_fail").await;
    assert_eq!(row["detail"]["route"], "GET /api/admin/users", "{row}");
    assert_eq!(row["detail"]["reason"], "insufficient_role", "{row}");
    let me = json_of(server.get("/api/me", &token).await).await;
    assert_eq!(
        (&row["actor"], &row["address"]),
        (&me["id"], &json!("127.0.0.1")),
        "{row}"
    );
}

/// L2: attempts to get around a protection are written down (`audit`, `session`).
#[tokio::test]
async fn asvs_v5_16_3_3() {
    let server = Server::start_with(&[("REFRESH_GRACE", "0s")]);
    let admin = server.admin(&[]).await;
    server.register("ann@example.com").await;
    let token = text(&server.login("ann@example.com").await, "refresh_token");
    let client = reqwest::Client::new();
    let mut last = 200;
    let mut successor = token.clone();
    for _ in 0..2 {
        let (_, answer) = refresh(&client, &server.url, &successor).await;
        successor = text(&answer, "refresh_token");
    }
    for _ in 0..2 {
        last = refresh(&client, &server.url, &token).await.0.as_u16();
    }
    assert_eq!(last, 401);
    let row = row(&server, &admin, "authn_token_reuse").await;
    assert_eq!(row["level"], "CRITICAL", "{row}");
}

/// L2: what fails here is written down, with the request it failed for (`tracing`).
#[tokio::test]
async fn asvs_v5_16_3_4() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let objects = server.data.path().join("objects");
    std::fs::remove_dir_all(&objects).expect("removed");
    std::fs::write(&objects, "no folder").expect("written");
    let answer = server
        .upload(&token, "a.png", "image/png", crate::server::png(2, 2, 100))
        .await;
    assert!(answer.status().is_server_error(), "{}", answer.status());
    let id = text(&json_of(answer).await, "request_id");
    let log = server.log();
    let told = log
        .lines()
        .any(|line| line.contains("ERROR") && line.contains(&id));
    assert!(told, "{log}");
}

/// L2: a log that was changed is noticed (`audit verify`).
#[tokio::test]
async fn asvs_v5_16_4_2() {
    let mut server = Server::start();
    server.register("ann@example.com").await;
    let intact = || server.command(&["audit", "verify"], &[]).status.code();
    within(5, async || intact() == Some(0)).await;
    server.stop();
    let path = server.data.path().join("rampart.db");
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let pool = sqlx::SqlitePool::connect_with(file)
        .await
        .expect("a database");
    for statement in [
        "DROP TRIGGER audit_is_not_updated",
        "UPDATE audit SET actor = 'nobody' WHERE seq = 1",
    ] {
        sqlx::query(statement).execute(&pool).await.expect("done");
    }
    pool.close().await;
    assert_eq!(
        server.command(&["audit", "verify"], &[]).status.code(),
        Some(1)
    );
}

/// L2: events leave the server at once, to where it cannot change them (standard error).
#[tokio::test]
async fn asvs_v5_16_4_3() {
    let server = behind_tls();
    server.token("ann@example.com").await;
    let log = server.log();
    for event in ["sys_startup", "user_created", "authn_login_success"] {
        let told = log
            .lines()
            .any(|line| line.contains("security") && line.contains(event));
        assert!(told, "{event} in {log}");
    }
}
