//! Which requests are preflights.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, request};

/// `OPTIONS` with one `Origin` and a requested method (Fetch, CORS-preflight
/// request); any other `OPTIONS` is the handler's.
pub(crate) fn is_preflight(head: &request::Parts) -> bool {
    let mut origins = head.headers.get_all(ORIGIN).iter();
    head.method == Method::OPTIONS
        && origins.next().is_some()
        && origins.next().is_none()
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
