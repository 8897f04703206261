//! Heads of requests that are refused wherever they lead.

use crate::server::{Server, refused, text};

#[tokio::test]
async fn a_request_for_no_host_or_for_two_is_refused() {
    use std::io::{Read as _, Write as _};
    let server = Server::start();
    let address = server.url.strip_prefix("http://").expect("plain");
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n", 200),
        ("GET /healthz HTTP/1.0\r\n", 200),
    ] {
        let mut stream = std::net::TcpStream::connect(address).expect("a connection");
        stream
            .write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())
            .expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let expected = format!(" {status} ");
        assert!(answer[8..].starts_with(&expected), "{head}: {answer}");
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
