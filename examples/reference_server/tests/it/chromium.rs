//! A real browser, and pages that do what a test tells them.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

/// A browser, until it is dropped.
pub(crate) struct Chromium {
    process: Child,
    _profile: TempDir,
}

impl Chromium {
    /// Starts a browser with a fresh profile and one tab; `None` if there is no
    /// browser.
    pub(crate) fn start(url: &str) -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let name = names.into_iter().find(|name| {
            let mut asked = Command::new(name);
            let asked = asked.arg("--version").stdout(Stdio::null());
            let status = asked.stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        })?;
        let profile = tempfile::tempdir().expect("a folder");
        let process = Command::new(name)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--no-first-run",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-popup-blocking",
                "--disable-background-timer-throttling",
                "--disable-renderer-backgrounding",
                "--disable-backgrounding-occluded-windows",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        Some(Self {
            process,
            _profile: profile,
        })
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A page of an origin of its own. It runs what it is told, one after another.
pub(crate) struct Page {
    pub(crate) origin: String,
    scripts: mpsc::Sender<String>,
    results: Mutex<mpsc::Receiver<Value>>,
}

#[derive(Clone)]
struct Tab {
    scripts: Arc<Mutex<mpsc::Receiver<String>>>,
    results: mpsc::Sender<Value>,
}

impl Page {
    /// Serves a page on a host name of this machine; on the port, if it is free.
    pub(crate) async fn serve(host: &str, port: u16) -> Self {
        let wanted = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = match wanted {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        };
        let port = listener.local_addr().expect("bound").port();
        let (scripts, next) = mpsc::channel(1);
        let (done, results) = mpsc::channel(1);
        let tab = Tab {
            scripts: Arc::new(Mutex::new(next)),
            results: done,
        };
        let app = Router::new()
            .route("/", get(async || Html(LOOP)))
            .route("/next", get(next_script))
            .route("/done", post(result))
            .route("/redirect/{*to}", get(redirect))
            .with_state(tab);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            origin: format!("http://{host}:{port}"),
            scripts,
            results: Mutex::new(results),
        }
    }

    /// Runs the body of an asynchronous function in the page; returns what that
    /// returns, or `{error}`.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let patience = Duration::from_secs(60);
        let answered = timeout(patience, async {
            self.scripts.send(script.to_owned()).await.ok()?;
            self.results.lock().await.recv().await
        });
        match answered.await {
            Ok(Some(result)) => result,
            _ => panic!("no answer of {} to {script}", self.origin),
        }
    }
}

/// Asks for the next script, runs it, tells what came of it.
const LOOP: &str = r#"<!doctype html><meta charset="utf-8"><title>page</title><script>
const AsyncFunction = (async () => {}).constructor;
(async () => {
  for (;;) {
    const script = await (await fetch("/next")).text();
    let result;
    try { result = await new AsyncFunction(script)(); }
    catch (error) { result = { error: error.name }; }
    await fetch("/done", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(result ?? null),
    });
  }
})();
</script>"#;

async fn next_script(State(tab): State<Tab>) -> String {
    let script = tab.scripts.lock().await.recv().await;
    script.unwrap_or_else(|| "await new Promise(() => {})".to_owned())
}

async fn result(State(tab): State<Tab>, Json(result): Json<Value>) -> StatusCode {
    let told = tab.results.send(result).await;
    told.map_or(StatusCode::GONE, |()| StatusCode::NO_CONTENT)
}

/// Sends a page of any origin on to somewhere else.
async fn redirect(axum::extract::Path(to): axum::extract::Path<String>) -> Response {
    let fields = [
        (header::LOCATION, to.as_str()),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (StatusCode::FOUND, fields).into_response()
}
