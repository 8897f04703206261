//! Writing the headers.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, SERVER, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request, response};

use super::csp::{Compiled, CspNonce};
use crate::gate::Settings;

#[derive(Debug)]
pub(super) struct Rules {
    /// What a handler cannot change.
    always: Vec<(HeaderName, HeaderValue)>,
    /// What it can.
    if_absent: Vec<(HeaderName, HeaderValue)>,
    policy: Compiled,
    /// All of these: what a response without any header of its own gets. Copying it
    /// whole costs a third of adding one header after the other.
    template: HeaderMap,
}

/// Whether a request came with credentials, and the nonce of its response.
#[derive(Clone, Debug)]
pub struct Seen {
    credentials: bool,
    pub(super) nonce: Option<CspNonce>,
}

impl Rules {
    /// Takes what a handler cannot change, what it can, and the policy.
    pub(super) fn new(
        always: Vec<(HeaderName, HeaderValue)>,
        mut if_absent: Vec<(HeaderName, HeaderValue)>,
        policy: Compiled,
    ) -> Self {
        if let Compiled::Same(value) = &policy {
            if_absent.push((CONTENT_SECURITY_POLICY, value.clone()));
        }
        Self {
            template: always.iter().chain(&if_absent).cloned().collect(),
            always,
            if_absent,
            policy,
        }
    }

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

    /// Adds to what a response has of its own.
    fn add(&self, headers: &mut HeaderMap) {
        // Nobody but an attacker needs to know what runs here. Few headers are read
        // faster than two names are hashed.
        for name in [SERVER, const { HeaderName::from_static("x-powered-by") }] {
            if headers.keys().any(|own| *own == name) {
                headers.remove(name);
            }
        }
        // Growing once, and for `Cache-Control` and what layers outside add as well.
        headers.reserve(self.template.len() + 4);
        for (name, value) in &self.always {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.if_absent {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }

    pub(super) fn leave(&self, seen: &Seen, head: &mut response::Parts) {
        let headers = &mut head.headers;
        if headers.is_empty() {
            *headers = self.template.clone();
        } else {
            self.add(headers);
        }
        // Not modified is a page that has a nonce already.
        if let Some(nonce) = &seen.nonce
            && head.status != StatusCode::NOT_MODIFIED
        {
            let policy = || self.policy.value(Some(nonce));
            let entry = headers.entry(CONTENT_SECURITY_POLICY);
            entry.or_insert_with(policy);
        }
        // Shared caches must not serve one user's answer, or nonce, to another.
        if seen.credentials || seen.nonce.is_some() || headers.contains_key(SET_COOKIE) {
            headers
                .entry(CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
        }
    }
}
