//! The same work as in `tables`, beside more of those who do it.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, StatusCode};
use jsonwebtoken10::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use tower::Layer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;
use tower_rampart::identity::Principal;
use tower_rampart::rate_limit::Key;
use tower_rampart::upload::{FileRule, Kind, UploadLayer};

use crate::report::Row;
use crate::tables::{SECRET, keys, limit, our_jwt, row};
use crate::{Nothing, PLENTY};

type Asked<'a> = &'a dyn Fn() -> Request<Body>;

pub(crate) fn measure(asked: Asked<'_>) -> Vec<Row> {
    vec![
        extractor(asked),
        resource_server(asked),
        axum_governor(asked),
        throttle_kit(asked),
        multipart(),
    ]
}

/// As an extractor of a handler, on both sides.
fn extractor(asked: Asked<'_>) -> Row {
    let keys = keys();
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[keys.issuer()]);
    rules.set_audience(&[keys.audience()]);
    let decoder = axum_jwt_auth::LocalDecoder::builder()
        .keys(vec![DecodingKey::from_secret(SECRET.as_bytes())])
        .validation(rules)
        .build();
    let decoder: axum_jwt_auth::Decoder<Value> = Arc::new(decoder.expect("valid"));
    let theirs = Router::new()
        .route(
            "/api/images",
            get(|claims: axum_jwt_auth::Claims<Value>| async move {
                assert!(claims.claims["sub"].is_string());
            }),
        )
        .with_state(decoder);
    let ours = Router::new()
        .route(
            "/api/images",
            get(|user: Principal| async move {
                assert!(!user.subject().is_empty());
            }),
        )
        .layer(our_jwt());
    row(
        "JWT, HS256, in a handler",
        "axum-jwt-auth 0.7",
        asked,
        200,
        (ours, theirs),
    )
}

fn resource_server(asked: Asked<'_>) -> Row {
    let keys = keys();
    let key = URL_SAFE_NO_PAD.encode(SECRET);
    let set = format!(r#"{{"keys":[{{"kty":"oct","k":"{key}","kid":"k","alg":"HS256"}}]}}"#);
    let audience = vec![keys.audience().to_owned()];
    let rules = ClaimsValidationSpec::new().exp(true).aud(&audience);
    let tenant = TenantConfiguration::static_builder(set)
        .identifier(keys.issuer())
        .claims_validation(rules.iss(keys.issuer()))
        .allowed_algorithms(&[jsonwebtoken11::Algorithm::HS256])
        .build();
    let server = <OAuth2ResourceServer<Value>>::builder()
        .add_tenant(tenant.expect("valid"))
        .build();
    let server = crate::now(server).expect("valid");
    row(
        "JWT, HS256",
        "tower-oauth2-resource-server 0.12",
        asked,
        200,
        (our_jwt().layer(Nothing), server.into_layer().layer(Nothing)),
    )
}

fn axum_governor(asked: Asked<'_>) -> Row {
    let million = NonZeroU32::new(1_000_000).expect("positive");
    let burst = NonZeroU32::new(PLENTY).expect("positive");
    let config = axum_governor::GovernorConfigBuilder::default()
        .with_extractor(axum_governor::PeerIp::default())
        .expect_connect_info()
        .gc_disable()
        .quota_default(axum_governor::Quota::requests_per_second(million).burst(burst))
        .finish();
    let theirs = axum_governor::GovernorLayer::new(config.expect("valid"));
    let ours = limit("api", Key::ClientAddr);
    row(
        "limit, with fields",
        "axum-governor 2.1",
        asked,
        200,
        (ours.layer(Nothing), theirs.layer(Nothing)),
    )
}

fn throttle_kit(asked: Asked<'_>) -> Row {
    let quota = throttle_kit::Quota::per_second(1_000_000).allow_burst(PLENTY);
    let backend = throttle_kit::InMemoryBackend::new();
    let theirs = throttle_kit::RateLimitLayer::new(quota, backend);
    let ours = limit("api", Key::ClientAddr);
    row(
        "limit, with fields",
        "throttle-kit 2.1",
        asked,
        200,
        (ours.layer(Nothing), theirs.layer(Nothing)),
    )
}

/// A picture of 64 KiB in a form: cut, measured and read to its end by an axum
/// handler; on our side it is also looked at and its name is judged.
fn multipart() -> Row {
    let mut form = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
          Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n"
        .to_vec();
    form.extend((0_u32..1 << 16).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    form.extend(b"\r\n--x--\r\n");
    let form = bytes::Bytes::from(form);
    let asked = move || {
        Request::post("/")
            .header("content-type", "multipart/form-data; boundary=x")
            .header("content-length", form.len())
            .body(Body::from(form.clone()))
            .expect("legal")
    };
    async fn read(mut form: axum::extract::Multipart) -> StatusCode {
        while let Ok(Some(mut field)) = form.next_field().await {
            while let Ok(Some(chunk)) = field.chunk().await {
                std::hint::black_box(chunk);
            }
        }
        StatusCode::OK
    }
    let router = || {
        let router = Router::new().route("/", post(read));
        router.layer(DefaultBodyLimit::disable())
    };
    let rule = FileRule::kinds([Kind::Png]).max_bytes(1 << 20);
    let layer = UploadLayer::multipart()
        .file("file", rule)
        .max_total_bytes(1 << 20)
        .build();
    row(
        "an upload of 64 KiB, judged",
        "tower-http 0.7 and multer 3",
        &asked,
        200,
        (
            router().layer(layer.expect("valid")),
            router().layer(RequestBodyLimitLayer::new(1 << 20)),
        ),
    )
}
