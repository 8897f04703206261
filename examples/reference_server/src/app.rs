//! The routes, and what their handlers share.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use http::HeaderMap;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_rampart::clock::{Clock as _, SystemClock};
use tower_rampart::password::LoginHasher;
use tower_rampart::rate_limit::LoginGuard;
use tower_rampart::session::{SessionCookies, TokenIssuer};
use tower_rampart::stack::{RampartExt as _, Secured};
#[cfg(feature = "s3")]
use tower_rampart::upload::UploadLayer;
use tracing::Instrument as _;

use crate::audit::{self, Audit};
use crate::credentials::NewPasswords;
use crate::db::Db;
use crate::desk::Desk;
use crate::health::Readiness;
use crate::layers::Layers;
use crate::mail::Post;
use crate::objects::Objects;
use crate::respond::{self, ApiError};
use crate::switches::{self, Switches};
use crate::{
    admin, auth, drain, health, images, me, page, patience, recovery, sessions, telemetry,
};

/// The largest JSON body, in bytes.
const JSON_BYTES: usize = 16 * 1024;

/// How long any request but an upload may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) db: Db,
    pub(crate) objects: Objects,
    pub(crate) issuer: TokenIssuer,
    pub(crate) cookies: SessionCookies,
    pub(crate) hasher: LoginHasher,
    pub(crate) new_passwords: NewPasswords,
    pub(crate) login_guard: LoginGuard,
    pub(crate) upload: Arc<UploadLimits>,
    pub(crate) readiness: Readiness,
    pub(crate) contact: Arc<Contact>,
    pub(crate) audit: Audit,
    pub(crate) post: Post,
    pub(crate) desk: Desk,
    pub(crate) switches: Switches,
    /// Turns for pictures that are whole in memory.
    pub(crate) keeping: Arc<Semaphore>,
    /// The rules for pictures that go straight to a bucket.
    #[cfg(feature = "s3")]
    pub(crate) direct_upload: UploadLayer,
}

/// Whom to tell about a hole, and about which service.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) uri: String,
    pub(crate) public_url: String,
}

/// What is told to front ends about uploads.
#[derive(Debug)]
pub(crate) struct UploadLimits {
    pub(crate) max_bytes: u64,
    pub(crate) max_pixels: u64,
    /// How many bytes of pictures an account may keep.
    pub(crate) quota_bytes: u64,
}

/// Puts the routes behind their layers.
pub(crate) fn router(app: App, layers: &Layers) -> Secured {
    let changes =
        || axum::middleware::from_fn_with_state(app.switches.clone(), switches::refuse_changes);
    let too_long = || axum::middleware::from_fn_with_state(JSON_BYTES, drain::too_long);
    let in_time = || axum::middleware::from_fn_with_state(PATIENCE, patience::in_time);
    let with_password = Router::new()
        .route("/api/auth/register", post(auth::register))
        .route_layer(changes())
        .route("/api/auth/login", post(auth::login))
        .route("/api/auth/password/forgot", post(recovery::forgot))
        .route("/api/auth/password/reset", post(recovery::reset))
        .route_layer(layers.login.clone());
    let public = Router::new()
        .merge(with_password)
        .route("/api/auth/refresh", post(auth::refresh))
        .route("/api/auth/logout", post(auth::logout))
        .route_layer(layers.public.clone());

    let proving = Router::new()
        .route("/api/auth/reauth", post(auth::reauth))
        .route("/api/me/password", put(me::change_password))
        .route_layer(layers.strict.clone())
        .route_layer(layers.login.clone());
    let irrevocable = Router::new()
        .route("/api/me", delete(me::delete))
        .route_layer(changes())
        .route_layer(layers.strict.clone())
        .route_layer(layers.fresh.clone());
    let administration = admin::routes()
        .route_layer(axum::middleware::from_fn(to_the_end))
        .route_layer(layers.strict.clone())
        .route_layer(layers.admin.clone());
    let kept = Router::new()
        .route("/api/me", get(me::show).patch(me::change))
        .route("/api/images", get(images::list))
        .route("/api/images/{id}", get(images::show).delete(images::delete))
        .route("/api/images/{id}/content", get(images::content));
    #[cfg(feature = "s3")]
    let kept = kept
        .route("/api/images/direct", post(crate::direct::begin))
        .route("/api/images/direct/{id}", post(crate::direct::complete));
    let account = Router::new()
        .merge(proving)
        .merge(irrevocable)
        .merge(administration)
        .merge(kept.route_layer(changes()))
        .route("/api/auth/sessions", get(sessions::list))
        .route("/api/auth/sessions/{sid}", delete(sessions::end))
        // An upload may take longer than any other request.
        .layer(in_time())
        .layer(too_long())
        .layer(DefaultBodyLimit::max(JSON_BYTES));
    let uploads = Router::new()
        .route(
            "/api/images",
            post(images::upload).route_layer(layers.image_upload.clone()),
        )
        .route(
            "/api/me/avatar",
            put(images::upload_avatar).route_layer(layers.avatar_upload.clone()),
        )
        .route_layer(changes())
        .layer(DefaultBodyLimit::disable());
    let read_on = |most: u64| axum::middleware::from_fn_with_state(most, drain::refused_bodies);
    let uploads = uploads
        .route_layer(layers.account.clone())
        .route_layer(read_on(app.upload.max_bytes));
    let refusals = audit::Refusals::new(app.audit.clone());
    let noted = axum::middleware::from_fn_with_state(refusals, audit::note_refusals);
    let account = account
        .route_layer(noted)
        .route_layer(layers.account.clone())
        .route_layer(read_on(JSON_BYTES as u64))
        .merge(uploads);

    let public = public
        .layer(in_time())
        .layer(too_long())
        .layer(DefaultBodyLimit::max(JSON_BYTES))
        .route_layer(read_on(JSON_BYTES as u64));

    Router::new()
        .merge(public)
        .merge(account)
        .merge(health::routes())
        .merge(page::routes())
        .route("/.well-known/jwks.json", get(published_keys))
        .route("/.well-known/upload-policy", get(images::policy))
        .route("/.well-known/security.txt", get(security_txt))
        .fallback(async || ApiError::not_found())
        .with_state(app)
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send>| {
            respond::panicked(&*panic)
        }))
        .layer(axum::middleware::from_fn(respond::render))
        .layer(axum::middleware::from_fn(telemetry::measure))
        .rampart(&layers.edge)
}

/// Lets a handler come to its end, whoever goes away or stops waiting meanwhile: what
/// it does is not to be done by half.
async fn to_the_end(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        // A panic is answered for further outside.
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// `GET /.well-known/jwks.json`: the public keys, for those who verify our
/// tokens; none while a secret makes them.
async fn published_keys(State(app): State<App>, headers: HeaderMap) -> Response {
    let now = SystemClock.unix_now();
    let answer = app.issuer.keys().jwks_response(&headers, now);
    answer.map(Body::from)
}

/// How long what `security.txt` says is good; it is written anew for each request.
const CONTACT_GOOD_FOR: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// `GET /.well-known/security.txt` (RFC 9116): whom to tell about a hole.
async fn security_txt(State(app): State<App>) -> Response {
    let expires = SystemClock.unix_now().plus(CONTACT_GOOD_FOR).as_u64();
    let expires = crate::audit::datetime(i64::try_from(expires).unwrap_or(i64::MAX));
    let Contact { uri, public_url } = &*app.contact;
    let text = format!(
        "Contact: {uri}\nExpires: {expires}\nPreferred-Languages: en\nCanonical: {public_url}/.well-known/security.txt\n"
    );
    let kind = [(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (kind, text).into_response()
}
