//! Refusals over a connection: whether a client that writes first reads them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::{PNG, app, multipart};

/// Serves on a free port, and gives its address.
async fn serve() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { ::axum::serve(listener, app()).await });
    address
}

fn upload_head(extra: &str, length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {length}\r\n{extra}\r\n"
    )
}

/// Reads until the end of a response with a length.
fn read_response(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).expect("an answer");
        text.extend_from_slice(&buffer[..read]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        if read == 0
            || so_far.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                });
                length
                    .and_then(|length| length.parse::<usize>().ok())
                    .is_some_and(|length| body.len() >= length)
            })
        {
            return so_far;
        }
    }
}

/// Writes a whole request before it reads anything, again and again, and tells
/// what the answers had in common.
fn write_first(address: SocketAddr, request: &[u8], times: usize) -> (usize, usize) {
    let mut stream = None;
    let (mut refused, mut closed) = (0, 0);
    for _ in 0..times {
        let stream_now =
            stream.get_or_insert_with(|| TcpStream::connect(address).expect("a server"));
        if stream_now.write_all(request).is_err() {
            stream = None;
            continue;
        }
        let answer = read_response(stream_now);
        refused += usize::from(answer.starts_with("HTTP/1.1 413 "));
        if answer.to_ascii_lowercase().contains("connection: close") {
            closed += 1;
            stream = None;
        }
    }
    (refused, closed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_writes_everything_first_still_reads_its_413() {
    let address = serve().await;
    let client = tokio::task::spawn_blocking(move || {
        let body = |bytes| multipart("a.png", "image/png", &[PNG, &vec![0; bytes]].concat());
        // Two million bytes are read on, and the connection is used again.
        let small = body(2_000_000);
        let with_length = [upload_head("", small.len()).as_bytes(), &small].concat();
        assert_eq!(write_first(address, &with_length, 100), (100, 0));
        // How much will come is not known, so the client is told to go.
        let chunked = upload_head("", 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
        let mut request = chunked.into_bytes();
        for chunk in small.chunks(50_000) {
            request.extend(format!("{:x}\r\n", chunk.len()).bytes());
            request.extend([chunk, b"\r\n"].concat());
        }
        request.extend(b"0\r\n\r\n");
        assert_eq!(write_first(address, &request, 100), (100, 100));
    });
    client.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_would_go_on_for_too_long_is_told_to_go() {
    let address = serve().await;
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a server");
        let head = upload_head("", 4_000_000);
        stream
            .write_all(head.as_bytes())
            .expect("the head is taken");
        let answer = read_response(&mut stream).to_ascii_lowercase();
        assert!(
            answer.starts_with("http/1.1 413 ") && answer.contains("connection: close"),
            "{answer}"
        );
    });
    client.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_first_is_refused_without_being_told_to_go_on() {
    let address = serve().await;
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream
            .write_all(upload_head("Expect: 100-continue\r\n", 2_000_000).as_bytes())
            .expect("the head is taken");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("an answer, then the end");
        assert!(
            answer.starts_with("HTTP/1.1 413 ")
                && answer.to_ascii_lowercase().contains("connection: close"),
            "{answer}"
        );
    });
    client.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_refusals_fit_through_one_connection() {
    let address = serve().await;
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a server");
        stream.set_nodelay(true).expect("a socket");
        let request = upload_head("", 1) + "x";
        for index in 0..10_000 {
            stream
                .write_all(request.as_bytes())
                .expect("the request is taken");
            let answer = read_response(&mut stream);
            let refused = answer.starts_with("HTTP/1.1 400 ");
            let closed = answer.to_ascii_lowercase().contains("connection: close");
            assert!(refused && !closed, "request {index}: {answer}");
        }
    });
    client.await.expect("no panic");
}
