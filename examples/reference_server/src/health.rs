//! Whether the server lives, and whether it can work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::app::App;
use crate::respond::{ApiError, ApiResult};

/// The routes, for both listeners.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
}

/// `GET /healthz`: the process answers.
async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// When the database was asked last, and whether it answered. Who asks more often
/// than that is told the same: anybody may, and must not keep it from its work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness {
    asked: Arc<Mutex<Option<(Instant, bool)>>>,
    /// Whether changed settings were refused, so that older ones are in use.
    outdated: Arc<AtomicBool>,
}

const FRESH: Duration = Duration::from_secs(1);

impl Readiness {
    /// Notes whether settings that changed cannot be used.
    pub(crate) fn note_outdated(&self, outdated: bool) {
        self.outdated.store(outdated, Ordering::Relaxed);
    }

    async fn ask(&self, app: &App) -> bool {
        let mut last = self.asked.lock().await;
        if let Some((asked, ready)) = *last
            && asked.elapsed() < FRESH
        {
            return ready;
        }
        let answer = app.db.ping().await;
        if let Err(error) = &answer {
            tracing::error!(%error, "the database does not answer");
        }
        *last = Some((Instant::now(), answer.is_ok()));
        answer.is_ok()
    }
}

/// `GET /readyz`: the database answers too. A server that goes on with older settings,
/// since changed ones cannot be used, is ready and says so.
async fn ready(State(app): State<App>) -> ApiResult<Json<Value>> {
    if app.readiness.ask(&app).await {
        let outdated = app.readiness.outdated.load(Ordering::Relaxed);
        let status = if outdated { "degraded" } else { "ready" };
        return Ok(Json(json!({"status": status})));
    }
    let detail = "a service that is needed does not answer";
    let not_ready = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail);
    Err(not_ready.retry_after(FRESH))
}
