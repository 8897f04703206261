//! A server on a socket, and a client that sends whatever it is told to.

use std::net::SocketAddr;

use axum::Router;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_rampart::stack::Secured;

use super::Answer;

/// A server, until the runtime ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site(pub(crate) SocketAddr);

/// A header of a request: name, and value as it goes over the wire.
pub(crate) type Field<'a> = (&'a str, &'a [u8]);

impl Site {
    /// Serves a router on a free port.
    pub(crate) async fn serve(router: Router) -> Self {
        let listener = listener().await;
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(address)
    }

    /// Serves a finished router on a free port.
    pub(crate) async fn serve_secured(app: Secured) -> Self {
        let listener = listener().await;
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, app.into_make_service()).await });
        Self(address)
    }

    /// Sends a request with text headers and no body.
    pub(crate) async fn send(self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        let headers: Vec<_> = headers.collect();
        self.send_bytes(method, path, &headers, b"").await
    }

    /// Sends a request on a connection of its own, byte by byte as given.
    pub(crate) async fn send_bytes(
        self,
        method: &str,
        path: &str,
        headers: &[Field<'_>],
        body: &[u8],
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
        let given = |wanted: &str| {
            headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let host = format!("localhost:{}", self.0.port());
        let length = body.len().to_string();
        for (name, value) in [
            ("host", host.as_str()),
            ("connection", "close"),
            ("content-length", &length),
        ] {
            let needless = name == "content-length" && body.is_empty() && method != "POST";
            if !given(name) && !needless {
                request.extend(format!("{name}: {value}\r\n").bytes());
            }
        }
        for (name, value) in headers {
            request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        request.extend(body);
        let mut stream = TcpStream::connect(self.0)
            .await
            .expect("the server listens");
        stream
            .write_all(&request)
            .await
            .expect("it takes the request");
        read(&mut stream).await
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

/// Reads an answer to its end; of one that switches protocols, the head.
async fn read(stream: &mut TcpStream) -> Answer {
    const END: &[u8] = b"\r\n\r\n";
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(END.len()).position(|window| window == END) {
            break end;
        }
        let read = stream.read_buf(&mut bytes).await.expect("an answer");
        assert!(read > 0, "cut off: {:?}", String::from_utf8_lossy(&bytes));
    };
    let mut lines = bytes[..head_end].split(|byte| *byte == b'\n');
    let status = lines.next().expect("a status line");
    let status = StatusCode::from_bytes(&status[9..12]).expect("a status");
    let mut response = Response::new(());
    *response.status_mut() = status;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').expect("a field");
        let name = HeaderName::from_bytes(&line[..colon]).expect("a name");
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).expect("a value");
        response.headers_mut().append(name, value);
    }
    let body_start = head_end + END.len();
    let closes = response
        .headers()
        .get("connection")
        .is_some_and(|value| value == "close");
    if closes {
        stream.read_to_end(&mut bytes).await.expect("the rest");
    } else {
        let length = response.headers().get("content-length");
        let length = length.map_or("0", |length| length.to_str().expect("digits"));
        let end = body_start + length.parse::<usize>().expect("a length");
        while bytes.len() < end {
            let read = stream.read_buf(&mut bytes).await.expect("the rest");
            assert!(read > 0, "cut off");
        }
    }
    let (head, ()) = response.into_parts();
    assert!(!head.headers.contains_key("transfer-encoding"), "{head:?}");
    let body = Bytes::copy_from_slice(&bytes[body_start..]);
    Answer { head, body }
}
