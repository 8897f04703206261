//! The caller's own account.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_rampart::identity::{ClientAddr, Principal};
use tower_rampart::session::{EndReason, EndSessions};
use tracing::Instrument as _;

use crate::app::App;
use crate::audit::{Caller, Entry};
use crate::auth::signed_out;
use crate::credentials::{Asking, Proven, acceptable, hash_failed, verify};
use crate::db::User;
use crate::input::{Input, Typed};
use crate::keep::remove;
use crate::mail::PASSWORD_CHANGED;
use crate::respond::{ApiError, ApiResult};

/// `GET /api/me`.
pub(crate) async fn show(State(app): State<App>, principal: Principal) -> ApiResult<Json<Value>> {
    Ok(Json(describe(&account(&app, &principal).await?)))
}

async fn account(app: &App, principal: &Principal) -> ApiResult<User> {
    app.db
        .user(principal.subject())
        .await?
        .ok_or_else(ApiError::account_gone)
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "role": user.role,
        "display_name": user.display_name,
        "avatar": user.avatar_image_id.as_ref().map(|id| format!("/api/images/{id}/content")),
        "created_at": user.created_at,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    display_name: String,
}

/// `PATCH /api/me`.
pub(crate) async fn change(
    State(app): State<App>,
    principal: Principal,
    Input(input): Input<Change>,
) -> ApiResult<Json<Value>> {
    let name = input.display_name.trim();
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        let detail = "a display name has at most 100 characters and no control characters";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_display_name",
            detail,
        ));
    }
    app.db.set_display_name(principal.subject(), name).await?;
    show(State(app), principal).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    current_password: Typed,
    new_password: Typed,
}

/// `PUT /api/me/password`: 204; every other session ends.
pub(crate) async fn change_password(
    State(app): State<App>,
    principal: Principal,
    address: ClientAddr,
    caller: Caller,
    headers: HeaderMap,
    Input(input): Input<ChangePassword>,
) -> ApiResult<StatusCode> {
    let user = account(&app, &principal).await?;
    let wrong = || {
        ApiError::new(
            StatusCode::FORBIDDEN,
            "invalid_credentials",
            "the current password is not right",
        )
    };
    let asking = Asking {
        address,
        headers: &headers,
        caller: &caller,
    };
    let Proven { user, .. } = verify(&app, asking, &user.email, input.current_password)
        .await?
        .ok_or_else(wrong)?;
    let password = acceptable(&app, input.new_password, &user.email).await?;
    let hash = app.hasher.hash_new(password).await.map_err(hash_failed)?;
    // In a task of its own: a client that goes away in between must not leave a new
    // password beside the sessions of the old one.
    let work = async move {
        let others = || EndSessions::Subject {
            subject: &user.id,
            keep: principal.session(),
        };
        // Before, so that a failure changes nothing; and after, for those who were faster.
        app.issuer
            .end(others(), EndReason::CredentialsChanged)
            .await?;
        if !app
            .db
            .replace_password_hash(&user.id, &user.password_hash, &hash)
            .await?
        {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "conflict",
                "the password was changed at the same time",
            ));
        }
        app.issuer
            .end(others(), EndReason::CredentialsChanged)
            .await?;
        app.db.discard_tokens(&user.id).await?;
        app.audit.note(
            Entry::info("authn_password_change")
                .actor(&user.id)
                .subject(&user.id)
                .from(&caller),
        );
        app.post.queue(&user.id, PASSWORD_CHANGED).await?;
        Ok(StatusCode::NO_CONTENT)
    };
    tokio::spawn(work.in_current_span()).await?
}

/// `DELETE /api/me`: 204; sessions, pictures and account are gone.
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    principal: Principal,
) -> ApiResult<Response> {
    let user = account(&app, &principal).await?;
    if user.role == "admin" && app.db.count_other_admins(&user.id).await? == 0 {
        let detail = "this is the last administrator; add another one first";
        return Err(ApiError::new(StatusCode::CONFLICT, "last_admin", detail));
    }
    let work = async move {
        let subject = principal.subject();
        app.issuer
            .end(
                EndSessions::Subject {
                    subject,
                    keep: None,
                },
                EndReason::AccountClosed,
            )
            .await?;
        // An upload that was under way may still add a picture, so the account
        // goes only when there is none.
        while !app.db.delete_user_without_images(subject).await? {
            for image in app.db.images(subject, None, 100).await? {
                remove(&app, subject, &image).await?;
            }
        }
        app.audit.note(
            Entry::info("user_deleted")
                .actor(subject)
                .subject(subject)
                .from(&caller),
        );
        Ok(signed_out(&app))
    };
    tokio::spawn(work.in_current_span()).await?
}
