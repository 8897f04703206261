//! Register, sign in, refresh, sign out, and prove again who you are.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tower_rampart::identity::{ClientAddr, Principal};
use tower_rampart::jwt::{RevokedToken, VerifyErrorKind};
use tower_rampart::session::{EndReason, EndSessions, IssuedTokens, NewSession, RefreshErrorKind};

use crate::app::App;
use crate::audit::{Caller, Entry};
use crate::client;
use crate::credentials::{Asking, Proven, acceptable, hash_failed, verify};
use crate::db::User;
use crate::input::{self, Input, OptionalInput, Typed, UsesBearer};
use crate::respond::{ApiError, ApiResult};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    email: String,
    password: Typed,
}

/// `POST /api/auth/register`: 202, whether the address was known or not.
pub(crate) async fn register(
    State(app): State<App>,
    caller: Caller,
    Input(input): Input<Registration>,
) -> ApiResult<Response> {
    let email = input::email(&input.email)?;
    let password = acceptable(&app, input.password, &email).await?;
    // Hashed in any case, so that time does not tell whether the address is new.
    let hash = app.hasher.hash_new(password).await.map_err(hash_failed)?;
    if let Some(id) = app.db.add_user(&email, &hash).await? {
        app.audit.note(
            Entry::info("user_created")
                .actor(&id)
                .subject(&id)
                .from(&caller),
        );
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "accepted"}))).into_response())
}

/// How tokens are delivered.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Delivery {
    /// In cookies that scripts cannot read.
    #[default]
    Cookie,
    /// In the answer, for clients that are no browsers.
    Body,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    email: String,
    password: Typed,
    #[serde(default)]
    delivery: Delivery,
}

/// `POST /api/auth/login`: a new session. The one presented, if any, ends.
pub(crate) async fn login(
    State(app): State<App>,
    address: ClientAddr,
    caller: Caller,
    headers: HeaderMap,
    Input(input): Input<Login>,
) -> ApiResult<Response> {
    let email = input.email.trim().to_lowercase();
    let asking = Asking {
        address,
        headers: &headers,
        caller: &caller,
    };
    let Proven { user, device } = verify(&app, asking, &email, input.password)
        .await?
        .ok_or_else(ApiError::invalid_credentials)?;
    if let Some(presented) = app.cookies.refresh_token(&headers) {
        app.issuer
            .end_by_refresh_token(presented, EndReason::Logout)
            .await?;
    }
    let session = NewSession::of(&user.id)
        .client(client::describe(&headers))
        .address(address.to_string())
        .claim("roles", vec![user.role.clone()]);
    let tokens = app.issuer.start(session).await?;
    // The password may have been changed since it was compared: whoever knows
    // only the old one must not keep a session that the change did not see.
    let now = app.db.user(&user.id).await?;
    if now.is_none_or(|now| now.is_locked() || now.password_hash != user.password_hash) {
        app.issuer
            .end_by_refresh_token(tokens.refresh_token(), EndReason::CredentialsChanged)
            .await?;
        return Err(ApiError::invalid_credentials());
    }
    app.audit.note(
        Entry::info("authn_login_success")
            .actor(&user.id)
            .subject(&user.id)
            .session(Some(tokens.session().sid.as_str()))
            .from(&caller),
    );
    let mut response = deliver(&app, &tokens, input.delivery, &user);
    // However tokens are delivered: it opens nothing.
    set_cookies(&mut response, device);
    Ok(response)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    refresh_token: Option<RefreshTokenText>,
}

/// A refresh token in a body. Not printed.
#[derive(Deserialize)]
#[serde(transparent)]
struct RefreshTokenText(String);

impl std::fmt::Debug for RefreshTokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `POST /api/auth/refresh`: new tokens, the way the old one came.
pub(crate) async fn refresh(
    State(app): State<App>,
    headers: HeaderMap,
    OptionalInput(input): OptionalInput<Refresh>,
) -> ApiResult<Response> {
    let cookie = app.cookies.refresh_token(&headers);
    let (token, delivery) = match (&input.refresh_token, cookie) {
        (Some(_), Some(_)) => {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "send one refresh token, in one place",
            ));
        }
        (Some(RefreshTokenText(token)), None) => (token.as_str(), Delivery::Body),
        (None, Some(token)) => (token, Delivery::Cookie),
        (None, None) => {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "refresh_invalid",
                "there is no refresh token",
            ));
        }
    };
    let tokens = match app.issuer.refresh(token).await {
        Ok(tokens) => tokens,
        Err(error) => {
            let known = error.kind() != RefreshErrorKind::Unavailable;
            let mut response = ApiError::from(error.into_rejection()).into_response();
            if known && delivery == Delivery::Cookie {
                set_cookies(&mut response, app.cookies.clear());
            }
            return Ok(response);
        }
    };
    let user = app.db.user(&tokens.session().subject).await?;
    let (reason, code, detail) = match &user {
        None => (
            EndReason::AccountClosed,
            "session_revoked",
            "the account is gone",
        ),
        Some(user) if user.is_locked() => (
            EndReason::SecurityIncident,
            "reauthentication_required",
            "sign in again",
        ),
        Some(user) => return Ok(deliver(&app, &tokens, delivery, user)),
    };
    app.issuer
        .end_by_refresh_token(tokens.refresh_token(), reason)
        .await?;
    let refused = ApiError::new(StatusCode::UNAUTHORIZED, code, detail);
    Err(refused.member("reason", reason.as_str()))
}

fn deliver(app: &App, tokens: &IssuedTokens, delivery: Delivery, user: &User) -> Response {
    let access = tokens.access_token();
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": access.lifetime().as_secs(),
        "user": {"id": user.id, "email": user.email, "role": user.role},
    });
    if delivery == Delivery::Body {
        body["access_token"] = access.as_str().into();
        body["refresh_token"] = tokens.refresh_token().into();
    }
    let mut response = Json(body).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if delivery == Delivery::Cookie {
        set_cookies(&mut response, app.cookies.set(tokens));
    }
    response
}

fn set_cookies(response: &mut Response, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logout {
    #[serde(default)]
    all: bool,
    refresh_token: Option<RefreshTokenText>,
}

/// `POST /api/auth/logout`: 204, however often; 401 to whoever comes with nothing but an
/// access token that is none any more, for then nothing was ended.
pub(crate) async fn logout(
    State(app): State<App>,
    headers: HeaderMap,
    OptionalInput(input): OptionalInput<Logout>,
) -> ApiResult<Response> {
    let refresh_token = input
        .refresh_token
        .as_ref()
        .map(|text| text.0.as_str())
        .or(app.cookies.refresh_token(&headers));
    let mut caller = match access_claims(&app, &headers) {
        Ok(caller) => caller,
        // A browser forgets its cookies in any case, and may have a refresh token.
        Err(_) if refresh_token.is_some() || !headers.contains_key(AUTHORIZATION) => None,
        Err(kind) => return Err(stale(kind)),
    };
    if let (true, None, Some(token)) = (input.all, &caller, refresh_token) {
        // Only the store knows whose token this is. If it does not answer,
        // "everywhere" would be a lie.
        caller = match app.issuer.refresh(token).await {
            Ok(tokens) => Some((
                tokens.session().subject.clone(),
                Some(tokens.session().sid.clone()),
            )),
            Err(error) if error.kind() == RefreshErrorKind::Unavailable => {
                return Err(error.into_rejection().into());
            }
            Err(_) => None,
        };
    }
    if let Some((subject, sid)) = &caller {
        let which = match sid {
            Some(sid) if !input.all => EndSessions::One { subject, sid },
            _ => EndSessions::Subject {
                subject,
                keep: None,
            },
        };
        app.issuer.end(which, EndReason::Logout).await?;
    }
    if let Some(token) = refresh_token {
        app.issuer
            .end_by_refresh_token(token, EndReason::Logout)
            .await?;
    }
    Ok(signed_out(&app))
}

/// Answers 204 and makes a browser forget.
pub(crate) fn signed_out(app: &App) -> Response {
    const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookies(&mut response, app.cookies.clear());
    response.headers_mut().insert(
        CLEAR_SITE_DATA,
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    response
}

/// Refuses to have ended what a token that is none any more belonged to.
fn stale(kind: VerifyErrorKind) -> ApiError {
    let (code, detail) = match kind {
        VerifyErrorKind::Expired => (
            "token_expired",
            "the token expired; send the refresh token instead",
        ),
        _ => ("token_invalid", "the token is not valid"),
    };
    ApiError::new(StatusCode::UNAUTHORIZED, code, detail)
}

/// Subject and session of an access token.
type Holder = (String, Option<String>);

/// Who holds the access token that came along, wherever it is; a session that was ended
/// can end nothing.
fn access_claims(app: &App, headers: &HeaderMap) -> Result<Option<Holder>, VerifyErrorKind> {
    use tower_rampart::clock::{Clock as _, SystemClock};
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.split_once(' '));
    let token = match bearer {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token),
        _ => app.cookies.access_token(headers),
    };
    let Some(token) = token else { return Ok(None) };
    let now = SystemClock.unix_now();
    let claims = app.issuer.verifier().verify(token, now);
    let claims = claims.map_err(|error| error.kind())?;
    // Where nobody knows whether it was ended, the store is asked to end it, and says so if
    // it cannot.
    let known = app.issuer.revocations().check(&claims, now);
    if matches!(known, Err(RevokedToken::Ended(_))) {
        return Ok(None);
    }
    let session = claims.session().map(str::to_owned);
    Ok(Some((claims.subject().to_owned(), session)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reauth {
    password: Typed,
}

/// `POST /api/auth/reauth`: an access token that says the caller has just
/// proved who they are.
pub(crate) async fn reauth(
    State(app): State<App>,
    principal: Principal,
    address: ClientAddr,
    caller: Caller,
    headers: HeaderMap,
    UsesBearer(bearer): UsesBearer,
    Input(input): Input<Reauth>,
) -> ApiResult<Response> {
    let user = app
        .db
        .user(principal.subject())
        .await?
        .ok_or_else(ApiError::invalid_credentials)?;
    let asking = Asking {
        address,
        headers: &headers,
        caller: &caller,
    };
    verify(&app, asking, &user.email, input.password)
        .await?
        .ok_or_else(ApiError::invalid_credentials)?;
    let over = || {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "session_revoked",
            "the session was ended; sign in again",
        )
    };
    let sid = principal.session().ok_or_else(over)?;
    let token = app.issuer.reauthenticate(sid).await?.ok_or_else(over)?;
    let mut body = json!({"token_type": "Bearer", "expires_in": token.lifetime().as_secs()});
    if bearer {
        body["access_token"] = token.as_str().into();
    }
    let mut response = Json(body).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !bearer {
        set_cookies(&mut response, [app.cookies.set_access(&token)]);
    }
    Ok(response)
}
