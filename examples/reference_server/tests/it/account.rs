//! From registration to a sign-out that lasts.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, refused, text};

#[tokio::test]
async fn the_whole_way_from_register_to_a_refused_token() {
    let server = Server::start();
    server.register("Ann@Example.com").await;
    let session = server.login("ann@example.com").await;
    assert_eq!(
        (&session["token_type"], &session["expires_in"]),
        (&"Bearer".into(), &600.into())
    );
    assert_eq!(session["user"]["email"], "ann@example.com");
    let token = text(&session, "access_token");

    let me: Value = server
        .get("/api/me", &token)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(
        (&me["email"], &me["role"]),
        (&"ann@example.com".into(), &"user".into())
    );

    let picture = png(64, 48, 3_000);
    let created = server
        .upload(&token, "a.png", "image/png", picture.clone())
        .await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let image: Value = created.json().await.expect("JSON");
    assert_eq!(
        (&image["media_type"], &image["width"], &image["height"]),
        (&"image/png".into(), &64.into(), &48.into())
    );
    assert_eq!(image["bytes"], picture.len());

    let list: Value = server
        .get("/api/images", &token)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(
        (list["items"][0]["id"].clone(), list["next_cursor"].clone()),
        (image["id"].clone(), Value::Null)
    );
    let content = server.get(&text(&image, "url"), &token).await;
    assert_eq!(content.headers()["content-type"], "image/png");
    assert_eq!(content.bytes().await.expect("bytes"), picture);

    let refresh = json!({"refresh_token": text(&session, "refresh_token")});
    let renewed = server.post("/api/auth/refresh", refresh.clone()).await;
    assert_eq!(renewed.status(), StatusCode::OK);
    let renewed: Value = renewed.json().await.expect("JSON");
    let token = text(&renewed, "access_token");
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);

    let logout = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(logout.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        logout.headers()["clear-site-data"],
        "\"cache\", \"storage\""
    );
    let cleared: Vec<_> = logout.headers().get_all("set-cookie").iter().collect();
    let gone = |name| format!("{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(cleared, [&gone("__Host-access"), &gone("__Host-refresh")]);
    refused(server.get("/api/me", &token).await, 401, "session_revoked").await;
    let again = server
        .post(
            "/api/auth/refresh",
            json!({"refresh_token": text(&renewed, "refresh_token")}),
        )
        .await;
    refused(again, 401, "session_revoked").await;
    assert_eq!(
        server.post("/api/auth/logout", json!({})).await.status(),
        StatusCode::NO_CONTENT,
        "as often as one likes"
    );
}

#[tokio::test]
async fn a_known_address_is_answered_like_a_new_one() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let body = json!({"email": "ann@example.com", "password": "another long password"});
    let again = server.post("/api/auth/register", body).await;
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    assert_eq!(
        again.text().await.expect("text"),
        r#"{"status":"accepted"}"#
    );
    // The first password still holds.
    server.login("ann@example.com").await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let (other, current) = (
        server.login("ann@example.com").await,
        server.login("ann@example.com").await,
    );
    let (other, current) = (text(&other, "access_token"), text(&current, "access_token"));
    let change = |old: &str, new: &str| {
        let body = json!({"current_password": old, "new_password": new});
        server
            .request(Method::PUT, "/api/me/password")
            .bearer_auth(&current)
            .json(&body)
            .send()
    };
    refused(
        change("wrong", "amber kettle parade")
            .await
            .expect("an answer"),
        403,
        "invalid_credentials",
    )
    .await;
    refused(
        change(PASSWORD, "short").await.expect("an answer"),
        422,
        "password_rejected",
    )
    .await;
    assert_eq!(
        change(PASSWORD, "amber kettle parade")
            .await
            .expect("an answer")
            .status(),
        StatusCode::NO_CONTENT
    );
    refused(server.get("/api/me", &other).await, 401, "session_revoked").await;
    assert_eq!(
        server.get("/api/me", &current).await.status(),
        StatusCode::OK
    );
    let old = json!({"email": "ann@example.com", "password": PASSWORD});
    refused(
        server.post("/api/auth/login", old).await,
        401,
        "invalid_credentials",
    )
    .await;
}

#[tokio::test]
async fn an_account_can_be_named_and_removed() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let body = json!({"display_name": " Ann "});
    let named = server
        .request(Method::PATCH, "/api/me")
        .bearer_auth(&token)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let named: Value = named.json().await.expect("JSON");
    assert_eq!(named["display_name"], "Ann");
    server
        .upload(&token, "a.png", "image/png", png(8, 8, 0))
        .await;

    let reauth = server
        .request(Method::POST, "/api/auth/reauth")
        .bearer_auth(&token);
    let fresh = reauth
        .json(&json!({"password": PASSWORD}))
        .send()
        .await
        .expect("an answer");
    let fresh = text(&fresh.json().await.expect("JSON"), "access_token");
    let removed = server
        .request(Method::DELETE, "/api/me")
        .bearer_auth(&fresh)
        .send()
        .await
        .expect("an answer");
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    refused(server.get("/api/me", &fresh).await, 401, "session_revoked").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    refused(
        server.post("/api/auth/login", body).await,
        401,
        "invalid_credentials",
    )
    .await;
    let left = walk(&server.data.path().join("objects"));
    assert_eq!(left, 0, "no picture is left behind");
}

fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn a_restart_signs_nobody_out_and_revives_nobody() {
    let mut server = Server::start();
    server.register("ann@example.com").await;
    let (kept, ended) = (
        server.login("ann@example.com").await,
        server.login("ann@example.com").await,
    );
    let (kept, ended) = (text(&kept, "access_token"), text(&ended, "access_token"));
    let logout = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&ended)
        .send()
        .await
        .expect("an answer");
    assert_eq!(logout.status(), StatusCode::NO_CONTENT);
    server.restart();
    assert_eq!(server.get("/api/me", &kept).await.status(), StatusCode::OK);
    refused(server.get("/api/me", &ended).await, 401, "session_revoked").await;
}

#[tokio::test]
async fn of_two_changes_of_a_password_at_once_one_wins() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let change = |new: &str| {
        let body = json!({"current_password": PASSWORD, "new_password": new});
        server
            .request(Method::PUT, "/api/me/password")
            .bearer_auth(&token)
            .json(&body)
            .send()
    };
    let (first, second) =
        tokio::join!(change("amber kettle parade"), change("ochre kettle parade"));
    let mut statuses = [first, second].map(|answer| answer.expect("an answer").status().as_u16());
    statuses.sort_unstable();
    assert!(matches!(statuses, [204, 403 | 409]), "{statuses:?}");
}
