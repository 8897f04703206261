//! Forgotten passwords, and those that an operator took away.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tower_rampart::password::{Password, Verified};
use tower_rampart::session::{EndReason, EndSessions};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use crate::app::App;
use crate::audit::{Caller, Entry};
use crate::credentials::{acceptable, hash_failed};
use crate::input::{Input, Typed};
use crate::mail::{PASSWORD_CHANGED, PASSWORD_RESET, token_hash};
use crate::respond::{ApiError, ApiResult};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forgotten {
    email: String,
}

/// `POST /api/auth/password/forgot`: 202, whoever has or has not an account.
pub(crate) async fn forgot(
    State(app): State<App>,
    caller: Caller,
    Input(input): Input<Forgotten>,
) -> ApiResult<Response> {
    let email = crate::input::email(&input.email)?;
    // Behind the answer's back: how long it takes would tell who has an account.
    let work = async move {
        let found: ApiResult<()> = async {
            let Some(user) = app.db.user_by_email(&email).await? else {
                return Ok(());
            };
            if user.disabled_at.is_some() {
                return Ok(());
            }
            let sent = app.post.queue_reset(&user.id, PASSWORD_RESET, None).await?;
            let entry = Entry::info("x_rampart_password_reset_requested");
            app.audit
                .note(entry.subject(user.id).from(&caller).detail("mail", sent));
            Ok(())
        }
        .await;
        drop(found);
    };
    tokio::spawn(work.in_current_span());
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "accepted"}))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    token: String,
    new_password: NewPassword,
}

/// A new password, twice: to be compared with the old one, and to be hashed.
struct NewPassword(Typed, Typed);

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let typed = || Typed(Password::new(text.as_str()));
        Ok(Self(typed(), typed()))
    }
}

impl std::fmt::Debug for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reset").finish_non_exhaustive()
    }
}

/// `POST /api/auth/password/reset`: 204; all sessions end.
pub(crate) async fn reset(
    State(app): State<App>,
    caller: Caller,
    Input(input): Input<Reset>,
) -> ApiResult<StatusCode> {
    let over = || {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "token_used_or_expired",
            "the link was used or is too old; ask for another one",
        )
    };
    let hash = token_hash(&input.token);
    let Some(owner) = app.db.token_owner(&hash).await? else {
        return Err(over());
    };
    let user = app.db.user(&owner).await?.ok_or_else(over)?;
    if user.disabled_at.is_some() {
        return Err(over());
    }
    // A password that is refused leaves the token as it is. One that was taken away is no
    // new one, however good it is.
    let NewPassword(typed, again) = input.new_password;
    if user.must_reset_at.is_some()
        && let Ok(again) = again.0
        && let Verified::Match { .. } = app
            .hasher
            .verify_login(again, Some(user.password_hash.clone()))
            .await?
    {
        let detail = "choose another password";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password_rejected",
            detail,
        )
        .member("reason", "same_as_before")
        .member("explanation", "it is the password that was taken away"));
    }
    let password = acceptable(&app, typed, &user.email).await?;
    let new = app.hasher.hash_new(password).await.map_err(hash_failed)?;
    let work = async move {
        // Before, so that a failure changes nothing, and the link can be used again; and
        // after, for those who were faster.
        let everywhere = EndSessions::Subject {
            subject: &user.id,
            keep: None,
        };
        app.issuer
            .end(everywhere, EndReason::CredentialsChanged)
            .await?;
        if !app.db.reset_password(&hash, &user.id, &new).await? {
            return Err(over());
        }
        let everywhere = EndSessions::Subject {
            subject: &user.id,
            keep: None,
        };
        app.issuer
            .end(everywhere, EndReason::CredentialsChanged)
            .await?;
        app.audit.note(
            Entry::info("authn_password_change")
                .actor(&user.id)
                .subject(&user.id)
                .from(&caller)
                .detail("by", "mail"),
        );
        app.post.queue(&user.id, PASSWORD_CHANGED).await?;
        Ok(StatusCode::NO_CONTENT)
    };
    tokio::spawn(work.in_current_span()).await?
}
