//! What attackers send, and the answer.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, refused, text};

#[tokio::test]
async fn a_forged_token_is_refused_with_one_answer() {
    let server = Server::start();
    let good = server.token("ann@example.com").await;
    let (input, _) = good.rsplit_once('.').expect("a compact token");
    let (_, payload) = input.split_once('.').expect("a compact token");
    let mut answers = Vec::new();
    for forged in [
        format!("{input}."),
        format!("{input}.AAAA"),
        // {"alg":"none","typ":"at+jwt"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}."),
        "a.b.c".to_owned(),
        "x".repeat(5_000),
    ] {
        let answer = server.get("/api/me", &forged).await;
        let challenge = answer.headers()["www-authenticate"]
            .to_str()
            .expect("ASCII")
            .to_owned();
        assert!(
            challenge.starts_with("Bearer realm=\"api\", error=\"invalid_token\""),
            "{challenge}"
        );
        let mut problem = refused(answer, 401, "token_invalid").await;
        problem["request_id"] = Value::Null;
        answers.push(problem);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    refused(
        server
            .request(Method::GET, "/api/me")
            .send()
            .await
            .expect("an answer"),
        401,
        "token_missing",
    )
    .await;
}

#[tokio::test]
async fn a_foreign_page_can_neither_read_nor_act() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let session = server.login("ann@example.com").await;
    let cookie = format!("__Host-refresh={}", text(&session, "refresh_token"));
    let refresh = |origin: &'static str, site: &'static str| {
        let request = server
            .request(Method::POST, "/api/auth/refresh")
            .header("cookie", &cookie);
        request
            .header("origin", origin)
            .header("sec-fetch-site", site)
            .send()
    };
    for (origin, site) in [
        ("https://evil.example", "cross-site"),
        ("http://localhost:9999", "same-site"),
        ("null", "cross-site"),
    ] {
        let answer = refresh(origin, site).await.expect("an answer");
        let headers = answer.headers();
        assert!(
            !headers.contains_key("set-cookie")
                && !headers.contains_key("access-control-allow-origin")
        );
        refused(answer, 403, "cross_site_request").await;
    }
    // The token was not rotated: an allowed page still uses it.
    let allowed = refresh("http://localhost:5173", "same-site")
        .await
        .expect("an answer");
    assert_eq!(allowed.status(), StatusCode::OK);
    assert_eq!(
        allowed.headers()["access-control-allow-origin"],
        "http://localhost:5173"
    );
    assert_eq!(
        allowed.headers()["access-control-allow-credentials"],
        "true"
    );
}

#[tokio::test]
async fn every_refusal_can_be_read_by_an_allowed_page() {
    let server = Server::start();
    let page = |method: Method, path: &str| {
        server
            .request(method, path)
            .header("origin", "http://localhost:3000")
    };
    for (request, status) in [
        (page(Method::GET, "/api/me"), 401),
        (page(Method::GET, "/nowhere"), 404),
        (page(Method::PUT, "/api/auth/login"), 405),
        (page(Method::POST, "/api/auth/login"), 415),
        (
            page(Method::POST, "/api/auth/login").json(&json!({"email": "a"})),
            422,
        ),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(
            answer.headers()["access-control-allow-origin"],
            "http://localhost:3000"
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let preflight =
        page(Method::OPTIONS, "/api/me").header("access-control-request-method", "PATCH");
    assert_eq!(
        preflight.send().await.expect("an answer").status(),
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_flood_of_sign_ins_is_stopped_alike_for_known_and_unknown() {
    let server = Server::start_with(&[
        ("LIMIT_LOGIN_ACCOUNT", "5/15m"),
        ("LIMIT_LOGIN_IP", "60/15m"),
    ]);
    server.register("ann@example.com").await;
    let mut answers = Vec::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let attempt = || {
            server.post(
                "/api/auth/login",
                json!({"email": email, "password": "not the password"}),
            )
        };
        for _ in 0..5 {
            refused(attempt().await, 401, "invalid_credentials").await;
        }
        let limited = attempt().await;
        let wait: u64 = limited.headers()["retry-after"]
            .to_str()
            .expect("ASCII")
            .parse()
            .expect("seconds");
        assert!((1..=180).contains(&wait), "{wait}");
        let mut problem = refused(limited, 429, "rate_limited").await;
        problem["request_id"] = Value::Null;
        answers.push(problem);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(
        answers[0]["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    // The right password is no way around the limit either.
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    refused(
        server.post("/api/auth/login", body).await,
        429,
        "rate_limited",
    )
    .await;
}

#[tokio::test]
async fn many_attempts_at_once_do_not_slip_through() {
    let server = Server::start_with(&[
        ("LIMIT_LOGIN_ACCOUNT", "5/15m"),
        ("LIMIT_LOGIN_IP", "1000/15m"),
    ]);
    let attempts = (0..40).map(|_| {
        server.post(
            "/api/auth/login",
            json!({"email": "ann@example.com", "password": "wrong"}),
        )
    });
    let statuses: Vec<_> = futures_util::future::join_all(attempts)
        .await
        .iter()
        .map(|answer| answer.status().as_u16())
        .collect();
    let judged = statuses.iter().filter(|status| **status != 429).count();
    assert_eq!(judged, 5, "{statuses:?}");
}

#[tokio::test]
async fn addresses_that_a_client_makes_up_do_not_help() {
    let server = Server::start_with(&[("LIMIT_LOGIN_IP", "3/15m")]);
    let mut statuses = Vec::new();
    for index in 0..5 {
        let request = server
            .request(Method::POST, "/api/auth/login")
            .header("x-forwarded-for", format!("203.0.113.{index}"));
        let body = json!({"email": format!("user{index}@example.com"), "password": "wrong"});
        statuses.push(
            request
                .json(&body)
                .send()
                .await
                .expect("an answer")
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
}

#[tokio::test]
async fn a_password_is_compared_to_its_last_byte() {
    let server = Server::start();
    // 73 bytes; bcrypt itself would read 72.
    let long = |last: char| {
        format!(
            "{}{last}",
            "violet kettle parade "
                .repeat(4)
                .chars()
                .take(72)
                .collect::<String>()
        )
    };
    let body = json!({"email": "ann@example.com", "password": long('a')});
    assert_eq!(
        server
            .post("/api/auth/register", body.clone())
            .await
            .status(),
        StatusCode::ACCEPTED
    );
    let wrong = json!({"email": "ann@example.com", "password": long('b')});
    refused(
        server.post("/api/auth/login", wrong).await,
        401,
        "invalid_credentials",
    )
    .await;
    assert_eq!(
        server.post("/api/auth/login", body).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason() {
    let server = Server::start();
    for (body, status, code) in [
        ("{", 400, "invalid_json"),
        ("[]", 422, "invalid_members"),
        (
            r#"{"email": "ann@example.com", "password": "violet kettle parade", "role": "admin"}"#,
            422,
            "invalid_members",
        ),
        (
            r#"{"email": "ann", "password": "violet kettle parade"}"#,
            422,
            "invalid_email",
        ),
    ] {
        let request = server
            .request(Method::POST, "/api/auth/register")
            .header("content-type", "application/json");
        refused(
            request.body(body).send().await.expect("an answer"),
            status,
            code,
        )
        .await;
    }
    let request = server
        .request(Method::POST, "/api/auth/login")
        .header("content-type", "application/json");
    let huge = format!(r#"{{"email": "{}", "password": "x"}}"#, "a".repeat(100_000));
    refused(
        request.body(huge).send().await.expect("an answer"),
        413,
        "body_too_large",
    )
    .await;
}

#[tokio::test]
async fn files_that_are_not_what_they_claim_are_refused() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let html = b"<!doctype html><script>alert(1)</script>".to_vec();
    for (name, media_type, bytes, status, code) in [
        (
            "page.png",
            "image/png",
            html.clone(),
            415,
            "media_type_mismatch",
        ),
        ("page.html", "text/html", html, 415, "media_type_mismatch"),
        (
            "a.jpg",
            "image/png",
            png(8, 8, 0),
            415,
            "media_type_mismatch",
        ),
        (
            "a.php.png",
            "image/png",
            png(8, 8, 0),
            422,
            "invalid_filename",
        ),
        (
            "a.png",
            "image/png",
            png(8, 8, 0)[..20].to_vec(),
            415,
            "media_type_mismatch",
        ),
        (
            "a.png",
            "image/png",
            png(8, 8, 6 * 1024 * 1024),
            413,
            "body_too_large",
        ),
        (
            "a.png",
            "image/png",
            png(8, 8, 5 * 1024 * 1024 + 1),
            413,
            "part_too_large",
        ),
    ] {
        refused(
            server.upload(&token, name, media_type, bytes).await,
            status,
            code,
        )
        .await;
    }
    let exact = png(8, 8, 5 * 1024 * 1024);
    assert_eq!(exact.len(), 5 * 1024 * 1024);
    assert_eq!(
        server
            .upload(&token, "a.png", "image/png", exact)
            .await
            .status(),
        StatusCode::CREATED
    );
    // Claims to be larger than any picture that is served here.
    let mut bomb = png(8, 8, 0);
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    refused(
        server.upload(&token, "a.png", "image/png", bomb).await,
        422,
        "too_many_pixels",
    )
    .await;

    let list: Value = server
        .get("/api/images", &token)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(
        list["items"].as_array().map(Vec::len),
        Some(1),
        "nothing of a refused upload is kept"
    );
    let anonymous = server
        .upload("a.b.c", "a.png", "image/png", png(8, 8, 0))
        .await;
    refused(anonymous, 401, "token_invalid").await;
}
