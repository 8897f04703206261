//! How a refusal looks on the wire.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode, request};
use serde_json::{Map, Value};

use super::Rejection;
use crate::identity::RequestId;

/// Writes the body of a refusal. Status and fields of the refusal are added by
/// the caller and cannot be lost.
///
/// Where a service has failed, its request is gone: `head` has the method, the
/// URI, the headers and the [`RequestId`] then, and no other extensions. A
/// renderer that panics is replaced by [`ProblemJson`] for the answer.
pub trait Render: fmt::Debug + Send + Sync + 'static {
    /// Renders the body and its `Content-Type`.
    fn render(&self, rejection: &Rejection, head: &request::Parts) -> Response<Bytes>;

    /// Returns the status of the answer: that of the refusal, unless a protocol
    /// says it elsewhere.
    fn status(&self, rejection: &Rejection, head: &request::Parts) -> StatusCode {
        let _ = head;
        rejection.status()
    }
}

/// Problem details, `application/problem+json` (RFC 9457 §3). The default.
///
/// Members: `type`, `title`, `status`, `code`; `detail` and `request_id` if
/// known; then whatever the layer adds, such as `limit` in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProblemJson;

impl Render for ProblemJson {
    fn render(&self, rejection: &Rejection, head: &request::Parts) -> Response<Bytes> {
        let inner = &*rejection.0;
        let mut document = Map::new();
        document.insert("type".into(), inner.type_uri.into());
        document.insert("title".into(), phrase(inner.status).into());
        document.insert("status".into(), inner.status.as_u16().into());
        document.insert("code".into(), inner.code.as_str().into());
        if let Some(detail) = &inner.detail {
            document.insert("detail".into(), Value::from(&**detail));
        }
        if let Some(id) = head.extensions.get::<RequestId>() {
            document.insert("request_id".into(), id.as_str().into());
        }
        for (name, value) in &inner.members {
            document.entry(*name).or_insert_with(|| value.clone());
        }
        let mut response = Response::new(Bytes::from(Value::Object(document).to_string()));
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

/// One line of text: the code, then the explanation.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainText;

impl Render for PlainText {
    fn render(&self, rejection: &Rejection, _head: &request::Parts) -> Response<Bytes> {
        let detail = rejection
            .detail_text()
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        let mut response = Response::new(Bytes::from(format!("{}{detail}\n", rejection.code())));
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

/// The [`Render`] that all layers below use, carried in the request's extensions.
///
/// # Examples
///
/// ```
/// use tower_rampart::rejection::{PlainText, Renderer};
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Renderer::new(PlainText));
/// # assert!(request.extensions().get::<Renderer>().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Renderer(Arc<dyn Render>);

impl Renderer {
    /// Wraps a way to render refusals.
    pub fn new(render: impl Render) -> Self {
        Self(Arc::new(render))
    }

    pub(super) fn render(&self, rejection: &Rejection, head: &request::Parts) -> Response<Bytes> {
        let mut response = self.0.render(rejection, head);
        *response.status_mut() = self.0.status(rejection, head);
        response
    }
}

/// The phrase of a status as RFC 9110 §15 has it now (RFC 9457 §4.2.1).
fn phrase(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        other => other.canonical_reason().unwrap_or("Refused"),
    }
}
