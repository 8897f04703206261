//! How handlers refuse, and how everything that is not ours to answer is
//! turned into the same kind of answer.

use std::any::Any;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode, Version, request};
use tower_rampart::identity::RequestId;
use tower_rampart::password::HashBusy;
use tower_rampart::rejection::{Rejection, RejectionCode, Renderer};
use tracing::Instrument as _;

/// A refusal by a handler.
#[derive(Debug)]
pub(crate) struct ApiError(Rejection);

/// What a handler gives back.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// Refuses with a code of this server's own.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self(Rejection::new(status, RejectionCode::Other(code)).detail(detail))
    }

    /// Adds a member to the problem document.
    pub(crate) fn member(self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        Self(self.0.member(name, value))
    }

    /// Says when to come back.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        Self(self.0.retry_after(after))
    }

    /// There is no such thing, or it is somebody else's.
    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no such thing here",
        )
    }

    /// A query has a parameter that means nothing here, or a value of another type.
    pub(crate) fn query(known: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_query",
            "a parameter is not known here, or has a value of another type",
        )
        .member("parameters", known)
    }

    /// The account was removed since the token was issued.
    pub(crate) fn account_gone() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "session_revoked",
            "the account is gone",
        )
    }

    /// A sign-in failed. Unknown, locked and wrong look alike.
    pub(crate) fn invalid_credentials() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
            "address and password do not match",
        )
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self(rejection)
    }
}

impl From<HashBusy> for ApiError {
    fn from(busy: HashBusy) -> Self {
        let rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, RejectionCode::Overloaded)
            .kind("password-pool");
        Self(
            rejection
                .detail("too many sign-ins at once; try again")
                .retry_after(busy.retry_after()),
        )
    }
}

/// A part of the server failed. The log says what; the client does not learn it.
impl<E: Into<Failure>> From<E> for ApiError {
    fn from(error: E) -> Self {
        let Failure { what, error } = error.into();
        tracing::error!(
            what,
            error = &*error as &(dyn std::error::Error + 'static),
            "request failed"
        );
        if is_away(&*error) {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Self(
                Rejection::new(status, RejectionCode::TemporarilyUnavailable)
                    .kind(what)
                    .retry_after(Duration::from_secs(1)),
            );
        }
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "something went wrong here; it was logged",
        )
    }
}

/// Whether the database or the object store did not answer, so that trying again
/// may help.
fn is_away(error: &(dyn std::error::Error + 'static)) -> bool {
    use sqlx::Error;
    if let Some(object_store::Error::Generic { .. }) = error.downcast_ref() {
        return true;
    }
    let causes = std::iter::successors(Some(error), |error| error.source());
    let asked = causes.filter_map(|cause| cause.downcast_ref::<Error>());
    asked.into_iter().any(|error| match error {
        Error::PoolTimedOut | Error::PoolClosed | Error::Io(_) | Error::Tls(_) => true,
        // Something else answers in its place, or hangs up.
        Error::Protocol(_) => true,
        // Postgres stops, starts, takes too long or has no room (classes 57 and 53); it
        // is gone, takes nobody or not us just now (08, 28, 55000); it only reads, as one
        // that was not promoted yet (25006); or somebody holds a lock (55P03).
        Error::Database(error) => error.code().is_some_and(|code| {
            ["57", "53", "08", "28"]
                .iter()
                .any(|class| code.starts_with(class))
                || ["55P03", "55000", "25006"].contains(&&*code)
        }),
        _ => false,
    })
}

/// Errors that are nobody's business but the operator's.
#[derive(Debug)]
pub(crate) struct Failure {
    what: &'static str,
    error: Box<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    /// Something of `what` failed.
    pub(crate) fn new(
        what: &'static str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            what,
            error: error.into(),
        }
    }
}

macro_rules! failures {
    ($($error:ty => $what:literal),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { what: $what, error: error.into() }
            }
        }
    )*};
}

failures! {
    sqlx::Error => "database",
    object_store::Error => "object-store",
    std::io::Error => "object-store",
    tokio::task::JoinError => "task",
    tower_rampart::session::StoreError => "session-store",
    tower_rampart::password::BreachError => "leaked-passwords",
    tower_rampart::session::IssueError => "token-issuer",
}

/// A refusal on its way to [`render`], which knows the request's identifier.
#[derive(Clone)]
struct Unrendered(Arc<Mutex<Option<Rejection>>>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response
            .extensions_mut()
            .insert(Unrendered(Arc::new(Mutex::new(Some(self.0)))));
        response
    }
}

/// Renders refusals of handlers, and whatever else failed without a body, such
/// as a wrong method or a timeout. What is logged meanwhile names the request.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let head = essentials(&request);
    let id = request.extensions().get().map_or("", RequestId::as_str);
    let span = tracing::info_span!("request", request_id = id, method = %request.method());
    let refused = match malformed(&request) {
        Some(detail) => Some((StatusCode::BAD_REQUEST, "invalid_request", detail)),
        // RFC 9112, section 6.1.
        None if has_another_coding(&request) => {
            let detail = "only chunked is understood";
            Some((
                StatusCode::NOT_IMPLEMENTED,
                "unsupported_transfer_encoding",
                detail,
            ))
        }
        None => None,
    };
    let mut response = match refused {
        Some((status, code, detail)) => ApiError::new(status, code, detail).into_response(),
        None => next.run(request).instrument(span).await,
    };
    // A length of nothing would be that of the whole (RFC 9110, section 8.6), and axum
    // tells a HEAD the length of every body that has one.
    if response.status() == StatusCode::NOT_MODIFIED && head.method == Method::HEAD {
        let nothing = futures_util::stream::empty::<Result<Bytes, Infallible>>();
        *response.body_mut() = Body::from_stream(nothing);
    }
    let refused = response.extensions_mut().remove::<Unrendered>();
    let refused = refused.and_then(|unrendered| unrendered.0.lock().ok()?.take());
    let status = response.status();
    // An extractor of axum's refuses in plain text.
    let kind = response.headers().get(CONTENT_TYPE);
    let bare = (status.is_client_error() || status.is_server_error())
        && kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let rejection = match refused {
        Some(rejection) => rejection,
        None if bare => Rejection::new(status, code_of(status))
            .detail(status.canonical_reason().unwrap_or("refused")),
        None => return response,
    };
    let rendered = rejection.into_response(&head);
    // What the response already said, such as `Allow` or cookies, stays.
    let (mut parts, bytes) = rendered.into_parts();
    // RFC 9110, section 15.5.2: a 401 says by what one is let in.
    if parts.status == StatusCode::UNAUTHORIZED && !parts.headers.contains_key(WWW_AUTHENTICATE) {
        let challenge = HeaderValue::from_static("Bearer realm=\"api\"");
        parts.headers.insert(WWW_AUTHENTICATE, challenge);
    }
    let rendered: Vec<_> = parts.headers.keys().cloned().collect();
    for (name, value) in response.headers() {
        if *name != CONTENT_LENGTH && !rendered.contains(name) {
            parts.headers.append(name, value.clone());
        }
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// What is wrong with a head, wherever it leads.
fn malformed(request: &Request) -> Option<&'static str> {
    // Nothing here has a NUL in its name, and Postgres takes no text with one.
    let nul = |text: &str| text.contains("%00");
    if nul(request.uri().path()) || request.uri().query().is_some_and(nul) {
        return Some("the URL has a NUL in it");
    }
    // RFC 9112, section 3.2: none, and more than one, are refused.
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    let target = request.uri().authority();
    // RFC 9113, section 8.3.1, and RFC 9110, section 4.2.4.
    if target.is_some_and(|target| target.as_str().contains('@')) {
        return Some("the target names a user");
    }
    let later = request.version() >= Version::HTTP_2;
    let Some(host) = host else {
        return match request.version() {
            Version::HTTP_11 => Some("HTTP/1.1 needs a Host"),
            _ if later && target.is_none() => Some("HTTP/2 needs an :authority, or a Host"),
            _ => None,
        };
    };
    let named: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    match named {
        _ if more.is_some() => Some("there is more than one Host"),
        Some(named) if named.as_str().contains('@') => Some("the Host is none"),
        // RFC 9113, section 8.3.1. With HTTP/1.1 a target that names one counts instead.
        Some(named) if later && target.is_some_and(|target| *target != named) => {
            Some("Host and :authority differ")
        }
        Some(_) => None,
        None => Some("the Host is none"),
    }
}

/// Tells whether a body comes in a coding that nobody here takes away.
fn has_another_coding(request: &Request) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let first = codings.next();
    first.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
}

fn code_of(status: StatusCode) -> RejectionCode {
    RejectionCode::Other(match status {
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::REQUEST_TIMEOUT => "request_timeout",
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        status if status.is_client_error() => "bad_request",
        _ => "internal_error",
    })
}

/// Keeps of a request what rendering needs.
fn essentials(request: &Request) -> request::Parts {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = request.method().clone();
    if let Some(id) = request.extensions().get::<RequestId>() {
        head.extensions.insert(id.clone());
    }
    if let Some(renderer) = request.extensions().get::<Renderer>() {
        head.extensions.insert(renderer.clone());
    }
    head
}

/// Turns a panic of a handler into an answer. The message goes to the log only.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = message.unwrap_or("no message"), "handler panicked");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        "something went wrong here; it was logged",
    )
    .into_response()
}
