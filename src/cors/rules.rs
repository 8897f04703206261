//! What a browser is told. Constants, but for the origin.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::gate::Settings;
use crate::origin::OriginPolicy;
use crate::rejection::{Rejection, RejectionCode, Reply};
use crate::wire::vary;

/// Who may read answers.
#[derive(Clone, Debug)]
pub(super) enum Audience {
    /// Everybody, without credentials.
    Anybody,
    /// The listed origins.
    Listed {
        origins: OriginPolicy,
        credentials: bool,
    },
}

impl Audience {
    pub(super) fn sends_credentials(&self) -> bool {
        matches!(
            self,
            Self::Listed {
                credentials: true,
                ..
            }
        )
    }
}

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) audience: Audience,
    pub(super) allow_methods: Option<HeaderValue>,
    pub(super) allow_headers: Option<HeaderValue>,
    pub(super) expose_headers: Option<HeaderValue>,
    pub(super) max_age: HeaderValue,
    /// What preflights are told, but for the origin.
    pub(super) constants: HeaderMap,
    /// Whether it was said that there is another layer outside.
    pub(super) warned: AtomicBool,
}

/// What `Access-Control-Allow-Origin` will say, if anything.
pub(super) type AllowOrigin = Option<HeaderValue>;

const PREFLIGHT_VARY: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);

impl Rules {
    /// Answers a preflight.
    pub(super) fn answer(&self, allow: AllowOrigin) -> Reply {
        match allow {
            Some(origin) => Reply::Response(self.preflight(origin)),
            None => Rejection::new(StatusCode::FORBIDDEN, RejectionCode::OriginDenied)
                .detail("this origin may not use this service from a page")
                .header(VARY, PREFLIGHT_VARY)
                .into(),
        }
    }

    pub(super) fn settings(&self) -> Settings {
        let audience = match &self.audience {
            Audience::Anybody => "everybody, without credentials".to_owned(),
            Audience::Listed {
                origins,
                credentials,
            } => {
                let with = if *credentials { "with" } else { "without" };
                format!("{}; {with} credentials", origins.entries().join(", "))
            }
        };
        let text = |value: &Option<HeaderValue>| {
            let text = value.as_ref().and_then(|value| value.to_str().ok());
            text.unwrap_or("none").to_owned()
        };
        vec![
            ("origins", audience),
            ("methods beside GET, HEAD, POST", text(&self.allow_methods)),
            ("request headers", text(&self.allow_headers)),
            ("readable headers", text(&self.expose_headers)),
            (
                "preflights remembered, in seconds",
                text(&Some(self.max_age.clone())),
            ),
        ]
    }

    /// What an answer to a request may say, decided once: the list may be
    /// replaced before there is one.
    pub(super) fn allowed(&self, request: &HeaderMap) -> AllowOrigin {
        match &self.audience {
            Audience::Anybody => Some(HeaderValue::from_static("*")),
            Audience::Listed { origins, .. } => origins.echo(request),
        }
    }

    /// Says once that this layer has nothing to decide.
    pub(super) fn warn_of_another(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let what =
                "a CORS layer inside another one can only close to an origin what that one opens";
            crate::trace::degraded("layer-twice", &what);
        }
    }

    fn preflight(&self, origin: HeaderValue) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        // A copy of the constant answer costs less than to put it together.
        *headers = self.constants.clone();
        // Found at once: it was put there first.
        let mut fields = headers.iter_mut();
        if let Some((_, value)) = fields.find(|(name, _)| **name == ACCESS_CONTROL_ALLOW_ORIGIN) {
            *value = origin;
        }
        response
    }

    /// Fills in what every preflight of an allowed origin is told; the place of
    /// the origin is kept.
    pub(super) fn with_constants(mut self) -> Self {
        let mut headers = HeaderMap::new();
        self.allow(&mut headers, HeaderValue::from_static(""));
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, &self.allow_methods),
            (ACCESS_CONTROL_ALLOW_HEADERS, &self.allow_headers),
            (ACCESS_CONTROL_MAX_AGE, &Some(self.max_age.clone())),
        ] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(VARY, PREFLIGHT_VARY);
        self.constants = headers;
        self
    }

    pub(super) fn leave(&self, allow: AllowOrigin, headers: &mut HeaderMap) {
        // One source of truth: what a handler or an upstream says about
        // sharing would let it open what is closed here.
        strip(headers);
        self.vary(headers);
        if let Some(origin) = allow {
            self.allow(headers, origin);
            if let Some(exposed) = &self.expose_headers {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
            }
        }
    }

    /// Tells caches that the answer depends on who asks.
    pub(super) fn vary(&self, headers: &mut HeaderMap) {
        if matches!(self.audience, Audience::Listed { .. }) {
            vary::add(headers, "Origin");
        }
    }

    fn allow(&self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.audience.sends_credentials() {
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

fn strip(headers: &mut HeaderMap) {
    let ours = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    if headers.keys().any(|name| ours(&name)) {
        let names: Vec<_> = headers.keys().filter(ours).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}
