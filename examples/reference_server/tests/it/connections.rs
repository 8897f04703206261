//! Connections that say nothing, or not all of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::Value;

use crate::server::Server;

/// More than the server has seats for.
const CROWD: usize = 600;

fn connect(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("http://").expect("plain");
    TcpStream::connect(address).expect("a connection")
}

fn say(server: &Server, text: &str) -> TcpStream {
    let mut stream = connect(server);
    stream.write_all(text.as_bytes()).expect("written");
    stream
}

const HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
const BODY: &str = "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Content-Length: 60\r\n\r\n{\"email\":";

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let server = Server::start_with(&[("LIMIT_API", "1000000/1s"), ("LIMIT_LOGIN_IP", "10000/1s")]);
    let token = server.token("ann@example.com").await;
    for begun in [HEAD, BODY, "PRI * HTTP/2.0\r\n", ""] {
        let crowd: Vec<_> = (0..CROWD).map(|_| say(&server, begun)).collect();
        let asked = Instant::now();
        let answer = server.get("/api/me", &token).await;
        assert_eq!(answer.status(), StatusCode::OK, "{begun:?}");
        let answer = reqwest::get(format!("{}/healthz", server.url)).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
        assert!(asked.elapsed() < Duration::from_secs(10), "{begun:?}");
        drop(crowd);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_waits_for_nobody_who_says_nothing() {
    let mut server = Server::start();
    server.register("ann@example.com").await;
    let idle: Vec<_> = [
        HEAD,
        BODY,
        "PRI * HTTP/2.0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "",
    ]
    .into_iter()
    .map(|begun| say(&server, begun))
    .collect();
    // All of them are there before the signal is.
    assert_eq!(
        server
            .request(http::Method::GET, "/healthz")
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    let asked = Instant::now();
    server.signal("TERM");
    let status = server.ended(Duration::from_secs(15));
    assert!(status.success(), "{status:?}");
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    let log = server.log();
    assert!(
        !log.contains("could not be written") && !log.contains("still open"),
        "{log}"
    );
    let rows = server.command(&["audit", "tail", "--json"], &[]);
    let last = String::from_utf8_lossy(&rows.stdout).into_owned();
    let last: Value = serde_json::from_str(last.lines().last().expect("a row")).expect("JSON");
    assert_eq!(last["event"], "sys_shutdown");
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_although_the_server_stops() {
    let mut server = Server::start();
    server.register("ann@example.com").await;
    let body = serde_json::json!({"email": "ann@example.com", "password": crate::server::PASSWORD});
    let body = body.to_string();
    let mut stream = say(
        &server,
        &format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{}",
            body.len(),
            &body[..10]
        ),
    );
    assert_eq!(
        server
            .request(http::Method::GET, "/healthz")
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    server.signal("TERM");
    // It takes no more connections once it stops.
    let deadline = Instant::now() + Duration::from_secs(5);
    let address = server
        .url
        .strip_prefix("http://")
        .expect("plain")
        .to_owned();
    while TcpStream::connect(&address).is_ok() {
        assert!(Instant::now() < deadline, "it goes on");
    }
    stream.write_all(&body.as_bytes()[10..]).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(server.ended(Duration::from_secs(15)).success());
}
