//! What people do on the page, in a real browser.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::chromium::Chromium;
use crate::server::{PASSWORD, Server};
use crate::services::skipped;

#[derive(Clone)]
struct Between {
    server: Arc<Server>,
    client: reqwest::Client,
    /// Whether the next question by an administrator comes too long after the
    /// sign-in: a test does not wait for that.
    stale: Arc<AtomicBool>,
    results: mpsc::Sender<Value>,
}

async fn pass(State(between): State<Between>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head
        .uri
        .path_and_query()
        .expect("a path")
        .as_str()
        .to_owned();
    if path.starts_with("/api/admin/") && between.stale.load(Ordering::SeqCst) {
        let problem = json!({"code": "insufficient_user_authentication", "status": 401});
        return (StatusCode::UNAUTHORIZED, Json(problem)).into_response();
    }
    if path == "/api/auth/reauth" {
        between.stale.store(false, Ordering::SeqCst);
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let mut headers = head.headers;
    headers.remove(header::HOST);
    let sent = between
        .client
        .request(head.method, format!("{}{path}", between.server.url));
    let answer = sent
        .headers(headers)
        .body(body)
        .send()
        .await
        .expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from(answer.bytes().await.expect("a body")));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    response
}

/// The page that moves the other one; of the same origin, so that it may.
async fn driver() -> Response {
    let script = include_str!("people.js").replace("PASSWORD", PASSWORD);
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

/// The link in the last mail.
async fn mail(State(between): State<Between>) -> String {
    let mail = tokio::task::spawn_blocking(move || {
        between
            .server
            .mail("ann@example.com", |mail| mail.contains("#reset"))
    });
    let mail = mail.await.expect("a mail");
    mail.lines()
        .find(|line| line.contains("#reset"))
        .expect("a link")
        .trim()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_set_a_forgotten_password_and_respond_to_an_incident() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!(
        "http://localhost:{}",
        listener.local_addr().expect("bound").port()
    );
    let server = Server::start_with(&[("RAMPART_PUBLIC_URL", &url), ("LIMIT_API", "100000/1m")]);
    server.register("ann@example.com").await;
    let added = server.add_admin("admin@example.com", PASSWORD, &[]);
    assert!(added.status.success(), "{added:?}");
    let (results, mut finished) = mpsc::channel(1);
    let between = Between {
        server: Arc::new(server),
        client: reqwest::Client::new(),
        stale: Arc::default(),
        results,
    };
    let app = Router::new()
        .route("/drive", get(driver))
        .route("/mail", get(mail))
        .route(
            "/stale",
            post(async |State(between): State<Between>| {
                between.stale.store(true, Ordering::SeqCst)
            }),
        )
        .route(
            "/result",
            post(
                async |State(between): State<Between>, Json(result): Json<Value>| {
                    between.results.send(result).await.expect("somebody waits");
                },
            ),
        )
        .fallback(pass)
        .with_state(between);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let Some(_browser) = Chromium::start(&format!("{url}/drive")) else {
        return skipped("browser");
    };
    let waited = tokio::time::timeout(Duration::from_secs(90), finished.recv()).await;
    let result = waited.expect("the browser finishes").expect("a result");
    assert_eq!(
        result,
        json!({
            "address": "#reset",
            "weak": "Please choose another password: the password has fewer than 15 characters.",
            "forPeople": true,
            "wrong": "This is not the password.",
            "title": "Something <b>odd</b>",
            "verdict": "Nothing was changed: N rows follow each other.",
            "guarded": true,
            "mailed": "Give the all-clear: done.",
            "told": "For everybody's safety, all sessions were ended. Please sign in again.",
            "stored": 0,
        })
    );
}
