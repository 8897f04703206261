//! The settings of [`SecurityHeadersLayer`].

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::error::{ConfigError, Problem};
use super::layer::SecurityHeadersLayer;
use super::rules::Rules;
use crate::config::Problems;

impl SecurityHeadersLayer {
    /// Starts with the headers of a service without pages: nothing may be
    /// loaded or framed.
    pub fn api() -> SecurityHeadersLayerBuilder {
        SecurityHeadersLayerBuilder::api()
    }

    /// Starts with the headers of a service with pages that load only from
    /// itself.
    pub fn web() -> SecurityHeadersLayerBuilder {
        SecurityHeadersLayerBuilder::web()
    }
}

/// Collects the settings of a [`SecurityHeadersLayer`].
#[derive(Debug)]
#[must_use]
pub struct SecurityHeadersLayerBuilder {
    csp: String,
    frame: &'static str,
    referrer: &'static str,
    hsts: Option<Duration>,
}

const PERMISSIONS: &str = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), \
                           microphone=(), payment=(), usb=()";

impl SecurityHeadersLayerBuilder {
    pub(super) fn api() -> Self {
        Self {
            csp: "default-src 'none'; frame-ancestors 'none'".to_owned(),
            frame: "DENY",
            referrer: "no-referrer",
            hsts: None,
        }
    }

    pub(super) fn web() -> Self {
        Self {
            csp: "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
                .to_owned(),
            frame: "DENY",
            referrer: "strict-origin-when-cross-origin",
            hsts: None,
        }
    }

    /// Replaces the content security policy. A handler's own policy wins over
    /// it.
    pub fn content_security_policy(mut self, policy: impl Into<String>) -> Self {
        self.csp = policy.into();
        self
    }

    /// Tells browsers to use TLS for this host and its subdomains for a time
    /// (RFC 6797 §6.1). Only for services that are reached by TLS.
    pub fn hsts(mut self, max_age: Duration) -> Self {
        self.hsts = Some(max_age);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<SecurityHeadersLayer, ConfigError> {
        let mut problems = Vec::new();
        if let Some(reason) = csp_fault(&self.csp) {
            problems.push(Problem::ContentSecurityPolicy {
                policy: self.csp.clone(),
                reason,
            });
        }
        if let Some(max_age) = self
            .hsts
            .filter(|max_age| *max_age < Duration::from_secs(24 * 60 * 60))
        {
            problems.push(Problem::HstsTooShort { max_age });
        }
        Problems::check(problems, || {
            let fixed = |name: &'static str| HeaderName::from_static(name);
            let mut always = vec![
                (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
                (X_FRAME_OPTIONS, HeaderValue::from_static(self.frame)),
            ];
            if let Some(max_age) = self.hsts {
                let value = format!("max-age={}; includeSubDomains", max_age.as_secs());
                always.push((STRICT_TRANSPORT_SECURITY, checked(value)));
            }
            let if_absent = vec![
                (CONTENT_SECURITY_POLICY, checked(self.csp)),
                (REFERRER_POLICY, HeaderValue::from_static(self.referrer)),
                (
                    fixed("cross-origin-opener-policy"),
                    HeaderValue::from_static("same-origin"),
                ),
                (
                    fixed("cross-origin-resource-policy"),
                    HeaderValue::from_static("same-origin"),
                ),
                (
                    fixed("permissions-policy"),
                    HeaderValue::from_static(PERMISSIONS),
                ),
            ];
            SecurityHeadersLayer(Arc::new(Rules { always, if_absent }))
        })
    }
}

fn checked(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("the value was checked to be printable ASCII")
}

/// Finds what makes a policy weaker than it looks.
fn csp_fault(policy: &str) -> Option<&'static str> {
    const QUOTED: [&str; 5] = [
        "none",
        "self",
        "strict-dynamic",
        "unsafe-eval",
        "unsafe-inline",
    ];
    if policy.trim().is_empty() {
        return Some("it is empty; leave the default");
    }
    if !policy.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some("it has characters that no header can carry; use printable ASCII");
    }
    let bare = policy.split([' ', ';']).any(|word| QUOTED.contains(&word));
    bare.then_some("a keyword without quotes is read as a host name; write 'self'")
}
