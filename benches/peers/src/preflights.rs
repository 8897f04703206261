//! Preflights that ask for as many headers as a server lets through.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;

use crate::flood::resident_kib;
use crate::origins::our_cors;

const REQUESTS: usize = 10_000;

/// Nearly all that one line may hold in hyper's first buffer, four times over.
const LONG: usize = 16_000;

async fn serve() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .layer(our_cors(2));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends the same preflight on one connection, again and again; returns the
/// 99th percentile and how much memory the process took more, in KiB.
fn send(address: SocketAddr, asked: &str) -> (Duration, u64) {
    let request = format!(
        "OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:5173\r\n\
         access-control-request-method: PUT\r\n{asked}\r\n"
    );
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_nodelay(true).expect("a socket");
    let mut round_trip = || {
        let start = Instant::now();
        stream.write_all(request.as_bytes()).expect("sent");
        let (mut answer, mut length) = ([0; 4096], 0);
        while !answer[..length].ends_with(b"\r\n\r\n") {
            let more = stream.read(&mut answer[length..]).expect("an answer");
            assert!(more > 0, "the connection was closed");
            length += more;
        }
        assert!(answer.starts_with(b"HTTP/1.1 204"), "{answer:?}");
        start.elapsed()
    };
    for _ in 0..REQUESTS / 10 {
        round_trip();
    }
    let before = resident_kib();
    let mut taken: Vec<_> = (0..REQUESTS).map(|_| round_trip()).collect();
    let grown = resident_kib().saturating_sub(before);
    taken.sort_unstable();
    (taken[REQUESTS - REQUESTS / 100], grown)
}

pub(super) fn run() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let address = runtime.block_on(serve());
    let line = |value: String| format!("access-control-request-headers: {value}\r\n");
    let (normal, grown) = send(address, &line("authorization,content-type".to_owned()));
    println!("a page's preflight: p99 {normal:?}, {grown} KiB more memory");
    for (what, asked) in [
        ("commas", line(",".repeat(LONG))),
        ("names", line("accept,".repeat(LONG / 7))),
        ("spaces", line(" ".repeat(LONG) + "x")),
        ("empty lines", line(String::new()).repeat(90)),
    ] {
        let (p99, grown) = send(address, &asked);
        let ratio = p99.as_secs_f64() / normal.as_secs_f64();
        println!("{LONG} bytes of {what}: p99 {p99:?}, {ratio:.2} times, {grown} KiB more memory");
    }
}
