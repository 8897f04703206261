//! Origins over HTTP: what browsers, proxies and attackers send, and what they
//! get.
//!
//! The configurations are those of a small team: D for development, P for
//! production, W for a public service, and S, everything around a whole app.

mod costs;
mod lists;
mod table;
mod vectors;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{any, get, post};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header};
use tower_rampart::clock::ManualClock;
use tower_rampart::clock::UnixSeconds;
use tower_rampart::context::ContextLayer;
use tower_rampart::cors::{CorsLayer, CorsLayerBuilder, OriginPolicy};
use tower_rampart::csrf::{CsrfLayer, CsrfLayerBuilder};
use tower_rampart::identity::Principal;
use tower_rampart::jwt::{JwtLayer, Source};
use tower_rampart::rate_limit::{Quota, RateLimitLayer};
use tower_rampart::rejection::{Rejection, RejectionCode};
use tower_rampart::secret::Secret;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::session::{MemoryStore, NewSession, SessionCookies, TokenIssuer};
use tower_rampart::stack::{Rampart, RampartExt as _};
use tower_rampart::upload::{FileRule, UploadLayer};

use crate::support::Answer;
use crate::support::http::Site;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) fn dev_origins() -> OriginPolicy {
    let list =
        OriginPolicy::builder().csv("ORIGINS", "http://localhost:5173,http://localhost:3000");
    list.build().expect("valid")
}

fn production_origins() -> OriginPolicy {
    let list = OriginPolicy::builder()
        .csv(
            "ORIGINS",
            "https://app.example.com,https://foo.com,https://bar.com",
        )
        .subdomains_of("https://tenant.example.com")
        .production();
    list.build().expect("valid")
}

/// D, or with other origins P.
pub(crate) fn credentialed(origins: &OriginPolicy) -> CorsLayerBuilder {
    CorsLayer::credentialed(origins)
        .methods([Method::PUT, Method::PATCH, Method::DELETE])
        .request_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose([X_REQUEST_ID, header::RETRY_AFTER])
}

/// Serves a handler that answers 200, and counts how often it was asked, behind
/// CORS alone.
async fn behind(cors: CorsLayer) -> Site {
    behind_headers(cors, HeaderMap::new()).await
}

/// As [`behind`], with headers of the handler's own.
async fn behind_headers(cors: CorsLayer, headers: HeaderMap) -> Site {
    let handler = any(move || {
        let headers = headers.clone();
        async move { (headers, [("x-handler", "ran")], "hello") }
    });
    Site::serve(Router::new().fallback(handler).layer(cors)).await
}

/// S: a whole app behind everything.
struct App {
    site: Site,
    issuer: TokenIssuer,
}

/// Small changes to S.
struct Settings {
    csrf: fn(CsrfLayerBuilder) -> CsrfLayerBuilder,
    quota: &'static str,
    tls: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            csrf: |csrf| csrf,
            quota: "1000/1h",
            tls: false,
        }
    }
}

impl App {
    async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    async fn start_with(settings: Settings) -> Self {
        let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
        let issuer = TokenIssuer::builder(MemoryStore::new())
            .secret(&Secret::random(48))
            .issuer("i")
            .audience("a")
            .clock(clock.clone())
            .build()
            .expect("valid");
        let origins = dev_origins();
        let mut headers = SecurityHeadersLayer::api();
        if settings.tls {
            headers = headers.hsts(std::time::Duration::from_secs(31_536_000));
        }
        let cookie = Source::Cookie(SessionCookies::default().access_name().to_owned());
        let jwt = JwtLayer::builder(issuer.verifier())
            .sources([Source::Bearer, cookie])
            .optional()
            .clock(clock.clone());
        let quota: Quota = settings.quota.parse().expect("a quota");
        let limit = RateLimitLayer::builder("api", quota).clock(clock);
        let image = FileRule::images().max_bytes(1_000);
        let upload = UploadLayer::raw(image).build().expect("valid");
        let csrf = CsrfLayer::builder().origins(&origins);
        let rampart = Rampart::builder()
            .context(ContextLayer::new())
            .security_headers(headers.build().expect("valid"))
            .cors(credentialed(&origins).build().expect("valid"))
            .rate_limit(limit.build().expect("valid"))
            .csrf((settings.csrf)(csrf).build().expect("valid"))
            .jwt(jwt.build().expect("valid"))
            .around_upload(&upload)
            .max_content_length(100_000)
            .build()
            .expect("a safe combination");
        let app = Router::new()
            .route("/things", any(async || "done"))
            .route("/me", get(me))
            .route("/only-get", get(async || "got"))
            .route("/auth/refresh", post(refresh))
            .route("/upload", post(async |_: Bytes| "stored").layer(upload))
            .route("/panic", any(panics))
            .route("/slow", any(slow))
            .route("/ws", get(websocket))
            .route("/hook", post(async || "heard"))
            .with_state(issuer.clone())
            .rampart(&rampart);
        Self {
            site: Site::serve_secured(app).await,
            issuer,
        }
    }

    /// Signs somebody in; returns the refresh cookie.
    async fn refresh_cookie(&self) -> String {
        let tokens = self.issuer.start(NewSession::of("ann")).await;
        format!(
            "__Host-refresh={}",
            tokens.expect("started").refresh_token()
        )
    }
}

async fn me(principal: Principal) -> String {
    principal.subject().to_owned()
}

async fn refresh(State(issuer): State<TokenIssuer>, headers: HeaderMap) -> Response<String> {
    let cookies = SessionCookies::default();
    let token = cookies.refresh_token(&headers).unwrap_or_default();
    let mut response = Response::new(String::new());
    match issuer.refresh(token).await {
        Ok(tokens) => {
            for cookie in cookies.set(&tokens) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
        }
        Err(_) => *response.status_mut() = StatusCode::UNAUTHORIZED,
    }
    response
}

async fn panics() -> &'static str {
    panic!("canary in a handler")
}

/// What a handler says that has waited long enough.
async fn slow(request: axum::extract::Request) -> Response<axum::body::Body> {
    let (head, _) = request.into_parts();
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let rejection = Rejection::new(status, RejectionCode::TemporarilyUnavailable);
    rejection.into_response(&head).map(Into::into)
}

async fn websocket() -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("upgrade"),
    );
    headers.insert(
        header::UPGRADE,
        header::HeaderValue::from_static("websocket"),
    );
    response
}

/// No page may read this, and caches know on what that depends.
#[track_caller]
fn check_closed(answer: &Answer, what: &str) {
    assert_eq!(answer.header_names("access-control-"), [""; 0], "{what}");
    check_varies(answer, what);
}

/// The page of this origin may read this, with its user's credentials.
#[track_caller]
fn check_open(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    let exposed = answer.header("access-control-expose-headers");
    assert_eq!(exposed, Some("x-request-id,retry-after"), "{origin}");
    for preflight_only in ["methods", "headers"] {
        let name = format!("access-control-allow-{preflight_only}");
        assert_eq!(answer.header(&name), None, "{origin}");
    }
    assert_eq!(answer.header("access-control-max-age"), None);
    check_varies(answer, origin);
}

/// `Vary` names `Origin`, once.
#[track_caller]
fn check_varies(answer: &Answer, what: &str) {
    let lines = answer.head.headers.get_all(header::VARY).iter();
    let tokens = lines.flat_map(|line| line.to_str().expect("text").split(','));
    let origins = tokens.filter(|token| token.trim().eq_ignore_ascii_case("origin"));
    assert_eq!(origins.count(), 1, "{what}");
}

/// What every answer of S carries, once each.
#[track_caller]
fn check_strict(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    for absent in ["server", "x-powered-by", "x-xss-protection"] {
        assert_eq!(answer.header(absent), None);
    }
    assert!(answer.header("x-request-id").is_some());
}

#[test]
fn a_list_says_in_words_what_is_on_it() {
    let list = OriginPolicy::builder()
        .origin("https://app.example.com")
        .subdomains_of("https://example.org:8443")
        .subdomains_of("https://example.net")
        .any_port_on("http://localhost")
        .dangerous_allow_insecure_origins()
        .build()
        .expect("valid");
    let told = [
        "any port on http://localhost",
        "https://app.example.com",
        "subdomains of https://example.net",
        "subdomains of https://example.org:8443",
    ];
    assert_eq!(list.entries(), told);
    let shown = format!("{list:?}");
    assert!(told.iter().all(|entry| shown.contains(entry)), "{shown}");
}
