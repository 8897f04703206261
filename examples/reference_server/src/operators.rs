//! What only operators of this machine reach.

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use http::{HeaderValue, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_rampart::stack::{RampartExt as _, Secured};

use crate::app::App;
use crate::layers::Layers;
use crate::respond::{self, ApiError};
use crate::{health, openapi, telemetry};

/// The routes of the loopback listener.
pub(crate) fn routes(app: App, layers: &Layers, metrics: PrometheusHandle) -> Secured {
    let document = openapi::document();
    let text = document.to_pretty_json().unwrap_or_default();
    let page = openapi::page(&document);
    let json = move || async move { ([(CONTENT_TYPE, "application/json")], text.clone()) };
    let docs = move || async move {
        let policy = HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
        );
        ([(CONTENT_SECURITY_POLICY, policy)], Html(page.clone()))
    };
    let style = || async {
        (
            [(CONTENT_TYPE, "text/css; charset=utf-8")],
            include_str!("../web/assets/style.css"),
        )
    };
    Router::new()
        .route(
            "/metrics",
            get(telemetry::show).with_state((app.clone(), metrics)),
        )
        .route("/openapi.json", get(json))
        .route("/docs", get(docs))
        .route("/docs/style.css", get(style))
        .merge(health::routes().with_state(app))
        .fallback(async || ApiError::not_found())
        .layer(axum::middleware::from_fn(only_here))
        .layer(axum::middleware::from_fn(respond::render))
        .rampart(&layers.operators)
}

/// Refuses names of other machines: a page on the web whose name was made to point
/// here would be of the same origin (DNS rebinding).
async fn only_here(request: Request, next: Next) -> Response {
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.host().to_owned());
    let host = host.or_else(|| {
        let host = request.headers().get(HOST)?.to_str().ok()?;
        Some(host.parse::<http::uri::Authority>().ok()?.host().to_owned())
    });
    let here = host.is_some_and(|host| {
        let name = host.trim_matches(['[', ']']);
        name == "localhost"
            || name
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    });
    if here {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected_request",
        "this is only for this machine",
    )
    .into_response()
}
