//! Header values that many responses share.

use bytes::Bytes;
use http::HeaderValue;
use http::header::InvalidHeaderValue;

/// Makes a value whose clones count references: none of them, not even the first,
/// allocates.
pub(crate) fn shared(text: String) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from_owner(text))
}
