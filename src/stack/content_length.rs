//! A cap on declared lengths.

use http::header::CONTENT_LENGTH;
use http::{StatusCode, request};

use crate::gate::{NoWait, Policy, Settings, Verdict, gate_layer};
use crate::rejection::{Rejection, RejectionCode};

/// Refuses bodies whose declared length is over a cap, with 413 and before
/// anybody has read a byte.
///
/// A body without a declared length is not seen here: whoever reads it must
/// count, as [`UploadLayer`](crate::upload::UploadLayer) does, or axum's
/// `DefaultBodyLimit`, which `RampartExt` (feature `axum`) lowers to the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContentLengthLayer(u64);

impl ContentLengthLayer {
    /// Caps the length of bodies, in bytes.
    #[must_use]
    pub fn max(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the cap, in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Policy for ContentLengthLayer {
    const NAME: &'static str = "content_length";
    type Pass = ();
    type Wait = NoWait<()>;

    fn admit(&self, head: &request::Parts) -> Verdict<(), NoWait<()>> {
        let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
        // Digits only, as many as there may be (RFC 9110 §8.6); what is no
        // length, the server has refused already.
        let over = |digits: &str| digits.parse::<u64>().map_or(true, |bytes| bytes > self.0);
        if !lengths.any(|length| length.to_str().map_or(true, over)) {
            return Verdict::Pass(());
        }
        Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, RejectionCode::BodyTooLarge)
            .kind("content-length")
            .detail("the body is larger than this service takes")
            .member("max_bytes", self.0)
            .into()
    }

    fn settings(&self) -> Settings {
        vec![("bytes", self.0.to_string())]
    }
}

gate_layer!(ContentLengthLayer);
