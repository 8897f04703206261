//! Heads of requests that are refused wherever they lead.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::server::{Server, refused, text};

/// Sends a head as it stands, and reads to the end.
fn ask(server: &Server, head: &str) -> String {
    let address = server.url.strip_prefix("http://").expect("plain");
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = format!("{head}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[tokio::test]
async fn a_request_for_no_host_or_for_two_is_refused() {
    let server = Server::start();
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n", 200),
        ("GET /healthz HTTP/1.0\r\n", 200),
    ] {
        let answer = ask(&server, head);
        let expected = format!(" {status} ");
        assert!(answer[8..].starts_with(&expected), "{head}: {answer}");
    }
}

#[tokio::test]
async fn the_target_counts_and_not_the_host() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let leave = |target: &str, origin: &str| {
        ask(
            &server,
            &format!(
                "POST {target}/api/auth/logout HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nContent-Length: 0\r\n"
            ),
        )
    };
    let answer = leave("http://other", "http://x");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let answer = leave("http://other", "http://other");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let answer = ask(&server, "GET http://ann@x/healthz HTTP/1.1\r\nHost: x\r\n");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let zipped = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\
                  Content-Type: application/json\r\n";
    let answer = ask(&server, zipped);
    assert!(answer.starts_with("HTTP/1.1 501"), "{answer}");
    // A name that is no UTF-8 is refused as everything else is.
    for path in ["/api/images/%ff", "/api/images/%ff/content"] {
        refused(server.get(path, &token).await, 400, "bad_request").await;
    }
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_is_named_as_such() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    for path in ["/api/admin/users", "/api/admin/audit", "/api/images"] {
        let answer = server.get(&format!("{path}?limit=5"), &admin).await;
        let problem = refused(answer, 400, "invalid_query").await;
        let known = text(&problem, "parameters");
        assert!(known.contains("cursor"), "{problem}");
    }
}
