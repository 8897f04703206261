//! The published attacks on tokens, over HTTP.

use reqwest::{Method, StatusCode};
use tower_rampart::jwt::SigningKey;
use tower_rampart::jwt::testing::{Attacker, TestKeys};
use tower_rampart::secret::Secret;

use crate::server::{Server, text};

/// What the server of these tests signs with.
pub(crate) const SECRET: &str = "kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi";

/// Keys for forgeries against it.
pub(crate) fn keys() -> TestKeys {
    let key = SigningKey::derived(&Secret::new(SECRET.to_owned()), b"").expect("a secret");
    TestKeys::new(key)
        .with_issuer("http://localhost:8080")
        .with_audience("rampart-api")
}

#[tokio::test]
async fn every_published_attack_is_refused() {
    let server = Server::start_with(&[("SECRET_KEY", SECRET), ("LIMIT_API", "1000000/1s")]);
    let token = server.token("ada@example.org").await;
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
    let keys = keys();
    let mut forgery = None;
    for attack in Attacker::new(&keys) {
        let made = attack.request("/api/me", ());
        let mut request = server.request(Method::GET, &made.uri().to_string());
        for value in attack.authorization() {
            request = request.header("authorization", value);
        }
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        if let Err(survived) = attack.check(status, &headers) {
            panic!("{survived}");
        }
        assert_eq!(headers["cache-control"], "no-store", "{attack:?}");
        let mut problem: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!(problem["code"], attack.expected_code(), "{attack:?}");
        if attack.expected_code() == "token_invalid" {
            problem["request_id"] = "".into();
            let seen = (problem, headers["www-authenticate"].clone());
            assert_eq!(
                forgery.get_or_insert_with(|| seen.clone()),
                &seen,
                "{attack:?}"
            );
        }
    }
}

#[tokio::test]
async fn ten_thousand_mutations_leave_the_server_as_it_was() {
    let server = Server::start_with(&[("SECRET_KEY", SECRET), ("LIMIT_API", "1000000/1s")]);
    let token = server.token("ada@example.org").await;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let mut before = 0;
    for round in 0..10_000 {
        if round == 1_000 {
            before = server.resident_kib();
        }
        let mut bytes = token.clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = 0x21 + u8::try_from(random(94)).expect("below 94"),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"._-=Aa0"[random(7)]),
            }
        }
        let mutated = String::from_utf8(bytes).expect("ASCII");
        if mutated == token {
            continue;
        }
        let answer = server.get("/api/me", &mutated).await;
        let status = answer.status().as_u16();
        assert!(matches!(status, 400 | 401), "{status} for {mutated}");
        drop(answer.bytes().await);
    }
    let after = server.resident_kib();
    assert!(after < before + 5 * 1024, "{before} KiB became {after} KiB");
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
    assert_eq!(
        text(&server.login("ada@example.org").await, "token_type"),
        "Bearer"
    );
}

/// Writes a whole body before it reads anything, as simple clients do.
fn write_all_then_read(server: &Server, asked: &str, length: usize) -> String {
    use std::io::{Read as _, Write as _};
    let address = server.url.strip_prefix("http://").expect("a URL");
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    let head =
        format!("{asked}Host: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .expect("the head is taken");
    let chunk = vec![b'a'; 16 * 1024];
    for (number, rest) in (0..length).step_by(chunk.len()).enumerate() {
        let piece = &chunk[..chunk.len().min(length - rest)];
        stream.write_all(piece).expect("all of it is taken");
        // Time for an answer that comes too early, and for the end after it.
        if number == 4 {
            let patience = Some(std::time::Duration::from_millis(50));
            stream.set_read_timeout(patience).expect("a socket");
            let _ = stream.peek(&mut [0]);
            stream.set_read_timeout(None).expect("a socket");
        }
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[tokio::test]
async fn an_upload_without_a_good_token_gets_its_answer_whole() {
    let server = Server::start();
    for authorization in ["", "Authorization: Bearer no.good.token\r\n"] {
        let kind = "Content-Type: multipart/form-data; boundary=b\r\n";
        let asked = format!("POST /api/images HTTP/1.1\r\n{kind}{authorization}");
        for _ in 0..5 {
            let answer = write_all_then_read(&server, &asked, 4 << 20);
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        }
    }
}

#[tokio::test]
async fn json_that_is_too_large_gets_its_answer_whole() {
    let server = Server::start_with(&[("LIMIT_LOGIN_IP", "1000/1m")]);
    for (asked, status) in [
        ("POST /api/auth/login", 413),
        ("POST /api/auth/register", 413),
        ("PATCH /api/me", 401),
    ] {
        let asked = format!("{asked} HTTP/1.1\r\nContent-Type: application/json\r\n");
        for _ in 0..10 {
            let answer = write_all_then_read(&server, &asked, 2_000_000);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
        }
    }
}
