//! A server behind something that writes down what a browser sends, and pages
//! around it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, header};
use serde_json::Value;

use crate::chromium::{Chromium, Page};
use crate::server::Server;

/// A request as it came from the browser, and the answer's status.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) origin: String,
    pub(crate) site: String,
    pub(crate) cookie: bool,
    pub(crate) authorization: bool,
    pub(crate) status: u16,
    pub(crate) sets_cookie: bool,
}

/// Passes everything on, and writes down what.
#[derive(Clone)]
pub(crate) struct Recorder {
    server: Arc<Server>,
    client: reqwest::Client,
    seen: Arc<Mutex<Vec<Seen>>>,
}

async fn pass(State(recorder): State<Recorder>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let text = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut seen = Seen {
        method: head.method.to_string(),
        origin: text("origin"),
        site: text("sec-fetch-site"),
        // The cookies of the session: the one of the browser stays.
        cookie: text("cookie").contains("__Host-refresh="),
        authorization: head.headers.contains_key(header::AUTHORIZATION),
        status: 0,
        sets_cookie: false,
    };
    let target = head.uri.path_and_query().expect("a path").as_str();
    let url = format!("{}{target}", recorder.server.url);
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let sent = recorder
        .client
        .request(head.method, url)
        .headers(head.headers);
    let answer = sent.body(body).send().await.expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    seen.status = status.as_u16();
    seen.sets_cookie = headers.contains_key(header::SET_COOKIE);
    let body = answer.bytes().await.expect("a body");
    recorder.seen.lock().expect("unpoisoned").push(seen);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    for hop in [
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
    ] {
        response.headers_mut().remove(hop);
    }
    response
}

impl Recorder {
    /// Takes what has arrived since it was asked last.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("unpoisoned"))
    }

    /// Waits until so much has arrived, and takes it.
    pub(crate) async fn until(&self, count: usize) -> Vec<Seen> {
        for _ in 0..200 {
            if self.seen.lock().expect("unpoisoned").len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let seen = self.take();
        assert_eq!(seen.len(), count, "{seen:#?}");
        seen
    }
}

pub(crate) struct Setup {
    pub(crate) recorder: Recorder,
    api: String,
    /// Allowed, allowed, the same site, and two other sites.
    pub(crate) app: Page,
    pub(crate) other: Page,
    pub(crate) sibling: Page,
    pub(crate) foreign: [Page; 2],
    _browser: Chromium,
}

pub(crate) async fn setup() -> Option<Setup> {
    let app = Page::serve("localhost", 5173).await;
    let other = Page::serve("localhost", 3000).await;
    let sibling = Page::serve("localhost", 9999).await;
    let foreign = [
        Page::serve("127.0.0.1", 0).await,
        Page::serve("evil.localhost", 0).await,
    ];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let api = format!("http://localhost:{port}");
    let browser = Chromium::start(&format!("{}/", app.origin))?;
    for page in [&other, &sibling].into_iter().chain(&foreign) {
        app.run(&format!(r#"open("{}/");"#, page.origin)).await;
    }
    let settings = [
        ("RAMPART_PUBLIC_URL", api.as_str()),
        ("CORS_ORIGINS", &format!("{},{}", app.origin, other.origin)),
        ("LIMIT_API", "100000/1m"),
        ("LIMIT_LOGIN_IP", "6/15m"),
        ("UPLOAD_MAX_BYTES", "100KiB"),
    ];
    let recorder = Recorder {
        server: Arc::new(Server::start_with(&settings)),
        client: reqwest::Client::new(),
        seen: Arc::default(),
    };
    let proxy = Router::new().fallback(pass).with_state(recorder.clone());
    tokio::spawn(async move { axum::serve(listener, proxy).await });
    Some(Setup {
        recorder,
        api,
        app,
        other,
        sibling,
        foreign,
        _browser: browser,
    })
}

impl Setup {
    /// Runs a script with `api` in a page; returns its result and what arrived.
    pub(crate) async fn run(&self, page: &Page, script: &str) -> (Value, Vec<Seen>) {
        self.recorder.take();
        let prelude = format!(
            r#"
            const api = "{}";
            const json = (method, body) => ({{
              method, credentials: "include", headers: {{ "Content-Type": "application/json" }}, body: JSON.stringify(body),
            }});
            const read = async (answer) => ({{ status: answer.status, code: (await answer.json()).code ?? null }});
            "#,
            self.api
        );
        let result = page.run(&format!("{prelude}{script}")).await;
        (result, self.recorder.take())
    }
}
