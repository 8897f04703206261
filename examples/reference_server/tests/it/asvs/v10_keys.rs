//! Tokens of an authorization server's kind, and keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::{behind_tls, send};
use crate::attacks::{SECRET, keys};
use crate::server::{PASSWORD, Server, binary, refresh, text};

/// What a configuration is refused with, and its status.
pub(super) fn check(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = binary()
        .arg("check")
        .envs(settings.iter().copied())
        .output()
        .expect("it runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

async fn stored_hash(server: &Server) -> String {
    let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
    let pool = SqlitePool::connect_with(file).await.expect("a database");
    let hash = sqlx::query_scalar("SELECT password_hash FROM users")
        .fetch_one(&pool)
        .await;
    pool.close().await;
    hash.expect("a hash")
}

/// L2: a token says for which service it was issued (`session`, `aud`).
#[tokio::test]
async fn asvs_v5_9_2_4() {
    let server = Server::start();
    let claims = claims(&server.token("ann@example.com").await);
    assert_eq!(
        (&claims["aud"], &claims["iss"]),
        (&json!("rampart-api"), &json!("http://localhost:8080"))
    );
}

async fn with_forgery(
    change: impl Fn(&tower_rampart::jwt::testing::TestKeys, &str) -> String,
) -> u16 {
    let server = Server::start_with(&[("SECRET_KEY", SECRET)]);
    server.register("ann@example.com").await;
    let session = server.login("ann@example.com").await;
    let subject = text(&session["user"], "id");
    let keys = keys();
    let good = keys.token().claim("sub", subject.clone()).sign();
    assert_eq!(server.get("/api/me", &good).await.status(), 200);
    let changed = change(&keys, &subject);
    server.get("/api/me", &changed).await.status().as_u16()
}

/// L2: tokens for other services are refused (`jwt`, `aud`).
#[tokio::test]
async fn asvs_v5_10_3_1() {
    let status = with_forgery(|keys, subject| {
        keys.token()
            .claim("sub", subject)
            .claim("aud", "another-api")
            .sign()
    });
    assert_eq!(status.await, 401);
}

/// L2: what a token allows is read from its claims (`RequireLayer`).
#[tokio::test]
async fn asvs_v5_10_3_2() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    assert_eq!(claims(&token)["roles"], json!(["user"]));
    assert_eq!(server.get("/api/admin/users", &token).await.status(), 403);
    let admin = server.admin(&[]).await;
    assert_eq!(claims(&admin)["roles"], json!(["admin"]));
    assert_eq!(server.get("/api/admin/users", &admin).await.status(), 200);
}

/// L2: a subject is one of this issuer (`jwt`, `iss`).
#[tokio::test]
async fn asvs_v5_10_3_3() {
    let status = with_forgery(|keys, subject| {
        keys.token()
            .claim("sub", subject)
            .claim("iss", "https://elsewhere.example")
            .sign()
    });
    assert_eq!(status.await, 401);
}

/// L2: refresh tokens end after a time, however much they are used (`session`).
#[tokio::test]
async fn asvs_v5_10_4_8() {
    let refused = |settings: &[(&str, &str)]| check(settings).0 == Some(78);
    assert!(
        refused(&[("REFRESH_ABSOLUTE", "10m"), ("REFRESH_IDLE", "20m")]),
        "idle is the shorter"
    );
    let server = Server::start();
    server.register("ann@example.com").await;
    let session = server.login("ann@example.com").await;
    let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
    let pool = SqlitePool::connect_with(file).await.expect("a database");
    let until: i64 = sqlx::query_scalar("SELECT absolute_until - created_at FROM rampart_session")
        .fetch_one(&pool)
        .await
        .expect("a session");
    pool.close().await;
    assert_eq!(until, 90 * 24 * 3_600);
    drop(session);
}

/// L2: people end their refresh tokens (`/api/auth/sessions`).
#[tokio::test]
async fn asvs_v5_10_4_9() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let (lost, kept) = (
        server.login("ann@example.com").await,
        server.login("ann@example.com").await,
    );
    let sid = claims(&text(&lost, "access_token"))["sid"].clone();
    let path = format!("/api/auth/sessions/{}", sid.as_str().expect("a session"));
    let bearer = format!("Bearer {}", text(&kept, "access_token"));
    let ended = send(
        &server,
        Method::DELETE,
        &path,
        &[("authorization", &bearer)],
    )
    .await;
    assert_eq!(ended.status(), 204);
    let client = reqwest::Client::new();
    let (status, _) = refresh(&client, &server.url, &text(&lost, "refresh_token")).await;
    assert_eq!(status, 401);
}

/// L2: every key is listed with its algorithm and its state (`keys list`).
#[tokio::test]
async fn asvs_v5_11_1_2() {
    let server = Server::start();
    server.register("ann@example.com").await;
    server.command(&["keys", "rotate"], &[]);
    let listed = server.command(&["keys", "list", "--json"], &[]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let keys = listed["keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert!(key["kid"].is_string() && key["state"].is_string(), "{key}");
        assert_eq!(key["alg"], "HS256");
    }
}

/// L2: costs are raised without a new password, and old hashes go on (`password`).
#[tokio::test]
async fn asvs_v5_11_2_2() {
    let mut server = Server::start();
    server.register("ann@example.com").await;
    assert!(
        stored_hash(&server).await.contains("r=10"),
        "{}",
        stored_hash(&server).await
    );
    server.restart_with(&[("BCRYPT_COST", "11")]);
    assert_eq!(server.sign_in("ann@example.com", PASSWORD).await, 200);
    crate::server::within(5, async || stored_hash(&server).await.contains("r=11")).await;
}

/// L2: a secret has 128 bits and more (`jwt`).
#[tokio::test]
async fn asvs_v5_11_2_3() {
    for weak in ["kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe", "kQ3v9ZxT"] {
        let (status, told) = check(&[("SECRET_KEY", weak)]);
        assert_eq!(status, Some(78), "{weak}");
        assert!(told.contains("shorter than 32 bytes"), "{told}");
    }
}

/// L1: passwords are condensed by a function for passwords, over an approved hash (`password`).
#[tokio::test]
async fn asvs_v5_11_4_1() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let hash = stored_hash(&server).await;
    assert!(hash.starts_with("$bcrypt-hmac-sha384$v=1,"), "{hash}");
}

/// L2: the cost of a hash is not below what is current (`password`).
#[tokio::test]
async fn asvs_v5_11_4_2() {
    for (cost, status) in [("9", 78), ("10", 0)] {
        assert_eq!(check(&[("BCRYPT_COST", cost)]).0, Some(status), "{cost}");
    }
}

/// L2: what must not be guessed has 128 random bits and more (`secret`, one-time tokens).
#[tokio::test]
async fn asvs_v5_11_5_1() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let token = server.reset_token("ann@example.com").await;
    assert_eq!(URL_SAFE_NO_PAD.decode(&token).expect("base64url").len(), 32);
    let answer = send(&server, Method::GET, "/healthz", &[]).await;
    assert_eq!(answer.headers()["x-request-id"].len(), 32);
}
