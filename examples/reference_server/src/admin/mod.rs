//! What administrators do over HTTP: accounts, the audit log, incidents.

mod incidents;
mod log;
mod users;

pub(crate) use log::describe as described;

use axum::Router;
use axum::routing::{get, post};
use tower_rampart::identity::Principal;

use crate::app::App;
use crate::audit::Caller;
use crate::desk::{By, DeskError};
use crate::respond::{ApiError, Failure};

/// The routes, behind the layers that ask for a role and a recent sign-in.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/admin/users", get(users::list))
        .route("/api/admin/users/{id}/disable", post(users::disable))
        .route("/api/admin/users/{id}/enable", post(users::enable))
        .route("/api/admin/users/{id}/revoke", post(users::revoke))
        .route(
            "/api/admin/users/{id}/force-reset",
            post(users::force_reset),
        )
        .route("/api/admin/audit", get(log::list))
        .route("/api/admin/audit/verify", get(log::verify))
        .route(
            "/api/admin/incidents",
            get(incidents::list).post(incidents::open),
        )
        .route("/api/admin/incidents/{id}", get(incidents::show))
        .route("/api/admin/incidents/{id}/actions", post(incidents::act))
}

/// The caller, as the audit log names them.
fn by<'a>(principal: &'a Principal, caller: &'a Caller, reason: Option<&'a str>) -> By<'a> {
    By {
        actor: principal.subject(),
        operator: None,
        reason,
        incident: None,
        about: None,
        caller: Some(caller),
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        use http::StatusCode;
        let (status, code, detail, text) = match error {
            DeskError::NotFound(_) => return Self::not_found(),
            DeskError::Conflict(text) => (
                StatusCode::CONFLICT,
                "conflict",
                "this makes no sense now",
                text,
            ),
            DeskError::Invalid(text) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_members",
                "a member has a value that is not known",
                text,
            ),
            DeskError::NoMail => {
                let detail = "no mail can leave, so nobody would be told; set SMTP_URL";
                return Self::new(StatusCode::CONFLICT, "no_mail", detail);
            }
            DeskError::Failed(error) => return Failure::new("desk", error).into(),
        };
        Self::new(status, code, detail).member("explanation", text)
    }
}
