//! Forgotten passwords, and those that an operator took away.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::server::{PASSWORD, Server, refused, text, within};

const NEW: &str = "orange kettle parade";

fn token_in(mail: &str) -> String {
    let link = mail
        .lines()
        .find_map(|line| line.trim().split_once("/#reset?token="));
    link.expect("a link on a line").1.to_owned()
}

async fn forgot(server: &Server, email: &str) -> (StatusCode, String) {
    let answer = server
        .post("/api/auth/password/forgot", json!({"email": email}))
        .await;
    (answer.status(), answer.text().await.expect("a body"))
}

async fn reset(server: &Server, token: &str, password: &str) -> reqwest::Response {
    server
        .post(
            "/api/auth/password/reset",
            json!({"token": token, "new_password": password}),
        )
        .await
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_every_session_ends() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let known = forgot(&server, "Ann@example.com").await;
    assert_eq!(
        known,
        forgot(&server, "nobody@example.com").await,
        "nobody learns who has an account"
    );
    assert_eq!(known.0, StatusCode::ACCEPTED);
    let link = token_in(&server.mail("ann@example.com", |mail| mail.contains("#reset")));

    let weak = refused(
        reset(&server, &link, "short").await,
        422,
        "password_rejected",
    )
    .await;
    assert_eq!(weak["reason"], "too_short", "and the token is still good");
    assert_eq!(
        reset(&server, &link, NEW).await.status(),
        StatusCode::NO_CONTENT
    );
    refused(
        reset(&server, &link, "another kettle parade").await,
        400,
        "token_used_or_expired",
    )
    .await;
    refused(
        reset(&server, "no-token", NEW).await,
        400,
        "token_used_or_expired",
    )
    .await;

    let ended = refused(server.get("/api/me", &token).await, 401, "session_revoked").await;
    assert_eq!(ended["reason"], "credentials_changed");
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(server.sign_in("ann@example.com", NEW).await, StatusCode::OK);
    let told = server.mail("ann@example.com", |mail| {
        mail.contains("Your password was changed")
    });
    assert!(!told.contains("token="), "{told}");
    let raw = std::fs::read(server.data.path().join("rampart.db")).expect("a database");
    let wal = std::fs::read(server.data.path().join("rampart.db-wal")).expect("a log");
    let found = |bytes: &[u8]| {
        bytes
            .windows(link.len())
            .any(|window| window == link.as_bytes())
    };
    assert!(!found(&raw) && !found(&wal), "the database holds no token");
}

#[tokio::test]
async fn of_several_links_one_works_and_a_changed_password_ends_them_all() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    for _ in 0..8 {
        forgot(&server, "ann@example.com").await;
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut links = Vec::new();
    // Five an hour, whoever asks however often.
    while links.len() < 5 {
        assert!(Instant::now() < deadline, "{links:?}");
        let mails = std::fs::read_dir(server.data.path().join("outbox"))
            .into_iter()
            .flatten()
            .flatten();
        links = mails
            .map(|entry| token_in(&std::fs::read_to_string(entry.path()).expect("a mail")))
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    let request = server
        .request(reqwest::Method::PUT, "/api/me/password")
        .bearer_auth(&token);
    let changed = request.json(&change).send().await.expect("an answer");
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    for link in &links {
        refused(
            reset(&server, link, "another kettle parade").await,
            400,
            "token_used_or_expired",
        )
        .await;
    }
    server.mail("ann@example.com", |mail| {
        mail.contains("Your password was changed")
    });
    let mails = std::fs::read_dir(server.data.path().join("outbox"))
        .expect("a folder")
        .count();
    assert_eq!(mails, 6);
}

#[tokio::test]
async fn a_password_that_an_operator_took_away_looks_like_a_wrong_one() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let session = server.login("ann@example.com").await;
    let forced = server.command(
        &[
            "users",
            "force-reset",
            "--user",
            "ann@example.com",
            "--json",
        ],
        &[],
    );
    assert!(forced.status.success(), "{forced:?}");
    let told: serde_json::Value = serde_json::from_slice(&forced.stdout).expect("JSON");
    assert_eq!(
        (&told["accounts"], &told["mail"]),
        (&json!(1), &json!(true))
    );

    let body = |email: &str, password: &str| json!({"email": email, "password": password});
    let locked = server
        .post("/api/auth/login", body("ann@example.com", PASSWORD))
        .await;
    let wrong = server
        .post(
            "/api/auth/login",
            body("ann@example.com", "violet kettle pirate"),
        )
        .await;
    let locked = refused(locked, 401, "invalid_credentials").await;
    let wrong = refused(wrong, 401, "invalid_credentials").await;
    assert_eq!(locked["detail"], wrong["detail"]);
    let refresh = json!({"refresh_token": text(&session, "refresh_token")});
    let ended = refused(
        server.post("/api/auth/refresh", refresh).await,
        401,
        "reauthentication_required",
    )
    .await;
    assert_eq!(ended["reason"], "security_incident");

    let link = token_in(&server.mail("ann@example.com", |mail| mail.contains("#reset")));
    // The one that was taken away is no new one.
    let same = refused(
        reset(&server, &link, PASSWORD).await,
        422,
        "password_rejected",
    )
    .await;
    assert_eq!(same["reason"], "same_as_before");
    assert_eq!(
        reset(&server, &link, NEW).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(server.sign_in("ann@example.com", NEW).await, StatusCode::OK);
}

#[tokio::test]
async fn a_link_that_was_on_its_way_does_not_undo_a_forced_reset() {
    let server = Server::start();
    server.register("ann@example.com").await;
    // A stranger uses up what the owner may ask for, and holds a link.
    for _ in 0..5 {
        forgot(&server, "ann@example.com").await;
    }
    let old = token_in(&server.mail("ann@example.com", |mail| mail.contains("asked for a new")));
    let forced = server.command(&["users", "force-reset", "--user", "ann@example.com"], &[]);
    assert!(forced.status.success(), "{forced:?}");
    let late = reset(&server, &old, NEW).await;
    refused(late, 400, "token_used_or_expired").await;
    let mail = server.mail("ann@example.com", |mail| {
        mail.contains("To protect your account")
    });
    let done = reset(&server, &token_in(&mail), NEW).await;
    assert_eq!(done.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_disabled_account_cannot_sign_in_nor_set_a_password_until_it_is_enabled() {
    let server = Server::start();
    server.register("ann@example.com").await;
    forgot(&server, "ann@example.com").await;
    let link = token_in(&server.mail("ann@example.com", |mail| mail.contains("#reset")));
    let disabled = server.command(
        &["users", "disable", "ann@example.com", "--reason", "left"],
        &[],
    );
    assert!(disabled.status.success(), "{disabled:?}");
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::UNAUTHORIZED
    );
    refused(
        reset(&server, &link, NEW).await,
        400,
        "token_used_or_expired",
    )
    .await;
    let enabled = server.command(&["users", "enable", "ann@example.com"], &[]);
    assert!(enabled.status.success(), "{enabled:?}");
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::OK
    );
    let unknown = server.command(&["users", "disable", "bob@example.com"], &[]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test]
async fn mails_and_tokens_are_forgotten_a_month_after_they_are_over() {
    let mut server = Server::start();
    server.register("ann@example.com").await;
    forgot(&server, "ann@example.com").await;
    server.mail("ann@example.com", |mail| mail.contains("#reset"));
    let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
    let pool = SqlitePool::connect_with(file).await.expect("a database");
    let count = async || -> i64 {
        let both = "SELECT (SELECT count(*) FROM outbox WHERE status = 'sent') + (SELECT count(*) FROM one_time_tokens)";
        let found = sqlx::query_scalar(both).fetch_one(&pool).await;
        found.expect("a number")
    };
    within(5, async || count().await == 2).await;
    server.restart();
    assert_eq!(count().await, 2, "they are young");
    for statement in [
        "UPDATE outbox SET finished_at = finished_at - 3000000",
        "UPDATE one_time_tokens SET expires_at = expires_at - 3000000",
    ] {
        sqlx::query(statement).execute(&pool).await.expect("done");
    }
    server.restart();
    within(10, async || count().await == 0).await;
}
