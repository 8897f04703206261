//! The audit log.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::audit::{self, Verdict};
use crate::db::{AuditFilter, AuditRow};
use crate::respond::{ApiError, ApiResult, Failure};

/// How many rows a page holds.
const PAGE: i64 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    cursor: Option<i64>,
    event: Option<String>,
    actor: Option<String>,
    subject: Option<String>,
    incident: Option<String>,
}

/// `GET /api/admin/audit`: newest first, with a cursor to the next page.
pub(crate) async fn list(
    State(app): State<App>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Json<Value>> {
    let known = "cursor, event, actor, subject, incident";
    let Query(page) = page.map_err(|_| ApiError::query(known))?;
    let filter = AuditFilter {
        before: page.cursor,
        event: page.event.as_deref(),
        actor: page.actor.as_deref(),
        subject: page.subject.as_deref(),
        incident: page.incident.as_deref(),
        ..AuditFilter::default()
    };
    let rows = app.db.audit(filter, PAGE).await?;
    let next = (rows.len() as i64 == PAGE)
        .then(|| rows.last().map(|row| row.seq))
        .flatten();
    let items: Vec<_> = rows.iter().map(describe).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

/// A row, with its detail as an object.
pub(crate) fn describe(row: &AuditRow) -> Value {
    let mut described = json!(row);
    described["detail"] = serde_json::from_str(&row.detail).unwrap_or(Value::Null);
    described["datetime"] = audit::datetime(row.at).into();
    described
}

/// `GET /api/admin/audit/verify`: whether a row was changed or is missing.
pub(crate) async fn verify(State(app): State<App>) -> ApiResult<Json<Verdict>> {
    let verdict = audit::verify(&app.db, app.desk.data_dir(), app.audit.provers()).await;
    Ok(Json(verdict.map_err(|error| Failure::new("audit", error))?))
}
