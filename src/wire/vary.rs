//! Adding to `Vary` without losing or repeating what is there (RFC 9110 §12.5.5).

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

/// Adds one field name unless it, or `*`, is already listed.
pub(crate) fn add(headers: &mut HeaderMap, name: &'static str) {
    let present = headers
        .get_all(VARY)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|token| {
            let token = token.trim();
            token == "*" || token.eq_ignore_ascii_case(name)
        });
    if !present {
        headers.append(VARY, HeaderValue::from_static(name));
    }
}
