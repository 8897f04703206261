//! Writing the headers.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, SERVER, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderName, HeaderValue, StatusCode, request, response};

use super::csp::{Compiled, CspNonce};
use crate::gate::Settings;

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) always: Vec<(HeaderName, HeaderValue)>,
    pub(super) if_absent: Vec<(HeaderName, HeaderValue)>,
    pub(super) policy: Compiled,
}

/// Whether a request came with credentials, and the nonce of its response.
#[derive(Clone, Debug)]
pub struct Seen {
    credentials: bool,
    pub(super) nonce: Option<CspNonce>,
}

impl Rules {
    pub(super) fn settings(&self) -> Settings {
        let text = |(_, value): &(HeaderName, HeaderValue)| value.to_str().unwrap_or("").to_owned();
        let hsts = self
            .always
            .iter()
            .find(|(name, _)| *name == STRICT_TRANSPORT_SECURITY);
        vec![
            ("policy", self.policy.in_words()),
            (
                "transport",
                hsts.map_or_else(|| "not declared to be TLS".to_owned(), text),
            ),
        ]
    }

    pub(super) fn look(&self, head: &request::Parts) -> Seen {
        Seen {
            nonce: self.policy.nonce(),
            credentials: head.headers.contains_key(AUTHORIZATION)
                || head.headers.contains_key(COOKIE),
        }
    }

    pub(super) fn leave(&self, seen: &Seen, head: &mut response::Parts) {
        let headers = &mut head.headers;
        headers.reserve(self.always.len() + self.if_absent.len() + 2);
        for (name, value) in &self.always {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.if_absent {
            headers.entry(name.clone()).or_insert_with(|| value.clone());
        }
        // Not modified is a page that has a nonce already.
        let kept = head.status == StatusCode::NOT_MODIFIED && seen.nonce.is_some();
        if !kept {
            let policy = || self.policy.value(seen.nonce.as_ref());
            let entry = headers.entry(CONTENT_SECURITY_POLICY);
            entry.or_insert_with(policy);
        }
        // Shared caches must not serve one user's answer, or nonce, to another.
        if seen.credentials || seen.nonce.is_some() || headers.contains_key(SET_COOKIE) {
            headers
                .entry(CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
        }
        // Nobody but an attacker needs to know what runs here.
        headers.remove(SERVER);
        headers.remove(const { HeaderName::from_static("x-powered-by") });
    }
}
