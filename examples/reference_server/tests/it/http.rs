//! What HTTP asks of a server beside its interface.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, refused, text, within};

async fn json_of(response: reqwest::Response) -> Value {
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn what_was_created_is_where_the_answer_says() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let picture = png(8, 8, 200);
    let created = server.upload(&token, "a.png", "image/png", picture).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = created.headers()["location"].to_str().expect("ASCII");
    let location = location.to_owned();
    let image = json_of(created).await;
    assert_eq!(location, format!("/api/images/{}", text(&image, "id")));
    assert_eq!(json_of(server.get(&location, &token).await).await, image);
}

#[tokio::test]
async fn an_incident_is_where_the_answer_says() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    let opened = server
        .request(Method::POST, "/api/admin/incidents")
        .bearer_auth(&admin)
        .json(&json!({"title": "A laptop was lost"}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(opened.status(), StatusCode::CREATED);
    let location = opened.headers()["location"].to_str().expect("ASCII");
    let location = location.to_owned();
    let id = text(&json_of(opened).await, "id");
    assert_eq!(location, format!("/api/admin/incidents/{id}"));
    let found = json_of(server.get(&location, &admin).await).await;
    assert_eq!(found["id"], id, "{found}");
}

#[tokio::test]
async fn part_of_a_picture_is_no_picture() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let put = |range: Option<&str>| {
        let request = server
            .request(Method::PUT, "/api/me/avatar")
            .bearer_auth(&token)
            .header("content-type", "image/png");
        let request = range.into_iter().fold(request, |request, range| {
            request.header("content-range", range)
        });
        request.body(png(8, 8, 200)).send()
    };
    let partly = put(Some("bytes 0-199/400")).await.expect("an answer");
    refused(partly, 400, "content_range").await;
    assert_eq!(put(None).await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_in_another_coding_is_not_read_as_json() {
    let server = Server::start();
    let send = |coding: &str| {
        let account = json!({"email": "ann@example.com", "password": "violet kettle parade"});
        server
            .request(Method::POST, "/api/auth/register")
            .header("content-encoding", coding)
            .json(&account)
            .send()
    };
    for coding in ["gzip", "identity, gzip", "br"] {
        let answer = send(coding).await.expect("an answer");
        assert_eq!(answer.headers()["accept-encoding"], "identity", "{coding}");
        refused(answer, 415, "unsupported_media_type").await;
    }
    let plain = send("identity").await.expect("an answer");
    assert_eq!(plain.status(), StatusCode::ACCEPTED);
    // Where a body may be left out, too.
    let refresh = server
        .request(Method::POST, "/api/auth/refresh")
        .header("content-encoding", "gzip")
        .json(&json!({"refresh_token": "x"}));
    let answer = refresh.send().await.expect("an answer");
    refused(answer, 415, "unsupported_media_type").await;
}

#[tokio::test]
async fn another_method_is_refused_before_its_body_is_judged() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    for (method, path, allowed) in [
        (
            Method::PATCH,
            "/api/images",
            ["GET", "HEAD", "POST"].as_slice(),
        ),
        (Method::PUT, "/api/images", &["GET", "HEAD", "POST"]),
        (Method::POST, "/api/me/avatar", &["PUT"]),
        (Method::DELETE, "/api/me/avatar", &["PUT"]),
    ] {
        let request = server.request(method.clone(), path).bearer_auth(&token);
        let answer = request.json(&json!({})).send().await.expect("an answer");
        let allow = answer.headers().get("allow").expect("what is allowed");
        let mut allow: Vec<_> = allow.to_str().expect("ASCII").split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow, allowed, "{method} {path}");
        refused(answer, 405, "method_not_allowed").await;
    }
}

#[tokio::test]
async fn what_one_account_is_refused_fills_no_audit_log() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    for _ in 0..25 {
        assert_eq!(server.get("/api/admin/users", &token).await.status(), 403);
    }
    let other = server.token("bob@example.com").await;
    assert_eq!(server.get("/api/admin/users", &other).await.status(), 403);
    let admin = server.admin(&[]).await;
    let rows = server
        .get("/api/admin/audit?event=authz_fail", &admin)
        .await;
    let rows = json_of(rows).await;
    let rows = rows["items"].as_array().expect("rows");
    assert_eq!(rows.len(), 10 + 1, "{rows:?}");
}

#[tokio::test]
async fn whoever_signs_out_with_what_is_no_token_any_more_is_told_so() {
    let server = Server::start_with(&[("ACCESS_TTL", "1s")]);
    server.register("ann@example.com").await;
    let session = server.login("ann@example.com").await;
    let token = text(&session, "access_token");
    within(10, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    let leave = |token: &str, body: Value| {
        let request = server.request(Method::POST, "/api/auth/logout");
        request.bearer_auth(token).json(&body).send()
    };
    let everywhere = json!({"all": true});
    let expired = leave(&token, everywhere.clone()).await.expect("an answer");
    refused(expired, 401, "token_expired").await;
    let junk = leave("a.b.c", everywhere).await.expect("an answer");
    refused(junk, 401, "token_invalid").await;
    // What can be ended is, and twice is as good as once.
    let refresh = json!({"refresh_token": session["refresh_token"]});
    for _ in 0..2 {
        let answer = leave(&token, refresh.clone()).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    let request = server.request(Method::POST, "/api/auth/refresh");
    let answer = request.json(&refresh).send().await.expect("an answer");
    refused(answer, 401, "session_revoked").await;
}

#[tokio::test]
async fn preconditions_are_kept() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let picture = png(8, 8, 200);
    let image = json_of(server.upload(&token, "a.png", "image/png", picture).await).await;
    let (url, record) = (text(&image, "url"), text(&image, "id"));
    let ask = |method: Method, path: &str, name: &str, value: &str| {
        let request = server.request(method, path).bearer_auth(&token);
        request.header(name, value).send()
    };
    let tag = format!("\"{}\"", text(&image, "sha256"));
    for (value, status) in [
        ("*", 200),
        (tag.as_str(), 200),
        (&format!("\"x\", {tag}"), 200),
        ("\"x\"", 412),
        // Compared strongly (RFC 9110 section 13.1.1).
        (&format!("W/{tag}"), 412),
    ] {
        let answer = ask(Method::GET, &url, "if-match", value).await;
        assert_eq!(answer.expect("an answer").status(), status, "{value}");
    }
    let known = ask(Method::HEAD, &url, "if-none-match", &tag).await;
    let known = known.expect("an answer");
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(known.headers().get("content-length"), None);
    let path = format!("/api/images/{record}");
    let answer = ask(Method::DELETE, &path, "if-match", "\"x\"").await;
    refused(answer.expect("an answer"), 412, "precondition_failed").await;
    let answer = ask(Method::DELETE, &path, "if-match", "*").await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn members_have_names_and_texts_are_texts() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let send = |body: &[u8]| {
        let request = server.request(Method::POST, "/api/auth/login");
        let request = request.header("content-type", "application/json");
        request.body(body.to_vec()).send()
    };
    let list = format!(r#" ["ann@example.com", "{PASSWORD}", "body"]"#);
    let answer = send(list.as_bytes()).await.expect("an answer");
    refused(answer, 422, "invalid_members").await;
    let broken = b"{\"email\": \"ann@example.com\", \"password\": \"\xff\"}";
    let answer = send(broken).await.expect("an answer");
    refused(answer, 400, "invalid_json").await;
}

#[tokio::test]
async fn an_address_that_no_mail_reaches_is_none() {
    let server = Server::start();
    let long = format!("{}@example.com", "a".repeat(65));
    for (email, status) in [
        ("<s>@e.com", 422),
        (".a@example.com", 422),
        ("a..b@example.com", 422),
        ("a@-x.com", 422),
        ("a@example.com.", 422),
        ("a@[127.0.0.1]", 422),
        ("\"a b\"@example.com", 422),
        (&long, 422),
        (&long[1..], 202),
        ("o'neil+tag@sub.example.com", 202),
        ("zoë@example.com", 202),
        ("ann@localhost", 202),
    ] {
        let account = json!({"email": email, "password": "violet kettle parade"});
        let request = server.request(Method::POST, "/api/auth/register");
        let answer = request.json(&account).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{email}");
    }
}
