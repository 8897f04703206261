//! Two front ends may read and act; nobody else's page may do either.
//!
//! Run with `cargo run --example cors_allow_list --features full`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;

use axum::Router;
use axum::routing::put;
use http::{Method, Request, header};
use tower::ServiceExt;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::stack::Rampart;

/// Sends a preflight and a request from an allowed and from a foreign page.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let origins = OriginPolicy::builder()
        .origin("http://localhost:5173")
        .origin("http://localhost:3000")
        .build()?;
    // CORS decides who may read. That a foreign page cannot act is up to CSRF.
    let rampart = Rampart::builder()
        .cors(
            CorsLayer::credentialed(&origins)
                .methods([Method::PUT])
                .build()?,
        )
        .csrf(CsrfLayer::builder().origins(&origins).build()?)
        .build()?;
    let app: Router = Router::new()
        .route("/note", put(|| async { "saved" }))
        .layer(rampart);

    for (origin, preflight, status) in [
        ("http://localhost:5173", 204, 200),
        ("https://evil.example", 403, 403),
    ] {
        let request = Request::options("/note")
            .header("origin", origin)
            .header("access-control-request-method", "PUT");
        let answer = app
            .clone()
            .oneshot(request.body(axum::body::Body::empty())?)
            .await?;
        println!("{origin}: preflight {}", answer.status());
        assert_eq!(answer.status().as_u16(), preflight);

        let request = Request::put("/note").header("origin", origin);
        let answer = app
            .clone()
            .oneshot(request.body(axum::body::Body::empty())?)
            .await?;
        let readable = answer
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        println!("{origin}: {} readable: {readable}", answer.status());
        assert_eq!(
            (answer.status().as_u16(), readable),
            (status, status == 200)
        );
    }
    Ok(())
}
