//! Session management.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::{behind_tls, change_password, json_of, send};
use crate::server::{PASSWORD, Server, refresh, refused, text, within};

async fn sign_in(server: &Server) -> (String, String) {
    let login = server.login("ann@example.com").await;
    (text(&login, "access_token"), text(&login, "refresh_token"))
}

/// L1: a session is looked up on the server (`session`).
#[tokio::test]
async fn asvs_v5_7_2_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for changed in [
        token.replace('.', "_"),
        format!("{token}x"),
        token[1..].to_owned(),
    ] {
        assert_eq!(server.get("/api/me", &changed).await.status(), 401);
    }
    let made_up = format!("rt_{}", "A".repeat(64));
    let client = reqwest::Client::new();
    assert_eq!(refresh(&client, &server.url, &made_up).await.0, 401);
}

/// L1: tokens are made for each session (`session`).
#[tokio::test]
async fn asvs_v5_7_2_2() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (first, second) = (sign_in(&server).await, sign_in(&server).await);
    assert!(first.0 != second.0 && first.1 != second.1);
}

/// L1: refresh tokens have 128 random bits and more, and never repeat (`session`).
#[tokio::test]
async fn asvs_v5_7_2_3() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let mut seen = HashSet::new();
    for _ in 0..12 {
        let (_, token) = sign_in(&server).await;
        assert!(token.len() >= 43, "256 bits: {token}");
        assert!(seen.insert(token));
    }
}

/// L1: signing in makes another session than before (`session`).
#[tokio::test]
async fn asvs_v5_7_2_4() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let fixed = "__Host-access=attacker; __Host-refresh=attacker";
    let request = server
        .request(Method::POST, "/api/auth/login")
        .header("cookie", fixed);
    let answer = request.json(&body).send().await.expect("an answer");
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert!(
        cookies.len() >= 2
            && cookies
                .iter()
                .all(|cookie| !cookie.to_str().expect("ASCII").contains("attacker"))
    );
    // And the one before ends.
    let before = cookies
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .find_map(|pair| pair.strip_prefix("__Host-refresh="))
        .expect("a refresh token")
        .to_owned();
    let request = server
        .request(Method::POST, "/api/auth/login")
        .header("cookie", format!("__Host-refresh={before}"));
    let again = request.json(&body).send().await.expect("an answer");
    assert_eq!(again.status(), 200);
    let client = reqwest::Client::new();
    assert_eq!(refresh(&client, &server.url, &before).await.0, 401);
}

/// Lets the clock of every session run ahead, in the database.
async fn age(server: &Server, statement: &'static str) {
    let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
    let pool = SqlitePool::connect_with(file).await.expect("a database");
    let aged = sqlx::query(statement).execute(&pool).await.expect("done");
    assert_eq!(aged.rows_affected(), 1);
    pool.close().await;
}

/// L2: a session that nobody uses ends (`session`).
#[tokio::test]
async fn asvs_v5_7_3_1() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (_, token) = sign_in(&server).await;
    // Two weeks without use, and a second.
    age(
        &server,
        "UPDATE rampart_session SET idle_until = idle_until - 1209601",
    )
    .await;
    let (status, problem) = refresh(&reqwest::Client::new(), &server.url, &token).await;
    let ended = json!("session_idle_timeout");
    assert_eq!((status.as_u16(), &problem["code"]), (401, &ended));
}

/// L2: a session ends after a while, however much it is used (`session`).
#[tokio::test]
async fn asvs_v5_7_3_2() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (_, token) = sign_in(&server).await;
    // Ninety days, of which the last ones were busy.
    age(
        &server,
        "UPDATE rampart_session SET absolute_until = absolute_until - 7776001, \
         idle_until = absolute_until - 7776001",
    )
    .await;
    let (status, problem) = refresh(&reqwest::Client::new(), &server.url, &token).await;
    let ended = json!("session_expired");
    assert_eq!((status.as_u16(), &problem["code"]), (401, &ended));
}

/// L1: what was signed out opens nothing (`session`).
#[tokio::test]
async fn asvs_v5_7_4_1() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (access, token) = sign_in(&server).await;
    let request = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&access);
    assert_eq!(request.send().await.expect("an answer").status(), 204);
    refused(server.get("/api/me", &access).await, 401, "session_revoked").await;
    assert_eq!(
        refresh(&reqwest::Client::new(), &server.url, &token)
            .await
            .0,
        401
    );
}

/// L1: a disabled account has no sessions (`users disable`).
#[tokio::test]
async fn asvs_v5_7_4_2() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (access, token) = sign_in(&server).await;
    assert!(
        server
            .command(&["users", "disable", "ann@example.com"], &[])
            .status
            .success()
    );
    within(3, async || {
        server.get("/api/me", &access).await.status() == 401
    })
    .await;
    assert_eq!(
        refresh(&reqwest::Client::new(), &server.url, &token)
            .await
            .0,
        401
    );
}

/// L2: a changed password ends the other sessions (`session`).
#[tokio::test]
async fn asvs_v5_7_4_3() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (here, _) = sign_in(&server).await;
    let (elsewhere, _) = sign_in(&server).await;
    let changed = change_password(&server, &here, PASSWORD).await;
    assert_eq!(changed.status(), 204);
    assert_eq!(server.get("/api/me", &here).await.status(), 200);
    assert_eq!(server.get("/api/me", &elsewhere).await.status(), 401);
}

/// L2: an administrator can end the sessions of one, and of all (`sessions revoke`, `/api/admin`).
#[tokio::test]
async fn asvs_v5_7_4_5() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (access, _) = sign_in(&server).await;
    let admin = server.admin(&[]).await;
    let users = json_of(server.get("/api/admin/users", &admin).await).await;
    let found = users["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|user| user["email"] == "ann@example.com");
    let path = format!(
        "/api/admin/users/{}/revoke",
        text(found.expect("listed"), "id")
    );
    let answer = server
        .post_as(&admin, &path, json!({"reason": "asked for"}))
        .await;
    assert!(answer.status().is_success(), "{}", answer.status());
    within(3, async || {
        server.get("/api/me", &access).await.status() == 401
    })
    .await;
    assert!(
        server
            .command(&["sessions", "revoke", "--all", "--yes"], &[])
            .status
            .success()
    );
    within(3, async || {
        server.get("/api/me", &admin).await.status() == 401
    })
    .await;
}

/// L2: what cannot be undone asks for the password again (`RequireLayer`).
#[tokio::test]
async fn asvs_v5_7_5_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let answer = change_password(&server, &token, "violet kettle pirate").await;
    refused(answer, 403, "invalid_credentials").await;
}

/// L2: people see their sessions, and end them (`/api/auth/sessions`).
#[tokio::test]
async fn asvs_v5_7_5_2() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (here, _) = sign_in(&server).await;
    let (elsewhere, _) = sign_in(&server).await;
    let list: Value = json_of(server.get("/api/auth/sessions", &here).await).await;
    let items = list["items"]
        .as_array()
        .or_else(|| list.as_array())
        .expect("a list")
        .clone();
    assert_eq!(items.len(), 2, "{list}");
    for item in &items {
        for member in [
            "sid",
            "created_at",
            "last_used_at",
            "client",
            "address",
            "current",
        ] {
            assert!(item.get(member).is_some(), "{member} in {item}");
        }
    }
    let other = items
        .iter()
        .find(|item| item["current"] == false)
        .expect("the other one");
    let path = format!("/api/auth/sessions/{}", text(other, "sid"));
    let request = server.request(Method::DELETE, &path).bearer_auth(&here);
    assert_eq!(request.send().await.expect("an answer").status(), 204);
    assert_eq!(server.get("/api/me", &elsewhere).await.status(), 401);
    let missing = send(
        &server,
        Method::DELETE,
        "/api/auth/sessions/none",
        &[("authorization", &format!("Bearer {here}"))],
    )
    .await;
    assert_eq!(missing.status(), 404);
}
