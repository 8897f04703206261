//! The layers on hyper alone, without a framework.
//!
//! Run with `cargo run --example plain_hyper --features full`, then
//! `curl -i http://127.0.0.1:3001/`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tower_rampart::context::ContextLayer;
use tower_rampart::identity::PeerAddr;
use tower_rampart::rate_limit::RateLimitLayer;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::stack::Rampart;

/// Serves on port 3001 until it is stopped.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:3001").await?;
    println!("http://{}/", listener.local_addr()?);
    serve(listener).await
}

/// Serves whoever connects.
pub(crate) async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let rampart = Rampart::builder()
        .context(ContextLayer::new())
        .security_headers(SecurityHeadersLayer::api().build()?)
        .rate_limit(RateLimitLayer::builder("api", "3/1m".parse()?).build()?)
        .build()?;
    loop {
        let (stream, peer) = listener.accept().await?;
        let rampart = rampart.clone();
        let hello = service_fn(|_request: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello\n"))))
        });
        // hyper does not say who the peer is; the layers need to know.
        let inner = rampart.layer(hello);
        let service = tower::util::MapRequest::new(inner, move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr(peer));
            request
        });
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is the client's affair.
            let _ = server
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                .await;
        });
    }
}
