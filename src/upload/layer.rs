//! The layer, which changes the request's body and so cannot be a
//! [`Policy`](crate::gate::Policy).

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::body::UploadBody;
use super::builder::UploadLayerBuilder;
use super::future::{UploadFuture, essentials};
use super::head::inspector;
use super::report::Reporter;
use super::rules::{Content, FileRule, Rules};
use super::shared::{Refused, Shared};
use super::witness::{self, Witness};
use crate::gate::GateBody;
use crate::identity::RequestId;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const DIGEST: HeaderName = HeaderName::from_static("digest");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Guards the uploads of a route. Needs a Tokio runtime with its timer on.
///
/// See the [module docs](crate::upload) for an example.
#[derive(Clone, Debug)]
pub struct UploadLayer(Arc<Rules>);

impl UploadLayer {
    /// Starts a layer for `multipart/form-data` with named fields.
    pub fn multipart() -> UploadLayerBuilder {
        UploadLayerBuilder::new(Content::Multipart(Vec::new()))
    }

    /// Starts a layer for bodies that are one file.
    pub fn raw(rule: FileRule) -> UploadLayerBuilder {
        UploadLayerBuilder::new(Content::Raw(rule))
    }

    /// Returns how large a whole body may be, in bytes.
    #[must_use]
    pub fn max_total_bytes(&self) -> u64 {
        self.0.max_total_bytes
    }

    #[cfg(test)]
    pub(super) fn rules(&self) -> Arc<Rules> {
        self.0.clone()
    }

    pub(super) fn from_rules(rules: Arc<Rules>) -> Self {
        Self(rules)
    }
}

impl<S> Layer<S> for UploadLayer {
    type Service = Upload<S>;

    fn layer(&self, inner: S) -> Upload<S> {
        Upload {
            inner,
            rules: self.0.clone(),
        }
    }
}

/// Guards the uploads to a service.
#[derive(Clone)]
pub struct Upload<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> fmt::Debug for Upload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl<S, B, ResBody> Service<Request<B>> for Upload<S>
where
    S: Service<Request<UploadBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = UploadFuture<S::Future, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let inspector = match inspector(&self.rules, &head, &body) {
            Ok(inspector) => inspector,
            Err(violation) if self.rules.log_only => {
                let id = head.extensions.get::<RequestId>();
                witness::tell(&violation, id);
                let (reporter, report) = Reporter::new();
                reporter.refused(&violation);
                head.extensions.insert(report);
                let request = Request::from_parts(head, UploadBody::untouched(body));
                return UploadFuture::watched(self.inner.call(request));
            }
            Err(violation) => {
                // As in `Gate`: gives back what `poll_ready` reserved.
                let fresh = self.inner.clone();
                drop(std::mem::replace(&mut self.inner, fresh));
                let refused = Refused {
                    violation,
                    rest: Some(Box::pin(body)),
                };
                return UploadFuture::refused(refused, &head, &self.rules);
            }
        };
        let Some(inspector) = inspector else {
            // A layer outside may have taken the length away: what nobody judges
            // nobody reads.
            let body = match self.rules.log_only {
                true => UploadBody::untouched(body),
                false => UploadBody::empty(),
            };
            let request = Request::from_parts(head, body);
            return UploadFuture::watched(self.inner.call(request));
        };
        let (reporter, report) = Reporter::new();
        if self.rules.log_only {
            let id = head.extensions.get::<RequestId>().cloned();
            head.extensions.insert(report);
            let body = UploadBody::witnessed(body, Witness::new(inspector, reporter, id));
            return UploadFuture::watched(self.inner.call(Request::from_parts(head, body)));
        }
        let kept = essentials(&head);
        head.extensions.insert(report);
        if self.rules.canonical {
            // What is said of the body as it came is not true of what is read.
            for name in [
                CONTENT_LENGTH,
                CONTENT_DIGEST,
                REPR_DIGEST,
                DIGEST,
                CONTENT_MD5,
            ] {
                head.headers.remove(name);
            }
        }
        let shared = Arc::new(Shared::new());
        let body = UploadBody::guarded(body, inspector, shared.clone(), reporter, &self.rules);
        let future = self.inner.call(Request::from_parts(head, body));
        UploadFuture::running(future, shared, kept, self.rules.clone())
    }
}
