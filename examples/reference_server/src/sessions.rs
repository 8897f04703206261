//! The caller's own sessions.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use tower_rampart::identity::Principal;
use tower_rampart::session::{EndReason, EndSessions};

use crate::app::App;
use crate::respond::{ApiError, ApiResult};

/// `GET /api/auth/sessions`: newest first. Times are seconds since 1970.
pub(crate) async fn list(State(app): State<App>, principal: Principal) -> ApiResult<Json<Value>> {
    let sessions = app.issuer.list(principal.subject()).await?;
    let sessions: Vec<_> = sessions
        .into_iter()
        .map(|session| {
            json!({
                "sid": session.sid,
                "created_at": session.created_at.as_u64(),
                "last_used_at": session.rotated_at.as_u64(),
                "client": session.client,
                "address": session.address,
                "current": principal.session() == Some(session.sid.as_str()),
            })
        })
        .collect();
    Ok(Json(sessions.into()))
}

/// `DELETE /api/auth/sessions/{sid}`: 204, or 404 for somebody else's.
pub(crate) async fn end(
    State(app): State<App>,
    principal: Principal,
    Path(sid): Path<String>,
) -> ApiResult<StatusCode> {
    let which = EndSessions::One {
        subject: principal.subject(),
        sid: &sid,
    };
    if app.issuer.end(which, EndReason::Terminated).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found())
    }
}
