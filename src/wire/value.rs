//! Header values that many responses share.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use http::header::InvalidHeaderValue;

/// The texts that live as long as the process, each once. Only configuration gets
/// here, so there are few; a list that is replaced by ever new ones stops there.
static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

const MOST_TEXTS: usize = 4_096;

/// Makes a value of configuration whose clones copy nothing and, up to some
/// thousands of values, count nothing: no two threads write to one place.
pub(crate) fn shared(text: String) -> Result<HeaderValue, InvalidHeaderValue> {
    // Checked here, since a static text must be right.
    HeaderValue::from_str(&text)?;
    match kept(text) {
        Ok(text) => Ok(HeaderValue::from_static(text)),
        Err(text) => HeaderValue::from_maybe_shared(Bytes::from_owner(text)),
    }
}

/// Keeps a text for good, or gives it back if there are too many.
fn kept(text: String) -> Result<&'static str, String> {
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text.as_str()) {
        return Ok(known);
    }
    if texts.len() >= MOST_TEXTS {
        return Err(text);
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    texts.insert(text);
    Ok(text)
}
