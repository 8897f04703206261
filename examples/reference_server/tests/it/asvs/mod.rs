//! Requirements of OWASP ASVS 5.0.0, one test each, over HTTP.
//!
//! A test is named after its requirement: `asvs_v5_3_4_1` is 3.4.1. The first line of its
//! comment says the level, what is required in short, and in brackets what satisfies
//! it; `asvs.md` beside this file is made of those lines. This maps the server to the
//! requirements; nobody has certified it. `.ci/asvs-mutations` takes each
//! protection away in turn, and expects the test to fail.

mod v10_keys;
mod v12_services;
mod v14_data;
mod v16_events;
mod v1_input;
mod v1_more;
mod v3_browser;
mod v4_http;
mod v5_files;
mod v6_passwords;
mod v7_sessions;
mod v8_access;
mod v9_tokens;

use std::path::Path;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::server::Server;

/// A server behind TLS, as browsers see it, that limits nobody.
fn behind_tls() -> Server {
    Server::start_with(&[
        ("RAMPART_PUBLIC_URL", "https://api.example.com"),
        ("CORS_ORIGINS", "https://app.example.com"),
        ("LIMIT_API", "100000/1m"),
        ("LIMIT_LOGIN_IP", "100000/1m"),
        ("LIMIT_LOGIN_ACCOUNT", "100000/1m"),
    ])
}

async fn send(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = headers
        .iter()
        .fold(server.request(method, path), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.send().await.expect("an answer")
}

/// One answer of each kind: found, without content, refused in many ways, preflight.
async fn every_kind_of_answer(server: &Server) -> Vec<(u16, Response)> {
    let origin = ("origin", "https://app.example.com");
    let preflight = [origin, ("access-control-request-method", "GET")];
    let token = server.token("kinds@example.com").await;
    let bearer = format!("Bearer {token}");
    let long = "x".repeat(100_000);
    let body = json!({"email": "kinds@example.com", "password": long});
    let mut answers = vec![
        (200, send(server, Method::GET, "/", &[]).await),
        (200, send(server, Method::GET, "/healthz", &[]).await),
        (
            200,
            send(
                server,
                Method::GET,
                "/api/me",
                &[("authorization", &bearer)],
            )
            .await,
        ),
        (
            204,
            send(server, Method::OPTIONS, "/api/me", &preflight).await,
        ),
        (401, send(server, Method::GET, "/api/me", &[]).await),
        (
            401,
            send(
                server,
                Method::GET,
                "/api/me",
                &[("authorization", "Bearer x")],
            )
            .await,
        ),
        (
            403,
            send(
                server,
                Method::POST,
                "/api/auth/logout",
                &[("origin", "https://evil.example")],
            )
            .await,
        ),
        (404, send(server, Method::GET, "/nothing", &[]).await),
        (405, send(server, Method::DELETE, "/healthz", &[]).await),
        (413, server.post("/api/auth/login", body).await),
        (
            422,
            server.post("/api/auth/login", json!({"email": 1})).await,
        ),
    ];
    let ended = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&token);
    answers.push((204, ended.send().await.expect("an answer")));
    for (status, answer) in &answers {
        assert_eq!(answer.status().as_u16(), *status, "{}", answer.url());
    }
    answers
}

/// Checks a header of every kind of answer.
async fn every_answer_has(server: &Server, name: &str, holds: impl Fn(&str) -> bool) {
    for (status, answer) in every_kind_of_answer(server).await {
        let value = answer
            .headers()
            .get(name)
            .map(|value| value.to_str().expect("ASCII"));
        assert!(
            value.is_some_and(&holds),
            "{status} {}: {value:?}",
            answer.url()
        );
    }
}

/// Changes a password to `marmalade on a bicycle`.
async fn change_password(server: &Server, token: &str, current: &str) -> Response {
    let body = json!({"current_password": current, "new_password": "marmalade on a bicycle"});
    let request = server.request(Method::PUT, "/api/me/password");
    let request = request.bearer_auth(token).json(&body);
    request.send().await.expect("an answer")
}

async fn json_of(answer: Response) -> Value {
    answer.json().await.expect("JSON")
}

/// The lines of the tests, as a table.
fn table() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/asvs");
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut said = "";
        for line in text
            .lines()
            .filter(|_| path.extension().is_some_and(|kind| kind == "rs"))
        {
            if let Some(rest) = line.strip_prefix("/// L") {
                said = rest;
            }
            let Some(name) = line.strip_prefix("async fn asvs_v5_") else {
                continue;
            };
            let id = name.trim_end_matches("() {").replace('_', ".");
            let (level, rest) = said.split_once(": ").expect("a level and a text");
            let (what, by) = rest.rsplit_once(" (").expect("what satisfies it");
            let by = by.trim_end_matches(['.', ')']);
            let place: Vec<u32> = id
                .split('.')
                .map(|part| part.parse().expect("a number"))
                .collect();
            let file = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let test = name.trim_end_matches("() {");
            rows.push((
                place,
                format!("| {id} | {level} | {what} | {by} | `{file}`: `asvs_v5_{test}` |"),
            ));
            said = "";
        }
    }
    rows.sort();
    let count = |level: &str| {
        rows.iter()
            .filter(|(_, row)| row.split('|').nth(2) == Some(level))
            .count()
    };
    let head = format!(
        "# Requirements of OWASP ASVS 5.0.0 that tests check\n\n\
         Made by the test `the_table_says_what_the_tests_do`. This maps the reference server to the requirements;\n\
         nobody has certified it.\n\
         Level 1: {}, level 2: {}, level 3: {}.\n\n\
         | requirement | level | in short | satisfied by | test |\n| --- | --- | --- | --- | --- |\n",
        count(" 1 "),
        count(" 2 "),
        count(" 3 ")
    );
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    head + &rows.join("\n") + "\n"
}

/// `RAMPART_TEST_WRITE=1` writes it anew.
#[test]
fn the_table_says_what_the_tests_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/asvs/asvs.md");
    let table = table();
    if std::env::var_os("RAMPART_TEST_WRITE").is_some() {
        std::fs::write(&path, &table).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == table,
        "asvs.md is old; run this test with RAMPART_TEST_WRITE=1"
    );
}
