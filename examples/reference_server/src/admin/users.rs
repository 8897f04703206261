//! Accounts.

use axum::Json;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_rampart::identity::Principal;
use tower_rampart::session::EndReason;

use super::by;
use crate::app::App;
use crate::audit::Caller;
use crate::db::User;
use crate::input::{Line, OptionalInput};
use crate::respond::{ApiError, ApiResult};

/// How many accounts a page of the list holds.
const PAGE: i64 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    cursor: Option<String>,
}

/// `GET /api/admin/users`: oldest first, with a cursor to the next page.
pub(crate) async fn list(
    State(app): State<App>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Json<Value>> {
    let Query(page) = page.map_err(|_| ApiError::query("cursor"))?;
    let known = |cursor: &str| uuid::Uuid::parse_str(cursor).is_ok();
    if !page.cursor.as_deref().is_none_or(known) {
        return Err(ApiError::query("cursor, as next_cursor has it"));
    }
    let users = app.db.users(page.cursor.as_deref(), PAGE).await?;
    let next = (users.len() as i64 == PAGE)
        .then(|| users.last().map(|user| user.id.clone()))
        .flatten();
    let items: Vec<_> = users.iter().map(describe).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "role": user.role,
        "display_name": user.display_name,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
        "must_reset_at": user.must_reset_at,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    reason: Option<Line>,
}

type Answer = ApiResult<(StatusCode, Json<Value>)>;

fn accepted(mut more: Value) -> (StatusCode, Json<Value>) {
    more["status"] = "accepted".into();
    (StatusCode::ACCEPTED, Json(more))
}

async fn find(app: &App, id: &str) -> ApiResult<User> {
    app.db.user(id).await?.ok_or_else(ApiError::not_found)
}

/// Nobody locks themselves out by mistake.
fn not_oneself(principal: &Principal, id: &str) -> ApiResult<()> {
    if principal.subject() != id {
        return Ok(());
    }
    let detail = "this is your own account; let another administrator do it";
    Err(ApiError::new(StatusCode::CONFLICT, "own_account", detail))
}

/// `POST /api/admin/users/{id}/disable`: no sign-in, and all sessions end.
pub(crate) async fn disable(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    Path(id): Path<String>,
    OptionalInput(why): OptionalInput<Why>,
) -> Answer {
    let user = find(&app, &id).await?;
    not_oneself(&principal, &user.id)?;
    app.desk
        .disable(
            by(&principal, &caller, why.reason.as_ref().map(Line::as_str)),
            &user.id,
        )
        .await?;
    Ok(accepted(json!({"disabled": true})))
}

/// `POST /api/admin/users/{id}/enable`.
pub(crate) async fn enable(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    Path(id): Path<String>,
    OptionalInput(why): OptionalInput<Why>,
) -> Answer {
    let user = find(&app, &id).await?;
    app.desk
        .enable(
            by(&principal, &caller, why.reason.as_ref().map(Line::as_str)),
            &user.id,
        )
        .await?;
    Ok(accepted(json!({"disabled": false})))
}

/// `POST /api/admin/users/{id}/revoke`: all sessions end.
pub(crate) async fn revoke(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    Path(id): Path<String>,
    OptionalInput(why): OptionalInput<Why>,
) -> Answer {
    let user = find(&app, &id).await?;
    let by = by(&principal, &caller, why.reason.as_ref().map(Line::as_str));
    app.desk
        .revoke(by, &user.id, EndReason::SecurityIncident)
        .await?;
    Ok(accepted(json!({"revoked": "sessions"})))
}

/// `POST /api/admin/users/{id}/force-reset`: the password opens nothing until its
/// owner, who gets a mail, sets another one.
pub(crate) async fn force_reset(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    Path(id): Path<String>,
    OptionalInput(why): OptionalInput<Why>,
) -> Answer {
    let user = find(&app, &id).await?;
    not_oneself(&principal, &user.id)?;
    let mail = app
        .desk
        .force_reset(
            by(&principal, &caller, why.reason.as_ref().map(Line::as_str)),
            &user.id,
        )
        .await?;
    Ok(accepted(json!({"mail": mail})))
}
