//! The page in a real browser: two tabs, and a network that is slow and loses
//! answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::chromium::Chromium;
use crate::server::{PASSWORD, Server};
use crate::services::skipped;

/// What lies between the browser and the server.
#[derive(Clone)]
struct Network {
    server: Arc<Server>,
    client: reqwest::Client,
    /// When each cookie was first seen.
    seen: Arc<Mutex<HashMap<String, Instant>>>,
    requests: Arc<AtomicUsize>,
    renewals: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    results: mpsc::Sender<Value>,
}

impl Network {
    /// Takes access cookies away that are two seconds old, as if they had
    /// expired: two renewals are always further apart than a request is slow.
    fn expire(&self, headers: &mut HeaderMap) {
        let cookies = headers
            .get(header::COOKIE)
            .and_then(|value| value.to_str().ok());
        let Some(cookies) = cookies else { return };
        let mut seen = self.seen.lock().expect("unpoisoned");
        let kept: Vec<_> = cookies
            .split("; ")
            .filter(|pair| {
                let first = seen.entry((*pair).to_owned()).or_insert_with(Instant::now);
                !pair.starts_with("__Host-access=") || first.elapsed() < Duration::from_secs(2)
            })
            .collect();
        let kept = HeaderValue::try_from(kept.join("; ")).expect("cookies");
        headers.insert(header::COOKIE, kept);
    }
}

/// Passes a request on. Answers come late, and some that bring new cookies
/// never.
async fn pass(State(network): State<Network>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let number = network.requests.fetch_add(1, Ordering::SeqCst);
    let path = head
        .uri
        .path_and_query()
        .expect("a path")
        .as_str()
        .to_owned();
    let mut headers = head.headers;
    headers.remove(header::HOST);
    network.expire(&mut headers);
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let late = Duration::from_millis([0, 400, 100, 900][number % 4]);
    if number.is_multiple_of(2) {
        tokio::time::sleep(late).await;
    }
    let url = format!("{}{path}", network.server.url);
    let sent = network
        .client
        .request(head.method, url)
        .headers(headers)
        .body(body)
        .send();
    let answer = sent.await.expect("an answer");
    tokio::time::sleep(late).await;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let renewed = path.starts_with("/api/") && headers.contains_key(header::SET_COOKIE);
    if renewed && !path.starts_with("/api/auth/") {
        let renewal = network.renewals.fetch_add(1, Ordering::SeqCst);
        if renewal % 3 == 1 {
            network.lost.fetch_add(1, Ordering::SeqCst);
            // The connection ends in the middle of the answer.
            let cut = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
            return Response::new(Body::from_stream(cut));
        }
    }
    let mut response = Response::new(Body::from(answer.bytes().await.expect("a body")));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    response
}

/// The page that moves the tabs. Of the same origin, and with the same policy
/// about openers, so that it may look into them.
async fn driver() -> Response {
    let script = DRIVER.replace("PASSWORD", PASSWORD);
    let page = Html(format!(
        "<!doctype html><title>driver</title><script>{script}</script>"
    ));
    let mut response = page.into_response();
    let policy = HeaderValue::from_static("same-origin");
    response
        .headers_mut()
        .insert("cross-origin-opener-policy", policy);
    response
}

const DRIVER: &str = include_str!("driver.js");

async fn result(State(network): State<Network>, Json(result): Json<Value>) -> StatusCode {
    network.results.send(result).await.expect("somebody waits");
    StatusCode::NO_CONTENT
}

/// An operator ends all sessions; the answer comes when the server has followed.
async fn revoke(State(network): State<Network>) -> StatusCode {
    let output = network
        .server
        .command(&["sessions", "revoke", "--all", "--yes"], &[]);
    assert!(output.status.success(), "{output:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_on_a_slow_network_stay_signed_in() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!(
        "http://localhost:{}",
        listener.local_addr().expect("bound").port()
    );
    let (results, mut finished) = mpsc::channel(1);
    let settings = [
        ("RAMPART_PUBLIC_URL", url.as_str()),
        ("LIMIT_API", "100000/1m"),
    ];
    let network = Network {
        server: Arc::new(Server::start_with(&settings)),
        client: reqwest::Client::new(),
        seen: Arc::default(),
        requests: Arc::default(),
        renewals: Arc::default(),
        lost: Arc::default(),
        results,
    };
    let app = Router::new()
        .route("/drive", get(driver))
        .route("/result", post(result))
        .route("/revoke", post(revoke))
        .fallback(pass)
        .with_state(network.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let Some(_browser) = Chromium::start(&format!("{url}/drive")) else {
        return skipped("browser");
    };
    let waited = tokio::time::timeout(Duration::from_secs(120), finished.recv()).await;
    let result = waited.expect("the browser finishes").expect("a result");
    let incident = "For everybody's safety, all sessions were ended. Please sign in again.";
    let expected = json!({
        "kept": [true, true],
        "told": [incident, incident],
        "back": "#sessions",
        "stored": [0, 0],
    });
    assert_eq!(result, expected);
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let (renewals, lost) = (count(&network.renewals), count(&network.lost));
    assert!(
        renewals >= 10 && lost >= 3,
        "{renewals} renewals, {lost} lost"
    );
}
