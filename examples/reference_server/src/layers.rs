//! The layers, put together from the configuration.

use std::time::Duration;

use http::header::{
    AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderName, Method};
use tower_rampart::context::ContextLayer;
use tower_rampart::cors::CorsLayer;
use tower_rampart::csrf::{CsrfLayer, OriginPolicy};
use tower_rampart::jwt::{JwtLayer, RequireLayer, Source};
use tower_rampart::rate_limit::{Key, LoginGuard, Quota, RateLimitLayer};
use tower_rampart::secret::Secret;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::session::{
    MemoryStore, RefreshStore, SessionCookies, SessionLayer, StrictSessionLayer, TokenIssuer,
    TokenIssuerBuilder,
};
use tower_rampart::stack::Rampart;
use tower_rampart::upload::{FileRule, TextRule, UploadLayer};

use crate::config::Config;
use crate::limits::Limits;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long ago a caller may have signed in to do what cannot be undone.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// The role of administrators.
const ADMIN: &str = "admin";

/// Every layer the server uses.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    /// Around everything: names requests, adds headers, answers preflights.
    pub(crate) edge: Rampart,
    /// Around what only operators reach.
    pub(crate) operators: Rampart,
    /// Around API routes that need no token.
    pub(crate) public: Rampart,
    /// Around API routes that do.
    pub(crate) account: Rampart,
    /// Asks the database whether the session is over, inside `account`.
    pub(crate) strict: StrictSessionLayer,
    /// Demands a recent sign-in, inside `account`.
    pub(crate) fresh: RequireLayer,
    /// Demands an administrator who signed in recently, inside `account`.
    pub(crate) admin: RequireLayer,
    /// Limits by address what takes a password.
    pub(crate) login: RateLimitLayer,
    /// Limits failures by account and known device; asked by handlers.
    pub(crate) login_guard: LoginGuard,
    /// Guards the form with a picture.
    pub(crate) image_upload: UploadLayer,
    /// Guards the body that is a picture.
    pub(crate) avatar_upload: UploadLayer,
    #[cfg(feature = "s3")]
    pub(crate) direct_upload: UploadLayer,
}

/// Starts the issuer of a configuration; its lifetimes are checked by `build`.
pub(crate) fn issuer_builder(
    config: &Config,
    store: impl RefreshStore,
    secret: &Secret,
) -> TokenIssuerBuilder {
    let builder = TokenIssuer::builder(store)
        .secret(secret)
        .issuer(&config.public_url)
        .audience("rampart-api")
        .access_lifetime(config.access_ttl)
        .idle_lifetime(config.refresh_idle)
        .absolute_lifetime(config.refresh_absolute)
        .grace(config.refresh_grace);
    config
        .previous_secrets
        .iter()
        .fold(builder, |builder, previous| {
            builder.previous_secret(previous)
        })
}

impl Layers {
    /// Builds the layers around an issuer that keeps nothing, to explain them.
    ///
    /// # Errors
    ///
    /// If a layer refuses its settings.
    pub(crate) fn without_store(config: &Config) -> Result<Self> {
        let secret = Secret::random(48);
        let issuer = issuer_builder(config, MemoryStore::new(), &secret).build()?;
        Self::new(config, &issuer, &Limits::alone(), &secret)
    }

    /// Builds the layers.
    ///
    /// # Errors
    ///
    /// If a layer refuses its settings.
    pub(crate) fn new(
        config: &Config,
        issuer: &TokenIssuer,
        limits: &Limits,
        secret: &Secret,
    ) -> Result<Self> {
        let https = config.public_url.starts_with("https://");
        let limit = |name: &str, quota: Quota| {
            limits
                .limit(name, quota)
                .client_addr(config.client_addr.clone())
        };
        let guard = limits
            .guard("login")
            .account(config.limit_login_account)
            .devices(secret);
        let previous = config.previous_secrets.iter();
        let guard = previous.fold(guard, |guard, secret| guard.previous_devices(secret));

        let mut headers = SecurityHeadersLayer::api();
        if https {
            headers = headers.hsts(Duration::from_secs(365 * 24 * 60 * 60));
        }
        let edge = Rampart::builder()
            .context(ContextLayer::new().client_addr(config.client_addr.clone()))
            .security_headers(headers.build()?)
            .cors(cors(&config.origins)?)
            .build()?;

        let operators = Rampart::builder()
            .context(ContextLayer::new())
            .security_headers(SecurityHeadersLayer::api().build()?)
            .build()?;

        let csrf = csrf(config)?;
        let api = limit("api-address", config.limit_api).build()?;
        let public = Rampart::builder()
            .rate_limit(api.clone())
            .csrf(csrf.clone())
            .build()?;
        let account = Rampart::builder()
            .rate_limit(api)
            .csrf(csrf)
            .session(
                SessionLayer::new(issuer.clone(), SessionCookies::default())
                    .origins(&config.origins),
            )
            .jwt(jwt(issuer)?)
            .rate_limit_subject(
                limit("api-subject", config.limit_api)
                    .key(Key::Subject)
                    .build()?,
            )
            .build()?;

        let file = FileRule::images()
            .max_bytes(config.upload_max_bytes)
            .max_pixels(config.upload_max_pixels);
        Ok(Self {
            edge,
            operators,
            public,
            account,
            strict: StrictSessionLayer::new(issuer.clone()),
            fresh: RequireLayer::fresh(FRESH).build()?,
            admin: RequireLayer::role(ADMIN).require_fresh(FRESH).build()?,
            login: limit("login-address", config.limit_login_ip).build()?,
            login_guard: guard.build()?,
            image_upload: UploadLayer::multipart()
                .file("file", file.clone().required())
                .text("title", TextRule::max_bytes(200))
                .build()?,
            #[cfg(feature = "s3")]
            direct_upload: UploadLayer::raw(file.clone()).build()?,
            avatar_upload: UploadLayer::raw(file).require_length().build()?,
        })
    }
}

fn jwt(issuer: &TokenIssuer) -> Result<JwtLayer> {
    let cookie = Source::Cookie(SessionCookies::default().access_name().to_owned());
    let layer = issuer
        .jwt_layer()
        .sources([Source::Bearer, cookie])
        .build()?;
    Ok(layer)
}

fn cors(origins: &OriginPolicy) -> Result<CorsLayer> {
    const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
    const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    let layer = CorsLayer::credentialed(origins)
        .methods([Method::PUT, Method::PATCH, Method::DELETE])
        .request_headers([AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, IF_RANGE, RANGE])
        .expose([
            CONTENT_RANGE,
            ETAG,
            RATELIMIT,
            RATELIMIT_POLICY,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
            X_REQUEST_ID,
        ])
        .build()?;
    Ok(layer)
}

/// In production the server's own origin is known, scheme and port included;
/// in development it is reached under several names.
fn csrf(config: &Config) -> Result<CsrfLayer> {
    let mut builder = CsrfLayer::builder().origins(&config.origins);
    if config.production {
        builder = builder.own_origins(&OriginPolicy::builder().origin(&config.public_url).build()?);
    }
    Ok(builder.build()?)
}
