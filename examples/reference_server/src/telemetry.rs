//! What the server does, in numbers, for operators. Labels have few values whatever
//! strangers send: routes are those of the router, methods those of the standard.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use http::header::CONTENT_TYPE;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_rampart::rejection::Refusal;

use crate::app::App;

/// The buckets of durations, in seconds: those of OpenTelemetry's conventions for
/// HTTP.
const BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// How often what was measured is put into its buckets, if nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts counting, for the whole process.
///
/// # Errors
///
/// If somebody counts already.
pub(crate) fn start() -> Result<PrometheusHandle, Box<dyn std::error::Error>> {
    let name = Matcher::Suffix("_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(name, BUCKETS)?
        .install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(UPKEEP);
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Counts a request that is under way, whatever becomes of it.
struct Active;

impl Active {
    fn begin() -> Self {
        gauge!("http_server_active_requests").increment(1);
        Self
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        gauge!("http_server_active_requests").decrement(1);
    }
}

/// Measures a request, and counts who refused it.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    let method = method_of(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let (begun, active) = (Instant::now(), Active::begin());
    let response = next.run(request).await;
    drop(active);
    histogram!("http_server_request_duration_seconds",
        "http_request_method" => method,
        "http_route" => route,
        "http_response_status_code" => response.status().as_u16().to_string())
    .record(begun.elapsed().as_secs_f64());
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        counter!("rampart_refusals_total", "layer" => refusal.policy(), "reason" => refusal.kind())
            .increment(1);
    }
    response
}

fn method_of(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// `GET /metrics`: everything that was counted, in Prometheus' text format.
pub(crate) async fn show(State((app, handle)): State<(App, PrometheusHandle)>) -> Response {
    let pool = app.hasher.stats();
    gauge!("rampart_password_running").set(pool.running as f64);
    gauge!("rampart_password_waiting").set(pool.waiting as f64);
    counter!("rampart_password_hashes_total").absolute(pool.done);
    counter!("rampart_password_refused_total").absolute(pool.refused);
    gauge!("rampart_read_only").set(f64::from(u8::from(app.switches.is_read_only())));
    if let Ok(counts) = app.db.mail_counts(None, None).await {
        gauge!("rampart_mail_queued").set(counts.queued as f64);
        gauge!("rampart_mail_failed").set(counts.failed as f64);
    }
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        handle.render(),
    )
        .into_response()
}
