//! What a handler is told about the upload it reads.

use http::StatusCode;
use thiserror::Error;
use tokio::sync::watch;

use super::kind::Kind;
use super::violation::Violation;
use crate::rejection::RejectionCode;

/// Tells a handler what was uploaded, once all of it was judged.
///
/// In the extensions of each request that the layer judges. What a handler does
/// with the first parts it does before the last ones are known, so it should do
/// nothing that lasts before the [`verdict`](Self::verdict).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_rampart::upload::{FileRule, Kind, UploadBody, UploadLayer, UploadReport};
///
/// let layer = UploadLayer::raw(FileRule::kinds([Kind::Text])).sha256().build()?;
/// let service = layer.layer(service_fn(|mut request: Request<UploadBody<Full<Bytes>>>| async {
///     let report = request.extensions_mut().remove::<UploadReport>().expect("the layer is there");
///     let mut body = request.into_body();
///     while let Some(frame) = body.frame().await {
///         let _to_a_temporary_object = frame.map_err(std::io::Error::other)?;
///     }
///     let summary = report.verdict().await.map_err(std::io::Error::other)?;
///     let file = summary.parts()[0].file().expect("a raw body is a file");
///     assert_eq!(file.kind(), Kind::Text);
///     assert!(file.sha256().is_some());
///     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default()))
/// }));
/// let note = Request::put("/").header("content-type", "text/plain").body(Full::from("hello"))?;
/// assert_eq!(service.oneshot(note).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UploadReport(watch::Receiver<Option<Verdict>>);

type Verdict = Result<UploadSummary, VerdictError>;

impl UploadReport {
    /// Waits until the body was read to its end, and tells what was in it.
    ///
    /// Something has to read the body meanwhile, a parser for instance: it is
    /// judged as it is read. A parser that has seen the end of a form has read
    /// it to its end.
    ///
    /// With [`dangerous_log_only`](super::UploadLayerBuilder::dangerous_log_only) this
    /// tells all the same what would have been refused.
    ///
    /// # Errors
    ///
    /// [`VerdictError`] if the body was refused, could not be read, or was
    /// dropped before its end.
    pub async fn verdict(&self) -> Result<UploadSummary, VerdictError> {
        let mut receiver = self.0.clone();
        let verdict = receiver.wait_for(Option::is_some).await;
        verdict
            .ok()
            .and_then(|verdict| verdict.clone())
            .unwrap_or(Err(VerdictError::Unfinished))
    }
}

/// Where a verdict is written. If it is dropped without one there is none.
#[derive(Debug)]
pub(super) struct Reporter(watch::Sender<Option<Verdict>>);

impl Reporter {
    pub(super) fn new() -> (Self, UploadReport) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), UploadReport(receiver))
    }

    pub(super) fn accepted(&self, summary: UploadSummary) {
        self.0.send_replace(Some(Ok(summary)));
    }

    pub(super) fn failed(&self) {
        self.0.send_replace(Some(Err(VerdictError::Unfinished)));
    }

    pub(super) fn refused(&self, violation: &Violation) {
        let rejection = violation.clone().into_rejection();
        self.0.send_replace(Some(Err(VerdictError::Refused {
            rule: rejection.kind_name(),
            code: rejection.code(),
            status: rejection.status(),
        })));
    }
}

/// Why there is no [`UploadSummary`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum VerdictError {
    /// The upload breaks a rule.
    #[error("the upload breaks the rule {rule:?}")]
    Refused {
        /// The rule, as the answer names it.
        rule: &'static str,
        /// The code of the answer.
        code: RejectionCode,
        /// The status of the answer.
        status: StatusCode,
    },
    /// The body failed, or was dropped before its end.
    #[error("the body was not read to its end")]
    Unfinished,
}

/// What was uploaded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UploadSummary {
    pub(super) bytes: u64,
    pub(super) parts: Vec<UploadedPart>,
}

impl UploadSummary {
    /// Returns how many bytes the body had.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the parts in their order, but for file inputs left empty. A body
    /// that is one file has one part.
    #[must_use]
    pub fn parts(&self) -> &[UploadedPart] {
        &self.parts
    }
}

/// A part of an upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadedPart {
    pub(super) field: Option<String>,
    pub(super) bytes: u64,
    pub(super) file: Option<UploadedFile>,
}

impl UploadedPart {
    /// Returns the field; a body that is one file has none.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Returns how many bytes the content has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&UploadedFile> {
        self.file.as_ref()
    }
}

/// An uploaded file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadedFile {
    pub(super) name: Option<String>,
    pub(super) kind: Kind,
    pub(super) sha256: Option<[u8; 32]>,
}

impl UploadedFile {
    /// Returns the name that the client gave it, checked; a body that is one
    /// file has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns what the content is, whatever was declared.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the SHA-256 of the content, if the layer was asked for it.
    #[must_use]
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }
}
