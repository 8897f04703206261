//! Several processes on one Postgres, with everything else as it is on SQLite.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, refresh, refused, text};
use crate::services;

/// A database of its own, with the server's tables.
pub(crate) fn database(name: &str) -> Option<String> {
    let service = services::postgres()?;
    let admin = service.postgres_url("postgres");
    let created = std::process::Command::new("psql")
        .args(["-qd", &admin, "-c", &format!("CREATE DATABASE {name}")])
        .status();
    assert!(created.expect("psql runs").success(), "{name} is new");
    let url = service.postgres_url(name);
    let migrated = crate::server::binary()
        .arg("migrate")
        .env("MIGRATOR_DATABASE_URL", &url)
        .output()
        .expect("the command runs");
    assert!(migrated.status.success(), "{migrated:?}");
    let said = String::from_utf8(migrated.stdout).expect("text");
    assert_eq!(
        said,
        format!("postgres at 127.0.0.1, {name} is up to date\n")
    );
    Some(url)
}

#[tokio::test]
async fn an_account_lives_in_postgres_as_it_does_in_sqlite() {
    let Some(url) = database("account") else {
        return;
    };
    let server = Server::start_with(&[("DATABASE_URL", &url)]);
    server.register("ann@example.com").await;
    server.register("ann@example.com").await;
    let here = server.login("ann@example.com").await;
    let elsewhere = server.login("ann@example.com").await;
    let (token, other) = (
        text(&here, "access_token"),
        text(&elsewhere, "access_token"),
    );

    let uploaded = server
        .upload(&token, "a.png", "image/png", png(3, 2, 500))
        .await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let image: Value = uploaded.json().await.expect("JSON");
    assert_eq!((&image["width"], &image["height"]), (&json!(3), &json!(2)));
    let path = format!("/api/images/{}", text(&image, "id"));
    let content = server.get(&format!("{path}/content"), &token).await;
    assert_eq!(content.bytes().await.expect("bytes"), png(3, 2, 500));
    let avatar = server
        .request(Method::PUT, "/api/me/avatar")
        .bearer_auth(&token)
        .header("content-type", "image/png")
        .body(png(1, 1, 200))
        .send()
        .await
        .expect("an answer");
    assert_eq!(avatar.status(), StatusCode::OK);
    let listed: Value = server
        .get("/api/images", &token)
        .await
        .json()
        .await
        .expect("JSON");
    assert!(listed.to_string().contains(&text(&image, "id")), "{listed}");

    let change = json!({"current_password": PASSWORD, "new_password": "another kettle parade"});
    let changed = server
        .request(Method::PUT, "/api/me/password")
        .bearer_auth(&token)
        .json(&change)
        .send()
        .await
        .expect("an answer");
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    let ended = refused(server.get("/api/me", &other).await, 401, "session_revoked").await;
    assert_eq!(ended["reason"], "credentials_changed");
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);

    let rotated = server.command(&["keys", "rotate"], &[("DATABASE_URL", &url)]);
    assert!(rotated.status.success(), "{rotated:?}");
    let deleted = server
        .request(Method::DELETE, "/api/me")
        .bearer_auth(&token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let gone = refused(server.get("/api/me", &token).await, 401, "session_revoked").await;
    assert_eq!(gone["reason"], "account_closed");
}

#[tokio::test]
async fn without_its_tables_the_server_says_what_to_run() {
    let Some(service) = services::postgres() else {
        return;
    };
    let url = service.postgres_url("template1");
    let data = tempfile::tempdir().expect("a folder");
    let output = crate::server::binary()
        .env("RAMPART_DATA_DIR", data.path())
        .env("RAMPART_LISTEN", "127.0.0.1:0")
        .env("DATABASE_URL", &url)
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("run `reference-server migrate`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_give_sixty_four_callers_one_successor() {
    let Some(url) = database("callers") else {
        return;
    };
    let settings = [("DATABASE_URL", url.as_str()), ("LIMIT_API", "100000/1m")];
    let server = Server::start_with(&settings);
    let twin = server.twin(&settings);
    server.register("ann@example.com").await;
    let login = server.login("ann@example.com").await;
    let mut token = text(&login, "refresh_token");
    for round in 1..=5 {
        let client = Client::new();
        let callers: Vec<_> = (0..64)
            .map(|caller| {
                let at = if caller % 2 == 0 {
                    &server.url
                } else {
                    &twin.url
                };
                let (client, at, token) = (client.clone(), at.clone(), token.clone());
                tokio::spawn(async move { refresh(&client, &at, &token).await })
            })
            .collect();
        let mut successors = HashSet::new();
        for caller in callers {
            let (status, answer) = caller.await.expect("no panic");
            assert_eq!(status, StatusCode::OK, "{answer}");
            successors.insert(text(&answer, "refresh_token"));
        }
        assert_eq!(successors.len(), 1);
        let asked = std::process::Command::new("psql")
            .args(["-Atd", &url, "-c", "SELECT generation FROM rampart_session"])
            .output()
            .expect("psql runs");
        assert_eq!(
            String::from_utf8_lossy(&asked.stdout).trim(),
            round.to_string()
        );
        token = successors.into_iter().next().expect("one");
    }
}

/// Asks until a token is refused, and returns the refusal.
async fn until_refused(client: &Client, server: &str, token: &str) -> Value {
    let since = Instant::now();
    loop {
        let answer = client
            .get(format!("{server}/api/me"))
            .bearer_auth(token)
            .send()
            .await
            .expect("an answer");
        if answer.status() != StatusCode::OK {
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            return answer.json().await.expect("JSON");
        }
        assert!(
            since.elapsed() < Duration::from_secs(2),
            "it is still accepted"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_one_process_ends_the_other_refuses_within_two_seconds() {
    let Some(url) = database("ends") else { return };
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("REFRESH_GRACE", "0s"),
        ("LIMIT_API", "100000/1m"),
        ("LIMIT_LOGIN_IP", "1000/1m"),
    ];
    let server = Server::start_with(&settings);
    let twin = server.twin(&settings);
    let client = Client::new();
    server.register("ann@example.com").await;
    server.register("bob@example.com").await;
    let ok = async |token: &str| {
        let here = server.get("/api/me", token).await.status();
        let there = client
            .get(format!("{}/api/me", twin.url))
            .bearer_auth(token)
            .send()
            .await;
        assert_eq!(
            (here, there.expect("an answer").status()),
            (StatusCode::OK, StatusCode::OK)
        );
    };

    // A superseded token is used: two generations old.
    let stolen = server.login("ann@example.com").await;
    let mut token = text(&stolen, "refresh_token");
    let mut access = String::new();
    for _ in 0..2 {
        let (status, answer) = refresh(&client, &server.url, &token).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        (token, access) = (
            text(&answer, "refresh_token"),
            text(&answer, "access_token"),
        );
    }
    ok(&access).await;
    let (status, reused) = refresh(&client, &twin.url, &text(&stolen, "refresh_token")).await;
    assert_eq!(
        (status.as_u16(), &reused["code"]),
        (401, &json!("refresh_reused"))
    );
    let told = until_refused(&client, &server.url, &access).await;
    assert_eq!(
        (&told["code"], &told["reason"]),
        (&json!("session_revoked"), &json!("reuse"))
    );
    let (_, dead) = refresh(&client, &server.url, &token).await;
    assert_eq!(dead["code"], "session_revoked");

    // One session, one account, everybody: by a command beside them.
    let sids = async |token: &str| -> Vec<Value> {
        server
            .get("/api/auth/sessions", token)
            .await
            .json()
            .await
            .expect("JSON")
    };
    let (one, two) = (
        server.login("ann@example.com").await,
        server.login("ann@example.com").await,
    );
    let (one, two) = (text(&one, "access_token"), text(&two, "access_token"));
    let bob = server.login("bob@example.com").await;
    let (bob, bobs) = (text(&bob, "access_token"), text(&bob, "refresh_token"));
    let current = sids(&one)
        .await
        .into_iter()
        .find(|session| session["current"] == true);
    let sid = text(&current.expect("its own"), "sid");
    let revoke = |arguments: &[&str]| {
        let arguments = [&["sessions", "revoke"], arguments].concat();
        let output = server.command(&arguments, &[("DATABASE_URL", &url)]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("text"),
        )
    };
    assert_eq!(revoke(&["--sid", &sid]).0, Some(0));
    for at in [&server.url, &twin.url] {
        assert_eq!(
            until_refused(&client, at, &one).await["reason"],
            "terminated"
        );
    }
    ok(&two).await;
    let (status, said) = revoke(&[
        "--user",
        "Ann@example.com",
        "--reason",
        "account_closed",
        "--json",
    ]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (status, &said["reason"]),
        (Some(0), &json!("account_closed"))
    );
    for at in [&server.url, &twin.url] {
        assert_eq!(
            until_refused(&client, at, &two).await["reason"],
            "account_closed"
        );
    }
    ok(&bob).await;
    let (status, said) = revoke(&["--all", "--yes", "--reason", "the signing key was in a log"]);
    assert_eq!(
        (status, said.trim()),
        (
            Some(0),
            "the sessions of everybody ended: security_incident"
        )
    );
    for at in [&server.url, &twin.url] {
        let told = until_refused(&client, at, &bob).await;
        assert_eq!(told["code"], "reauthentication_required");
        assert_eq!(told["reason"], "security_incident");
    }
    let (_, told) = refresh(&client, &twin.url, &bobs).await;
    assert_eq!(told["code"], "reauthentication_required");
    let again = server.login("bob@example.com").await;
    ok(&text(&again, "access_token")).await;

    assert_eq!(revoke(&["--user", "nobody@example.com"]).0, Some(1));
    assert_eq!(revoke(&["--sid", "unknown"]).0, Some(1));
    assert_eq!(revoke(&[]).0, Some(2), "whose?");
    assert_eq!(revoke(&["--all", "--sid", &sid]).0, Some(2), "one of them");
}

#[tokio::test]
async fn a_database_that_is_away_is_no_fault_of_the_server() {
    let Some(mut service) = services::Service::postgres() else {
        return;
    };
    let url = service.postgres_url("postgres");
    let migrated = crate::server::binary()
        .arg("migrate")
        .env("DATABASE_URL", &url)
        .output();
    assert!(migrated.expect("the command runs").status.success());
    let server = Server::start_with(&[("DATABASE_URL", &url)]);
    server.register("ann@example.com").await;
    let login = server.login("ann@example.com").await;
    let (access, token) = (text(&login, "access_token"), text(&login, "refresh_token"));
    service.kill();
    let body = json!({"refresh_token": token});
    for answer in [
        server.get("/api/me", &access).await,
        server.get("/api/auth/sessions", &access).await,
        server.post("/api/auth/refresh", body).await,
    ] {
        assert_eq!(answer.headers()["retry-after"], "1");
        refused(answer, 503, "temporarily_unavailable").await;
    }
    service.start_again();
    assert_eq!(
        server.get("/api/me", &access).await.status(),
        StatusCode::OK
    );
    let (status, answer) = refresh(&Client::new(), &server.url, &token).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}
