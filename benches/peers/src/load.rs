//! Requests a second over loopback, of a server behind the whole stack and of the
//! same server without it, by turns.
//!
//! Each server is a process of its own with one thread; the client has another one
//! and thirty-two connections, and sends the next request when the last answer came.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_rampart::stack::RampartExt as _;

use crate::tables::{token, whole_stack};

const CONNECTIONS: usize = 32;
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 11;

/// Serves until it is stopped, behind the stack or not.
pub(crate) fn serve(with_stack: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("bound"));
        let body = || async {
            (
                [("content-type", "application/json")],
                r#"{"items":[],"cursor":null}"#,
            )
        };
        let router = Router::new().route("/api/images", get(body));
        let served = if with_stack {
            let app = router.rampart(&whole_stack());
            axum::serve(listener, app.into_make_service()).await
        } else {
            axum::serve(listener, router).await
        };
        served.expect("served");
    });
}

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(kind: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .args(["serve", kind])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().parse().expect("an address");
        Self { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends one request after the other; returns how long each took.
async fn client(address: SocketAddr, request: &[u8], until: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let mut answer = vec![0; 4_096];
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        stream.write_all(request).await.expect("sent");
        let mut length = 0;
        while !answer[..length].ends_with(b"}") {
            let read = stream.read(&mut answer[length..]).await.expect("read");
            assert!(read > 0, "the server closed the connection");
            length += read;
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..length])
        );
        times.push(begun.elapsed());
    }
    times
}

/// Measures and prints.
pub(crate) fn run() {
    let servers = [Server::start("bare"), Server::start("stack")];
    let token = token();
    let request = format!(
        "GET /api/images HTTP/1.1\r\nHost: localhost:8080\r\nOrigin: http://localhost:5173\r\nSec-Fetch-Site: cross-site\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
         Accept: application/json\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let mut rates = [const { Vec::new() }; 2];
    let mut slowest = [const { Vec::new() }; 2];
    for turn in 0..=TURNS {
        for (which, server) in servers.iter().enumerate() {
            let times = runtime.block_on(async {
                let until = Instant::now() + TURN;
                let clients = (0..CONNECTIONS).map(|_| {
                    let request = request.clone().into_bytes();
                    let address = server.address;
                    tokio::spawn(async move { client(address, &request, until).await })
                });
                let clients: Vec<_> = clients.collect();
                let mut times = Vec::new();
                for client in clients {
                    times.extend(client.await.expect("no panic"));
                }
                times
            });
            // The first turn warms up.
            if turn > 0 {
                rates[which].push(times.len() as f64 / TURN.as_secs_f64());
                slowest[which].extend(times);
            }
        }
    }
    let mut ratios: Vec<_> = rates[1]
        .iter()
        .zip(&rates[0])
        .map(|(stack, bare)| stack / bare)
        .collect();
    ratios.sort_by(f64::total_cmp);
    for (name, (rates, times)) in ["bare", "stack"]
        .iter()
        .zip(rates.iter_mut().zip(&mut slowest))
    {
        rates.sort_by(f64::total_cmp);
        times.sort_unstable();
        println!(
            "{name}: {:.0} requests/s, p50 {:?}, p99 {:?}",
            rates[TURNS / 2],
            times[times.len() / 2],
            times[times.len() * 99 / 100]
        );
    }
    println!(
        "with the stack to without it: median of {TURNS} turns {:.3} ({:.3} to {:.3})",
        ratios[TURNS / 2],
        ratios[0],
        ratios[TURNS - 1]
    );
}
