//! API and web service.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{behind_tls, every_kind_of_answer, send};
use crate::server::{PASSWORD, Server};

/// L1: every body has its type, and text its character set (handlers, `rejection`).
#[tokio::test]
async fn asvs_v5_4_1_1() {
    for (status, answer) in every_kind_of_answer(&behind_tls()).await {
        let kind = answer
            .headers()
            .get("content-type")
            .map(|kind| kind.to_str().expect("ASCII").to_owned());
        let url = answer.url().clone();
        let body = answer.bytes().await.expect("a body");
        if body.is_empty() {
            continue;
        }
        let kind = kind.unwrap_or_else(|| panic!("{status} {url} has no type"));
        assert!(
            !kind.starts_with("text/") || kind.contains("charset=utf-8"),
            "{url}: {kind}"
        );
    }
}

/// L2: headers of proxies count from proxies only (`ClientAddrResolver`).
#[tokio::test]
async fn asvs_v5_4_1_3() {
    let server = Server::start_with(&[("LIMIT_LOGIN_IP", "3/15m")]);
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let mut last = 0;
    for number in 0..4 {
        let address = format!("203.0.113.{number}");
        let request = server
            .request(Method::POST, "/api/auth/login")
            .header("x-forwarded-for", &address);
        let request = request
            .header("x-real-ip", &address)
            .header("forwarded", format!("for={address}"));
        let request = request.header("x-user-id", "admin");
        last = request
            .json(&body)
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16();
    }
    assert_eq!(last, 429, "one peer is one client");
}

/// L3: methods that nothing needs are refused (the routes).
#[tokio::test]
async fn asvs_v5_4_1_4() {
    let server = behind_tls();
    for method in ["TRACE", "PROPFIND", "PURGE", "PATCH"] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = send(&server, method.clone(), "/healthz", &[]).await;
        assert_eq!(answer.status(), 405, "{method}");
    }
}

/// L2: where a message ends is not for two to read (`hyper`).
#[tokio::test]
async fn asvs_v5_4_2_1() {
    let server = behind_tls();
    let address = server.url.trim_start_matches("http://").to_owned();
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\n folded\r\n\r\nhello",
        "Content-Length : 5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
    ] {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a socket");
        let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let request =
            format!("POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\n{framing}{smuggled}");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{framing:?}: {text}");
        assert!(text.starts_with("HTTP/1.1 400"), "{framing:?}: {text}");
    }
}
