//! The examples, run as they are: each asserts what it shows.

use std::io::{Read as _, Write as _};

#[path = "../../examples/cors_allow_list.rs"]
mod cors_allow_list;
#[path = "../../examples/custom_policy.rs"]
mod custom_policy;
#[path = "../../examples/jwt_bearer.rs"]
mod jwt_bearer;
#[path = "../../examples/password.rs"]
mod password;
#[path = "../../examples/plain_hyper.rs"]
#[expect(dead_code, reason = "its main serves for ever")]
mod plain_hyper;
#[path = "../../examples/rate_limit.rs"]
mod rate_limit;
#[path = "../../examples/refresh_cookie.rs"]
mod refresh_cookie;
#[path = "../../examples/upload_guard.rs"]
mod upload_guard;

#[test]
fn every_example_shows_what_it_says() {
    for (name, example) in [
        (
            "cors_allow_list",
            cors_allow_list::main as fn() -> Result<(), Box<dyn std::error::Error>>,
        ),
        ("custom_policy", custom_policy::main),
        ("jwt_bearer", jwt_bearer::main),
        ("password", password::main),
        ("rate_limit", rate_limit::main),
        ("refresh_cookie", refresh_cookie::main),
        ("upload_guard", upload_guard::main),
    ] {
        example().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_hyper_serves_and_limits() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = async move {
        plain_hyper::serve(listener)
            .await
            .map_err(|error| error.to_string())
    };
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(serving)
    });
    let client = tokio::task::spawn_blocking(move || {
        for expected in ["200 OK", "200 OK", "200 OK", "429 Too Many Requests"] {
            let mut stream = std::net::TcpStream::connect(address).expect("connected");
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {expected}")) && answer.contains("nosniff"),
                "{answer}"
            );
        }
    });
    client.await.expect("no panic");
}
