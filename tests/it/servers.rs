//! The same stack on axum, on hyper alone, and on tonic: the same questions, the
//! same answers, each in the words of its protocol.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tonic::server::NamedService;
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tower::util::MapRequest;
use tower::{Layer as _, service_fn};
use tower_rampart::context::ContextLayer;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::identity::{ClientAddrResolver, PeerAddr, Principal};
use tower_rampart::jwt::JwtLayer;
use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::rate_limit::{Caller, RateLimitLayer};
use tower_rampart::rejection::GrpcStatus;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::stack::{Rampart, RampartExt as _};

const PAGE: (&str, &str) = ("origin", "http://localhost:5173");

/// The stack, and what has to be known about it.
struct Setup {
    rampart: Rampart,
    limit: RateLimitLayer,
    token: String,
}

fn setup() -> Setup {
    let keys = TestKeys::hs256();
    let verifier = tower_rampart::jwt::Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience())
        .build()
        .expect("valid");
    let origins = OriginPolicy::builder()
        .origin(PAGE.1)
        .build()
        .expect("valid");
    // tonic says in its own way where a request comes from.
    let peer = |extensions: &Extensions| {
        let told = extensions.get::<PeerAddr>().map(|peer| peer.0);
        told.or_else(|| extensions.get::<TcpConnectInfo>()?.remote_addr())
    };
    let addresses = ClientAddrResolver::builder()
        .peer(peer)
        .build()
        .expect("valid");
    let limit = RateLimitLayer::builder("api", "1000/1h".parse().expect("a quota"));
    let limit = limit.build().expect("valid");
    let rampart = Rampart::builder()
        .context(
            ContextLayer::new()
                .client_addr(addresses)
                .render(GrpcStatus),
        )
        .security_headers(SecurityHeadersLayer::api().build().expect("valid"))
        .cors(
            CorsLayer::credentialed(&origins)
                .request_headers([http::header::AUTHORIZATION])
                .build()
                .expect("valid"),
        )
        .rate_limit(limit.clone())
        .csrf(
            CsrfLayer::builder()
                .origins(&origins)
                .build()
                .expect("valid"),
        )
        .max_content_length(1_000)
        .jwt(JwtLayer::builder(verifier).build().expect("valid"))
        .build()
        .expect("a safe combination");
    Setup {
        rampart,
        limit,
        token: keys.token().sign(),
    }
}

/// What all three serve: who asks, or a panic.
async fn answer<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_ne!(request.uri().path(), "/echo.Echo/Panic", "canary");
    let principal = request.extensions().get::<Principal>().expect("verified");
    let subject = Bytes::from(principal.subject().to_owned());
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "0");
    Ok(response.body(Full::new(subject)).expect("a response"))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

async fn on_axum(rampart: &Rampart) -> SocketAddr {
    let (listener, address) = listener().await;
    let app = axum::Router::new().fallback_service(service_fn(answer::<axum::body::Body>));
    let app = app.rampart(rampart);
    tokio::spawn(async move { axum::serve(listener, app.into_make_service()).await });
    address
}

async fn on_hyper(rampart: &Rampart) -> SocketAddr {
    let (listener, address) = listener().await;
    let inner = rampart.layer(service_fn(answer::<hyper::body::Incoming>));
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let told = move |mut request: Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(PeerAddr(peer));
                request
            };
            let service = TowerToHyperService::new(MapRequest::new(inner.clone(), told));
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// A service as tonic generates them.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "echo.Echo";
}

impl tower::Service<Request<tonic::body::Body>> for Echo {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async { Ok(answer(request).await?.map(tonic::body::Body::new)) })
    }
}

async fn on_tonic(rampart: &Rampart) -> SocketAddr {
    let (listener, address) = listener().await;
    let incoming = TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder()
        .layer(rampart.clone())
        .add_service(Echo);
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

/// Sends a call over HTTP/2; returns the status of HTTP, that of gRPC, the answer.
async fn send(
    address: SocketAddr,
    content_type: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, Option<String>, Response<Bytes>) {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let mut request = Request::post(format!("http://{address}/echo.Echo/{path}"));
    request = request.header("content-type", content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if path == "Long" {
        vec![0; 1_001]
    } else {
        Vec::new()
    };
    let request = request
        .body(Full::new(Bytes::from(body)))
        .expect("a legal request");
    let response = client.request(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let status = head.headers.get("grpc-status");
    let status = status.map(|status| status.to_str().expect("digits").to_owned());
    (head.status, status, Response::from_parts(head, body))
}

#[tokio::test]
async fn one_stack_answers_alike_on_three_servers() {
    for name in ["axum", "hyper", "tonic"] {
        let Setup {
            rampart,
            limit,
            token,
        } = setup();
        let address = match name {
            "axum" => on_axum(&rampart).await,
            "hyper" => on_hyper(&rampart).await,
            _ => on_tonic(&rampart).await,
        };
        let bearer = format!("Bearer {token}");
        let known = ("authorization", bearer.as_str());
        let banned = Caller::address(address.ip());
        for (path, headers, http, grpc) in [
            ("Hello", &[PAGE, known][..], 200, "0"),
            ("Hello", &[PAGE], 401, "16"),
            (
                "Hello",
                &[PAGE, ("authorization", "Bearer a.b.c")],
                401,
                "16",
            ),
            (
                "Hello",
                &[("origin", "https://evil.example"), known],
                403,
                "7",
            ),
            ("Long", &[PAGE, known], 413, "8"),
            ("Panic", &[PAGE, known], 500, "13"),
            ("Banned", &[PAGE, known], 429, "8"),
        ] {
            if path == "Banned" {
                assert!(limit.handle().ban(&banned, Duration::from_secs(60)).await);
            }
            for call in [true, false] {
                let what = format!("{name} {path} {headers:?} {call}");
                let kind = if call {
                    "application/grpc"
                } else {
                    "application/json"
                };
                // tonic refuses what is no call, once it gets through.
                if name == "tonic" && !call && http == 200 {
                    continue;
                }
                let (status, told, answer) = send(address, kind, path, headers).await;
                let expected = if call { 200 } else { http };
                assert_eq!(status.as_u16(), expected, "{what}");
                if call || http == 200 {
                    assert_eq!(told.as_deref(), Some(grpc), "{what}");
                } else {
                    assert_eq!(answer.headers()["content-type"], "application/problem+json");
                }
                let fields = answer.headers();
                assert_eq!(fields["x-content-type-options"], "nosniff", "{what}");
                assert!(fields.contains_key("x-request-id"), "{what}");
                assert_eq!(fields.contains_key("retry-after"), http == 429, "{what}");
                let allowed = fields.get("access-control-allow-origin");
                assert_eq!(allowed.is_some(), headers[0] == PAGE, "{what}");
                if http == 200 {
                    assert_eq!(&answer.body()[..], b"user-1", "{what}");
                }
            }
        }
    }
}
