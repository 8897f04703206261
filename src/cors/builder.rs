//! The settings of [`CorsLayer`].

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::error::{ConfigError, Problem};
use super::layer::CorsLayer;
use super::rules::{Audience, Rules};
use crate::config::Problems;
use crate::origin::OriginPolicy;
use crate::wire::value::shared;

impl CorsLayer {
    /// Starts a layer for pages that send cookies or other credentials.
    pub fn credentialed(origins: &OriginPolicy) -> CorsLayerBuilder {
        CorsLayerBuilder::new(Audience::Listed {
            origins: origins.clone(),
            credentials: true,
        })
    }

    /// Starts a layer for listed pages that send no credentials.
    pub fn anonymous(origins: &OriginPolicy) -> CorsLayerBuilder {
        CorsLayerBuilder::new(Audience::Listed {
            origins: origins.clone(),
            credentials: false,
        })
    }

    /// Starts a layer for a public service: every page may read, none with
    /// credentials.
    pub fn any_origin() -> CorsLayerBuilder {
        CorsLayerBuilder::new(Audience::Anybody)
    }
}

/// Collects the settings of a [`CorsLayer`].
#[derive(Debug)]
#[must_use]
pub struct CorsLayerBuilder {
    audience: Audience,
    methods: Vec<Method>,
    request_headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
    any_request_header: bool,
    max_age: Duration,
}

impl CorsLayerBuilder {
    pub(super) fn new(audience: Audience) -> Self {
        Self {
            audience,
            methods: Vec::new(),
            request_headers: Vec::new(),
            exposed: Vec::new(),
            any_request_header: false,
            max_age: Duration::from_secs(600),
        }
    }

    /// Replaces the methods that pages may use; `GET`, `HEAD` and `POST` may
    /// always be used.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Replaces the request headers that pages may set.
    pub fn request_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.request_headers = headers.into_iter().collect();
        self
    }

    /// Lets pages set any request header, `Authorization` included, which a
    /// browser does not count among any (Fetch, CORS protocol and credentials).
    /// Only for layers without credentials.
    pub fn any_request_header(mut self) -> Self {
        self.any_request_header = true;
        self
    }

    /// Replaces the response headers that pages may read.
    pub fn expose(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.exposed = headers.into_iter().collect();
        self
    }

    /// Sets how long browsers may remember a preflight; 10 min by default, at
    /// most 24 h. Chromium stops at 2 h.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<CorsLayer, ConfigError> {
        let mut problems = Vec::new();
        for method in &self.methods {
            let standard = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
            let name = method.as_str();
            if !standard.contains(&name)
                && standard
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known))
            {
                problems.push(Problem::MethodCase {
                    method: method.to_string(),
                });
            }
            if name == "*" {
                problems.push(Problem::Star { setting: "methods" });
            }
            // In any case of the letters (Fetch, forbidden method).
            let forbidden = ["CONNECT", "TRACE", "TRACK"];
            let mut forbidden = forbidden.iter();
            if forbidden.any(|name| method.as_str().eq_ignore_ascii_case(name)) {
                problems.push(Problem::ForbiddenMethod {
                    method: method.to_string(),
                });
            }
        }
        for name in self
            .request_headers
            .iter()
            .filter(|name| is_forbidden_request_header(name.as_str()))
        {
            problems.push(Problem::ForbiddenHeader {
                name: name.to_string(),
            });
        }
        for name in self
            .exposed
            .iter()
            .filter(|name| ["set-cookie", "set-cookie2"].contains(&name.as_str()))
        {
            problems.push(Problem::ForbiddenHeader {
                name: name.to_string(),
            });
        }
        for (setting, names) in [
            ("request_headers", &self.request_headers),
            ("expose", &self.exposed),
        ] {
            if names.iter().any(|name| name.as_str() == "*") {
                problems.push(Problem::Star { setting });
            }
        }
        if self.any_request_header && self.audience.sends_credentials() {
            problems.push(Problem::AnyHeaderWithCredentials);
        }
        if self.any_request_header && !self.request_headers.is_empty() {
            problems.push(Problem::AnyHeaderAndSome);
        }
        if self.max_age > Duration::from_secs(24 * 60 * 60) {
            problems.push(Problem::MaxAgeTooLong {
                max_age: self.max_age,
            });
        }
        Problems::check(problems, || {
            let rules = Rules {
                audience: self.audience,
                allow_methods: list(self.methods.iter().map(Method::as_str)),
                allow_headers: if self.any_request_header {
                    Some(HeaderValue::from_static("*,authorization"))
                } else {
                    list(self.request_headers.iter().map(HeaderName::as_str))
                },
                expose_headers: list(self.exposed.iter().map(HeaderName::as_str)),
                max_age: seconds(self.max_age),
                constants: HeaderMap::new(),
                warned: AtomicBool::new(false),
            };
            CorsLayer(Arc::new(rules.with_constants()))
        })
    }
}

fn seconds(time: Duration) -> HeaderValue {
    let rounded_up = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    shared(rounded_up.to_string()).expect("digits are printable ASCII")
}

/// Joins names that are legal in a field value; `None` if there are none.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let joined = names.collect::<Vec<_>>().join(",");
    (!joined.is_empty()).then(|| shared(joined).expect("methods and field names are tokens"))
}

/// The names that the Fetch standard keeps from scripts.
fn is_forbidden_request_header(name: &str) -> bool {
    const FORBIDDEN: &[&str] = &[
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    FORBIDDEN.contains(&name) || name.starts_with("proxy-") || name.starts_with("sec-")
}
