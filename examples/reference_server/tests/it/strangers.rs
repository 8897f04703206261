//! What somebody found who had the contract and the binary only.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, refused, text};

fn connect(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("http://").expect("plain");
    TcpStream::connect(address).expect("a connection")
}

/// An upload of a picture as its bytes go over the wire.
fn upload(token: &str) -> Vec<u8> {
    let picture = png(8, 8, 400_000);
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    let body = [head.as_bytes(), &picture, b"\r\n--b--\r\n"].concat();
    let request = format!(
        "POST /api/images HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [request.into_bytes(), body].concat()
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_takes_its_time_is_not_cut_off_for_a_silent_crowd() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let bytes = upload(&token);
    let mut stream = connect(&server);
    stream.write_all(&bytes[..100_000]).expect("written");
    let crowd: Vec<_> = (0..600).map(|_| connect(&server)).collect();
    // Others are served meanwhile, so that the crowd has been looked at.
    for _ in 0..5 {
        let answer = reqwest::get(format!("{}/healthz", server.url)).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    }
    stream.write_all(&bytes[100_000..]).expect("written");
    assert!(answer(stream).starts_with("HTTP/1.1 201 "));
    drop(crowd);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_an_account_that_is_gone_is_refused() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let bytes = upload(&token);
    let mut stream = connect(&server);
    stream.write_all(&bytes[..1_000]).expect("written");
    let gone = server
        .request(Method::DELETE, "/api/me")
        .bearer_auth(&token)
        .send()
        .await;
    assert_eq!(gone.expect("an answer").status(), StatusCode::NO_CONTENT);
    stream.write_all(&bytes[1_000..]).expect("written");
    let answer = answer(stream);
    assert!(
        answer.starts_with("HTTP/1.1 401 ") && answer.contains("session_revoked"),
        "{answer}"
    );
    assert!(!server.log().contains("request failed"), "{}", server.log());
}

#[tokio::test]
async fn a_length_that_is_too_much_is_refused_at_once() {
    let server = Server::start();
    let mut stream = connect(&server);
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 9999999999\r\nConnection: close\r\n\r\n{}";
    let asked = Instant::now();
    stream.write_all(head.as_bytes()).expect("written");
    let mut first = [0; 12];
    stream.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 413");
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn every_401_says_by_what_one_is_let_in() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let wrong = json!({"email": "ann@example.com", "password": "not the password at all"});
    for answer in [
        server.post("/api/auth/login", wrong.clone()).await,
        server
            .post("/api/auth/refresh", json!({"refresh_token": "x"}))
            .await,
        server
            .post_as(
                &token,
                "/api/auth/reauth",
                json!({"password": "not the password"}),
            )
            .await,
        server.get("/api/me", "x").await,
    ] {
        assert_eq!(
            answer.status(),
            StatusCode::UNAUTHORIZED,
            "{}",
            answer.url()
        );
        let challenge = answer.headers()["www-authenticate"]
            .to_str()
            .expect("ASCII")
            .to_owned();
        assert!(
            challenge.starts_with("Bearer realm=\"api\""),
            "{}: {challenge}",
            answer.url()
        );
    }
}

#[tokio::test]
async fn what_is_asked_for_badly_is_told_as_what_it_is() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "delivery": 1});
    refused(
        server.post("/api/auth/login", body).await,
        422,
        "invalid_members",
    )
    .await;
    let cursor = server.get("/api/admin/users?cursor=zz", &admin).await;
    refused(cursor, 400, "invalid_query").await;
    let me: Value = server
        .get("/api/me", &admin)
        .await
        .json()
        .await
        .expect("JSON");
    let own = format!("/api/admin/users/{}/force-reset", text(&me, "id"));
    refused(
        server.post_as(&admin, &own, json!({})).await,
        409,
        "own_account",
    )
    .await;
    for host in ["a/b@c d", "user@host", "http://a", "a b"] {
        let mut stream = connect(&server);
        let head = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("written");
        assert!(answer(stream).starts_with("HTTP/1.1 400 "), "{host}");
    }
}

#[tokio::test]
async fn ranges_are_read_as_the_standard_says() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let uploaded = server
        .upload(&token, "a.png", "image/png", png(3, 2, 500))
        .await;
    let id = text(&uploaded.json().await.expect("JSON"), "id");
    let ask = async |headers: &[(&str, &str)]| {
        let request = server.request(Method::GET, &format!("/api/images/{id}/content"));
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.bearer_auth(&token).send().await.expect("an answer")
    };
    let whole = ask(&[]).await;
    let etag = whole.headers()["etag"].to_str().expect("ASCII").to_owned();
    let bytes = whole.bytes().await.expect("bytes");
    let suffix = ask(&[("range", "bytes=-99999")]).await;
    assert_eq!(suffix.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(suffix.bytes().await.expect("bytes"), bytes);
    let weak = format!("W/{etag}");
    let range = ("range", "bytes=0-1");
    assert_eq!(
        ask(&[range, ("if-range", &etag)]).await.status(),
        StatusCode::PARTIAL_CONTENT
    );
    assert_eq!(
        ask(&[range, ("if-range", &weak)]).await.status(),
        StatusCode::OK
    );
}
