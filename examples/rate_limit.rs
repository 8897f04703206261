//! A limit by client address, behind one trusted proxy.
//!
//! Run with `cargo run --example rate_limit --features full`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;

use axum::Router;
use axum::routing::get;
use http::{Request, StatusCode};
use tower::ServiceExt;
use tower_rampart::identity::{ClientAddrResolver, PeerAddr};
use tower_rampart::rate_limit::RateLimitLayer;

/// Two clients behind the proxy each get three requests; a third one cannot get
/// more by naming addresses.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let client_addr = ClientAddrResolver::builder()
        .trusted_proxies(["10.0.0.1"])
        .build()?;
    let limit = RateLimitLayer::builder("api", "3/1m".parse()?)
        .client_addr(client_addr)
        .build()?;
    let app: Router = Router::new()
        .route("/", get(|| async { "hello" }))
        .layer(limit);

    let send = |peer: &str, forwarded: &str| -> Result<_, Box<dyn Error>> {
        let peer = PeerAddr(format!("{peer}:4711").parse()?);
        let request = Request::get("/")
            .header("x-forwarded-for", forwarded)
            .extension(peer);
        Ok(app
            .clone()
            .oneshot(request.body(axum::body::Body::empty())?))
    };
    for client in ["203.0.113.1", "203.0.113.2"] {
        for expected in [200, 200, 200, 429] {
            let answer = send("10.0.0.1", client)?.await?;
            println!(
                "{client}: {} retry-after {:?}",
                answer.status(),
                answer.headers().get("retry-after")
            );
            assert_eq!(answer.status().as_u16(), expected);
        }
    }
    for index in 0..4 {
        let answer = send("198.51.100.9", &format!("203.0.113.{}", 10 + index))?.await?;
        println!("198.51.100.9: {}", answer.status());
        assert_eq!(answer.status() == StatusCode::TOO_MANY_REQUESTS, index == 3);
    }
    Ok(())
}
