//! Encoding, sanitization and validation.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::json;

use super::{behind_tls, json_of, send};
use crate::server::{PASSWORD, refused};

/// L1: what a client writes comes back as data in its context (`rejection`, handlers).
#[tokio::test]
async fn asvs_v5_1_2_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for hostile in [
        "\r\nX-Injected: 1",
        "\"><script>alert(1)</script>",
        "\u{202e}gnp.exe",
        "{\"a\":\"b",
    ] {
        let body = json!({"display_name": hostile});
        let request = server.request(Method::PATCH, "/api/me").bearer_auth(&token);
        let answer = request.json(&body).send().await.expect("an answer");
        assert!(!answer.headers().contains_key("x-injected"), "{hostile:?}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let kind = answer.headers()["content-type"]
            .to_str()
            .expect("ASCII")
            .to_owned();
        assert!(kind.contains("json"), "{kind}");
        // It can be read, whatever was said.
        json_of(answer).await;
    }
    let path = "/api/%0d%0aX-Injected:1/%3Cscript%3E";
    let answer = send(&server, Method::GET, path, &[]).await;
    assert!(!answer.headers().contains_key("x-injected"));
    let text = answer.text().await.expect("text");
    assert!(!text.contains("<script>"), "{text}");
}

/// L1: queries have parameters; no input is part of one (`sqlx`, with bound values).
#[tokio::test]
async fn asvs_v5_1_2_4() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for hostile in [
        "' OR '1'='1",
        "'; DROP TABLE users; --",
        "\" OR 1=1 --",
        "%' OR '%'='",
        "\\' OR 1=1 --",
    ] {
        let body = json!({"email": format!("ann@example.com{hostile}"), "password": PASSWORD});
        let answer = server.post("/api/auth/login", body).await;
        assert!(
            [401, 422].contains(&answer.status().as_u16()),
            "{hostile}: {}",
            answer.status()
        );
        for path in ["/api/images?cursor=", "/api/images/", "/api/auth/sessions/"] {
            let path = format!("{path}{}", hostile.replace(' ', "%20").replace('%', "%25"));
            let method = if path.contains("sessions") {
                Method::DELETE
            } else {
                Method::GET
            };
            let request = server.request(method, &path).bearer_auth(&token);
            let status = request.send().await.expect("an answer").status().as_u16();
            assert!([400, 404].contains(&status), "{path}: {status}");
        }
    }
    assert_eq!(
        server.get("/api/me", &token).await.status(),
        200,
        "the table is still there"
    );
}

/// L2: a length that does not fit into a number is refused, and nothing overflows (`hyper`, `upload`).
#[tokio::test]
async fn asvs_v5_1_4_2() {
    let server = behind_tls();
    for length in [
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "99999999999999999999999",
    ] {
        let mut stream =
            TcpStream::connect(server.url.trim_start_matches("http://")).expect("a connection");
        let head = format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).expect("an answer");
        let line = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(
            ["400", "413", "431"]
                .iter()
                .any(|status| line[9..].starts_with(status)),
            "{length}: {line}"
        );
    }
    assert_eq!(
        send(&server, Method::GET, "/healthz", &[]).await.status(),
        200
    );
}

/// L2: what is deserialized has the members that are known, and a bounded depth (`serde`, `deny_unknown_fields`).
#[tokio::test]
async fn asvs_v5_1_5_2() {
    let server = behind_tls();
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "role": "admin"});
    refused(
        server.post("/api/auth/register", body).await,
        422,
        "invalid_members",
    )
    .await;
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    let request = server
        .request(Method::POST, "/api/auth/register")
        .header("content-type", "application/json");
    let answer = request.body(deep).send().await.expect("an answer");
    assert!(
        [400, 422].contains(&answer.status().as_u16()),
        "{}",
        answer.status()
    );
}

/// L1: input is validated by what is expected (handlers, `upload`).
#[tokio::test]
async fn asvs_v5_2_2_1() {
    let server = behind_tls();
    for (body, code) in [
        (
            json!({"email": "no address", "password": PASSWORD}),
            "invalid_email",
        ),
        (json!({"email": "ann@example.com"}), "invalid_members"),
        (
            json!({"email": ["ann@example.com"], "password": PASSWORD}),
            "invalid_members",
        ),
        (
            json!({"email": "ann@example.com", "password": "short"}),
            "password_rejected",
        ),
    ] {
        refused(server.post("/api/auth/register", body).await, 422, code).await;
    }
}

/// L1: validation is enforced by the server, whatever a page checks (handlers).
#[tokio::test]
async fn asvs_v5_2_2_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let request = server.request(Method::PATCH, "/api/me").bearer_auth(&token);
    let long = json!({"display_name": "x".repeat(5_000)});
    let answer = request.json(&long).send().await.expect("an answer");
    assert_eq!(answer.status(), 422);
}

/// L1: steps come in their order (one-time tokens).
#[tokio::test]
async fn asvs_v5_2_3_1() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let body = json!({"token": "0".repeat(43), "new_password": "marmalade on a bicycle"});
    refused(
        server.post("/api/auth/password/reset", body).await,
        400,
        "token_used_or_expired",
    )
    .await;
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        200,
        "nothing changed"
    );
}

/// L2: what is costly is limited, for one caller and not for others (`rate_limit`).
#[tokio::test]
async fn asvs_v5_2_4_1() {
    let server = crate::server::Server::start_with(&[
        ("LIMIT_LOGIN_IP", "3/15m"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let attempt = async |address: &str| {
        let request = server
            .request(Method::POST, "/api/auth/login")
            .header("x-forwarded-for", address);
        request.json(&body).send().await.expect("an answer")
    };
    for _ in 0..3 {
        assert_eq!(attempt("203.0.113.7").await.status(), 401);
    }
    let limited = attempt("203.0.113.7").await;
    assert!(limited.headers().contains_key("retry-after"));
    refused(limited, 429, "rate_limited").await;
    assert_eq!(attempt("203.0.113.8").await.status(), 401);
}
