//! Which requests are preflights.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, request};

/// `OPTIONS` with one `Origin` and a requested method (Fetch, CORS-preflight
/// request); any other `OPTIONS` is the handler's.
pub(crate) fn is_preflight(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS && has_one_origin(head) && asks_for_a_method(head)
}

fn has_one_origin(head: &request::Parts) -> bool {
    let mut origins = head.headers.get_all(ORIGIN).iter();
    origins.next().is_some() && origins.next().is_none()
}

fn asks_for_a_method(head: &request::Parts) -> bool {
    head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
