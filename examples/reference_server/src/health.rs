//! Whether the server lives, and whether it can work.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

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

/// `GET /readyz`: the database answers too.
async fn ready(State(app): State<App>) -> ApiResult<Json<Value>> {
    app.db.ping().await.map_err(|error| {
        tracing::error!(%error, "the database does not answer");
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            "a service that is needed does not answer",
        )
    })?;
    Ok(Json(json!({"status": "ready"})))
}
