//! Writing the headers.

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SERVER, SET_COOKIE};
use http::{HeaderName, HeaderValue, request, response};

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) always: Vec<(HeaderName, HeaderValue)>,
    pub(super) if_absent: Vec<(HeaderName, HeaderValue)>,
}

/// Whether a request came with credentials.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    credentials: bool,
}

impl Rules {
    pub(super) fn look(head: &request::Parts) -> Seen {
        Seen {
            credentials: head.headers.contains_key(AUTHORIZATION)
                || head.headers.contains_key(COOKIE),
        }
    }

    pub(super) fn leave(&self, seen: Seen, head: &mut response::Parts) {
        let headers = &mut head.headers;
        for (name, value) in &self.always {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.if_absent {
            headers.entry(name.clone()).or_insert_with(|| value.clone());
        }
        // Shared caches must not serve one user's answer to another.
        if seen.credentials || headers.contains_key(SET_COOKIE) {
            headers
                .entry(CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
        }
        // Nobody but an attacker needs to know what runs here.
        headers.remove(SERVER);
        headers.remove(const { HeaderName::from_static("x-powered-by") });
    }
}
