//! Incidents.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_rampart::identity::Principal;
use tower_rampart::session::EndReason;

use super::by;
use crate::app::App;
use crate::audit::Caller;
use crate::db::Incident;
use crate::desk::By;
use crate::incident::{self, Scenario};
use crate::input::{Input, Line};
use crate::mail::SIGNED_OUT;
use crate::respond::{ApiError, ApiResult};

/// How many incidents, and how many rows of one's timeline, are shown.
const INCIDENTS: i64 = 100;
const TIMELINE: i64 = 1_000;

/// `GET /api/admin/incidents`: newest first, and what is switched on.
pub(crate) async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    let items = app.db.incidents(INCIDENTS).await?;
    app.switches.read(&app.db).await?;
    Ok(Json(
        json!({"items": items, "read_only": app.switches.is_read_only()}),
    ))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    title: String,
    scenario: Option<Scenario>,
    reason: Option<Line>,
}

/// `POST /api/admin/incidents`.
pub(crate) async fn open(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    Input(input): Input<Opening>,
) -> ApiResult<Response> {
    let title = incident::title(&input.title).map_err(|detail| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_title", detail)
    })?;
    let by = by(&principal, &caller, input.reason.as_ref().map(Line::as_str));
    let incident = app
        .desk
        .open_incident(by, &title, input.scenario.map(Scenario::as_str))
        .await?;
    let location = [(LOCATION, format!("/api/admin/incidents/{}", incident.id))];
    Ok((StatusCode::CREATED, location, Json(incident)).into_response())
}

async fn find(app: &App, id: &str) -> ApiResult<Incident> {
    app.db.incident(id).await?.ok_or_else(ApiError::not_found)
}

/// `GET /api/admin/incidents/{id}`: what was done, in order, and how many mails left.
pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let incident = find(&app, &id).await?;
    Ok(Json(incident::told(&app.db, &incident, TIMELINE).await?))
}

/// What can be done about an incident.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    RotateKey,
    RevokeKey,
    RevokeEveryone,
    ForceReset,
    Notify,
    ReadOnly,
    Close,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Doing {
    action: Action,
    reason: Option<Line>,
    /// For `revoke_key`; the key that signs, unless another one is named.
    kid: Option<String>,
    /// For `notify`.
    template: Option<String>,
    /// For `read_only`.
    on: Option<bool>,
}

impl Doing {
    /// What is for another action was meant for something: it is not passed over.
    fn makes_sense(&self) -> ApiResult<()> {
        let Self {
            action,
            kid,
            template,
            on,
            ..
        } = self;
        let strays = [
            ("kid", kid.is_some() && *action != Action::RevokeKey),
            ("template", template.is_some() && *action != Action::Notify),
            ("on", on.is_some() && *action != Action::ReadOnly),
        ];
        let Some((name, _)) = strays.iter().find(|(_, stray)| *stray) else {
            return Ok(());
        };
        let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, "invalid_members");
        let refused = ApiError::new(status, code, "a member means nothing for this action");
        Err(refused.member("member", *name))
    }
}

/// `POST /api/admin/incidents/{id}/actions`.
pub(crate) async fn act(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    Path(id): Path<String>,
    Input(input): Input<Doing>,
) -> ApiResult<Json<Value>> {
    let incident = find(&app, &id).await?;
    if incident.closed_at.is_some() {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "incident_closed",
            "the incident is closed; open another one",
        ));
    }
    input.makes_sense()?;
    let by = By {
        incident: Some(&id),
        ..by(&principal, &caller, input.reason.as_ref().map(Line::as_str))
    };
    let desk = &app.desk;
    let outcome = match input.action {
        Action::RotateKey => {
            let row = desk.rotate_key(by).await?;
            json!({"kid": row.kid, "sign_from": row.sign_from})
        }
        Action::RevokeKey => {
            let revoked = desk.revoke_key(by, input.kid.as_deref()).await?;
            json!({"revoked": revoked.kid, "successor": revoked.successor.map(|row| row.kid)})
        }
        Action::RevokeEveryone => {
            desk.revoke_everyone(by, EndReason::SecurityIncident)
                .await?;
            json!({"revoked": "everyone"})
        }
        Action::ForceReset => {
            json!({"accounts": desk.force_reset_everyone(by).await?})
        }
        Action::Notify => {
            // Told wrongly, it cannot be taken back: nobody hears of a breach that was
            // not named.
            let scenario = incident.scenario.as_deref().and_then(Scenario::of);
            let usual = scenario.and_then(Scenario::template);
            let template = input.template.as_deref().or(usual).unwrap_or(SIGNED_OUT);
            let mails = desk.notify(by, &id, template, None).await?;
            json!({"mails": mails, "template": template})
        }
        Action::ReadOnly => {
            let on = input.on.unwrap_or(true);
            desk.read_only(by, on).await?;
            app.switches.read(&app.db).await?;
            json!({"read_only": on})
        }
        Action::Close => {
            desk.close_incident(by, &id).await?;
            json!({"closed": true, "read_only": app.switches.is_read_only()})
        }
    };
    Ok(Json(json!({"incident": id, "outcome": outcome})))
}
