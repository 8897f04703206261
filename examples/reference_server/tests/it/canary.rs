//! Secrets with a mark on them, looked for wherever something is written.

use std::path::Path;

use reqwest::{Client, Method};
use serde_json::json;

use crate::server::{Server, binary, png, text};

pub(crate) const PASSWORD: &str = "violet kettle CANARY-password";
const OTHER: &str = "orange kettle CANARY-new-password";

/// Every file below a folder that holds a text, but for those that have to.
pub(crate) fn holding(folder: &Path, needle: &str, except: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = path.display().to_string();
        if except.iter().any(|except| name.contains(except)) {
            continue;
        }
        if path.is_dir() {
            found.extend(holding(&path, needle, except));
        } else if std::fs::read(&path)
            .expect("a file")
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
        {
            found.push(name);
        }
    }
    found
}

#[tokio::test]
async fn no_secret_is_written_anywhere_at_any_level() {
    let fresh = || {
        let made = binary().arg("gen-secret").output().expect("it runs").stdout;
        String::from_utf8(made).expect("text").trim().to_owned()
    };
    let (secret, pepper) = (fresh(), fresh());
    let settings = [
        ("SECRET_KEY", &*secret),
        ("PASSWORD_PEPPER", &*pepper),
        ("RUST_LOG", "trace"),
    ];
    let server = Server::start_with(&settings);
    let mut answers = String::new();
    let mut keep = async |answer: reqwest::Response| {
        answers += &format!("{:?}", answer.headers());
        answers += &answer.text().await.unwrap_or_default();
    };
    let credentials = json!({"email": "ann@example.com", "password": PASSWORD});
    keep(server.post("/api/auth/register", credentials.clone()).await).await;
    let mut body = credentials.clone();
    body["delivery"] = "body".into();
    let tokens: serde_json::Value = server
        .post("/api/auth/login", body)
        .await
        .json()
        .await
        .expect("JSON");
    let (access, refresh) = (
        text(&tokens, "access_token"),
        text(&tokens, "refresh_token"),
    );
    keep(
        server
            .post(
                "/api/auth/login",
                json!({"email": PASSWORD, "password": PASSWORD, "more": PASSWORD}),
            )
            .await,
    )
    .await;
    let broken = server
        .request(Method::POST, "/api/auth/login")
        .header("content-type", "application/json");
    keep(
        broken
            .body(format!("{{\"password\": \"{PASSWORD}\""))
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    keep(server.get("/api/me", &access).await).await;
    keep(
        server
            .get(&format!("/api/images?cursor={access}"), &access)
            .await,
    )
    .await;
    keep(server.get(&format!("/{access}"), &refresh).await).await;
    keep(
        server
            .upload(&access, "a.png", "image/png", png(1, 1, 100))
            .await,
    )
    .await;
    keep(
        server
            .upload(&access, "a.png", "image/png", b"no picture".to_vec())
            .await,
    )
    .await;
    let change = json!({"current_password": PASSWORD, "new_password": OTHER});
    let changed = server
        .request(Method::PUT, "/api/me/password")
        .bearer_auth(&access)
        .json(&change);
    keep(changed.send().await.expect("an answer")).await;
    keep(
        server
            .post(
                "/api/auth/refresh",
                json!({"refresh_token": format!("{refresh}x")}),
            )
            .await,
    )
    .await;
    let refreshed: serde_json::Value = server
        .post("/api/auth/refresh", json!({"refresh_token": refresh}))
        .await
        .json()
        .await
        .expect("JSON");
    keep(
        server
            .post(
                "/api/auth/password/forgot",
                json!({"email": "ann@example.com"}),
            )
            .await,
    )
    .await;
    let mail = server.mail("ann@example.com", |mail| mail.contains("#reset"));
    let link = mail
        .lines()
        .find_map(|line| line.split_once("token="))
        .expect("a link")
        .1
        .to_owned();
    keep(
        server
            .post(
                "/api/auth/password/reset",
                json!({"token": link, "new_password": "CANARY"}),
            )
            .await,
    )
    .await;
    keep(
        server
            .post(
                "/api/auth/password/reset",
                json!({"token": link, "new_password": OTHER}),
            )
            .await,
    )
    .await;
    let metrics = Client::new()
        .get(format!("{}/metrics", server.operators))
        .send()
        .await
        .expect("an answer");
    keep(metrics).await;
    for arguments in [
        &["keys", "rotate"][..],
        &["audit", "tail", "-n", "1000"],
        &["backup"],
        &["check", "--deploy"],
        &["explain"],
    ] {
        let output = server.command(arguments, &settings);
        answers += &String::from_utf8_lossy(&output.stdout);
        answers += &String::from_utf8_lossy(&output.stderr);
    }
    let output = server.command(
        &["check"],
        &[
            ("SECRET_KEY", "CANARY"),
            ("DATABASE_URL", "postgres://a:CANARY@db/x?CANARY=1"),
        ],
    );
    answers += &String::from_utf8_lossy(&output.stderr);

    let signature = |token: &str| token.rsplit('.').next().expect("a part").to_owned();
    let fresh_refresh = text(&refreshed, "refresh_token");
    for secret in [
        &secret,
        &pepper,
        "CANARY",
        &access,
        &signature(&access),
        &refresh,
        &fresh_refresh,
        &link,
    ] {
        assert!(
            !answers.contains(secret),
            "an answer or a command tells {secret}"
        );
        let files = holding(server.data.path(), secret, &["/outbox/"]);
        assert!(files.is_empty(), "{secret} is in {files:?}");
    }
    // It would be found: the link is in the mail, and an address in the database.
    assert!(!holding(server.data.path(), &link, &[]).is_empty());
    assert!(!holding(server.data.path(), "ann@example.com", &["/outbox/"]).is_empty());
    assert!(server.log().contains("DEBUG") && answers.contains("authn_login_success"));
}
