//! Refusals of gRPC calls.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, request};

use super::problem::{ProblemJson, Render};
use super::{Rejection, RejectionCode};

/// Answers gRPC calls with a status of gRPC, and everything else with
/// [`ProblemJson`].
///
/// A call is a `POST` of the media type `application/grpc`, or of one of its
/// kinds, such as `application/grpc+proto`. Its refusal is HTTP 200 with
/// `grpc-status` and `grpc-message` in the header and no body, which gRPC calls
/// Trailers-Only; the message is the code, then the explanation. The client
/// chooses the media type, so that what counts refusals by the status of HTTP
/// should look at [`Refusal::status`](super::Refusal::status) as well.
///
/// # Examples
///
/// ```
/// use tower_rampart::context::ContextLayer;
/// use tower_rampart::rejection::GrpcStatus;
///
/// // For all layers below.
/// let context = ContextLayer::new().render(GrpcStatus);
/// # drop(context);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcStatus;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

impl Render for GrpcStatus {
    fn render(&self, rejection: &Rejection, head: &request::Parts) -> Response<Bytes> {
        if !is_grpc(head) {
            return ProblemJson.render(rejection, head);
        }
        let detail = rejection.detail_text();
        let detail = detail
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        let message = percent_encoded(&format!("{}{detail}", rejection.code()));
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, HeaderValue::from(status(rejection)));
        if let Ok(message) = HeaderValue::try_from(message) {
            headers.insert(GRPC_MESSAGE, message);
        }
        response
    }

    fn status(&self, rejection: &Rejection, head: &request::Parts) -> StatusCode {
        if is_grpc(head) {
            StatusCode::OK
        } else {
            rejection.status()
        }
    }
}

fn is_grpc(head: &request::Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    let names = |rest: &[u8]| matches!(rest.first(), None | Some(b'+' | b'-' | b';'));
    head.method == Method::POST && rest.is_some_and(names)
}

/// The code of gRPC for a refusal.
fn status(rejection: &Rejection) -> u16 {
    const INVALID_ARGUMENT: u16 = 3;
    const DEADLINE_EXCEEDED: u16 = 4;
    const PERMISSION_DENIED: u16 = 7;
    const RESOURCE_EXHAUSTED: u16 = 8;
    const INTERNAL: u16 = 13;
    const UNAVAILABLE: u16 = 14;
    const UNAUTHENTICATED: u16 = 16;
    match (rejection.code(), rejection.status().as_u16()) {
        (RejectionCode::RateLimited, _) | (_, 413 | 429) => RESOURCE_EXHAUSTED,
        (_, 401) => UNAUTHENTICATED,
        (_, 403) => PERMISSION_DENIED,
        (_, 408 | 504) => DEADLINE_EXCEEDED,
        (_, 503) => UNAVAILABLE,
        (_, 400..=499) => INVALID_ARGUMENT,
        _ => INTERNAL,
    }
}

/// As `grpc-message` goes over the wire: printable ASCII without `%`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
