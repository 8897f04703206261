//! The one way to refuse a request.
//!
//! A layer says *what* is wrong with a [`Rejection`]; [`Gate`](crate::gate::Gate)
//! turns it into a response with a [`Render`], tells the log once, and leaves a
//! [`Refusal`] in the response's extensions. Clients get a status and a code;
//! the finer `kind` stays with the operator.

mod code;
mod grpc;
mod problem;

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderName, RETRY_AFTER};
#[cfg(feature = "rate-limit")]
use http::response;
use http::{HeaderMap, HeaderValue, Response, StatusCode, request};

use bytes::Bytes;

use crate::identity::{ClientAddr, Principal, RequestId};
use crate::trace::Sender;

pub use code::RejectionCode;
pub use grpc::GrpcStatus;
pub use problem::{PlainText, ProblemJson, Render, Renderer};

/// Why a request is not answered by the service, and what to say instead.
///
/// # Examples
///
/// ```
/// use http::StatusCode;
/// use tower_rampart::rejection::{Rejection, RejectionCode};
///
/// let rejection = Rejection::new(StatusCode::UNAUTHORIZED, RejectionCode::Other("api_key_invalid"))
///     .kind("unknown-key")
///     .detail("the API key is not valid");
/// assert_eq!(rejection.code().as_str(), "api_key_invalid");
/// ```
pub struct Rejection(Box<Inner>);

struct Inner {
    status: StatusCode,
    code: RejectionCode,
    kind: &'static str,
    type_uri: &'static str,
    detail: Option<Cow<'static, str>>,
    headers: HeaderMap,
    members: Vec<(&'static str, serde_json::Value)>,
}

impl Rejection {
    /// Starts a refusal with its status and the code that clients match on.
    #[must_use]
    pub fn new(status: StatusCode, code: RejectionCode) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            kind: code.as_str(),
            type_uri: "about:blank",
            detail: None,
            headers: HeaderMap::new(),
            members: Vec::new(),
        }))
    }

    /// Names the reason for the operator; it is never sent to the client.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.0.kind = kind;
        self
    }

    /// Explains the refusal to the person who reads the answer.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Replaces the problem type, `about:blank` by default (RFC 9457 §4.2.1).
    #[must_use]
    pub fn type_uri(mut self, uri: &'static str) -> Self {
        self.0.type_uri = uri;
        self
    }

    /// Adds a field to the response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Adds fields to the response.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers.extend(headers);
        self
    }

    /// Adds a member to the problem document (RFC 9457 §3.2).
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// Adds `Retry-After` in whole seconds, rounded up and never 0
    /// (RFC 9110 §10.2.3): waiting that long is always long enough.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait
            .as_secs()
            .saturating_add(u64::from(wait.subsec_nanos() > 0))
            .max(1);
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> RejectionCode {
        self.0.code
    }

    /// Returns the operator's name for the reason.
    #[cfg(feature = "upload")]
    pub(crate) fn kind_name(&self) -> &'static str {
        self.0.kind
    }

    /// Returns the explanation.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Renders the refusal as a response, for a handler that refuses by itself.
    #[must_use]
    pub fn into_response(self, head: &request::Parts) -> Response<Bytes> {
        self.respond("handler", head)
    }

    /// Renders the refusal, tells the log, and leaves the [`Refusal`] behind.
    pub(crate) fn respond(self, policy: &'static str, head: &request::Parts) -> Response<Bytes> {
        let refusal = self.refusal(policy);
        crate::trace::refused(&refusal, sender(head));
        self.render(refusal, head)
    }

    /// As [`respond`](Self::respond), of a service that failed: the log is told
    /// how, the client is not.
    pub(crate) fn respond_to_failure(
        self,
        policy: &'static str,
        head: &request::Parts,
        failure: &dyn fmt::Display,
    ) -> Response<Bytes> {
        let refusal = self.refusal(policy);
        crate::trace::failed(&refusal, request_id(head), failure);
        self.render(refusal, head)
    }

    fn refusal(&self, policy: &'static str) -> Refusal {
        Refusal {
            status: self.0.status,
            policy,
            code: self.0.code,
            kind: self.0.kind,
        }
    }

    fn render(self, refusal: Refusal, head: &request::Parts) -> Response<Bytes> {
        let rendered = head.extensions.get::<Renderer>().and_then(|renderer| {
            // The answer of a layer that is outside of everything that rescues.
            let rendered = catch_unwind(AssertUnwindSafe(|| renderer.render(&self, head)));
            if rendered.is_err() {
                crate::trace::degraded("renderer", &"it panicked, and a problem document was sent");
            }
            rendered.ok()
        });
        let mut response = rendered.unwrap_or_else(|| {
            let mut response = ProblemJson.render(&self, head);
            *response.status_mut() = self.0.status;
            response
        });
        let mut last = None;
        for (name, value) in self.0.headers {
            last = name.or(last);
            if let Some(name) = &last {
                response.headers_mut().append(name.clone(), value);
            }
        }
        // A cached refusal would outlive its reason.
        response
            .headers_mut()
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(refusal);
        response
    }
}

fn sender(head: &request::Parts) -> Sender<'_> {
    let address = head.extensions.get::<ClientAddr>();
    Sender {
        request_id: request_id(head),
        subject: head.extensions.get().map(Principal::subject),
        address: address.map(|address| address as &dyn fmt::Display),
    }
}

fn request_id(head: &request::Parts) -> &str {
    head.extensions.get().map_or("", RequestId::as_str)
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("kind", &self.0.kind)
            .finish_non_exhaustive()
    }
}

/// What happened, for whoever looks at a refused response from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    status: StatusCode,
    policy: &'static str,
    code: RejectionCode,
    kind: &'static str,
}

impl Refusal {
    /// Returns the status of the refusal, whatever that of the answer is: a
    /// protocol may say it elsewhere.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the name of the layer that refused.
    #[must_use]
    pub fn policy(&self) -> &'static str {
        self.policy
    }

    /// Returns the code that the client was told.
    #[must_use]
    pub fn code(&self) -> RejectionCode {
        self.code
    }

    /// Returns the reason, finer than the code.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Asks about a response, which has its true status meanwhile: that of a refusal
/// by an inner layer, if it is one.
#[cfg(feature = "rate-limit")]
pub(crate) fn with_true_status<T>(
    head: &mut response::Parts,
    ask: impl FnOnce(&response::Parts) -> T,
) -> T {
    let refusal = head.extensions.get::<Refusal>();
    let status = refusal.map_or(head.status, Refusal::status);
    let told = std::mem::replace(&mut head.status, status);
    let answer = ask(head);
    head.status = told;
    answer
}

/// An answer given in place of the service's.
#[derive(Debug)]
pub enum Reply {
    /// A refusal, still to be rendered.
    Refusal(Rejection),
    /// A finished answer that is no refusal, such as a CORS preflight's.
    Response(Response<Bytes>),
}

impl From<Rejection> for Reply {
    fn from(rejection: Rejection) -> Self {
        Self::Refusal(rejection)
    }
}
