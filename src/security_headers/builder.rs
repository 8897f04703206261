//! The settings of [`SecurityHeadersLayer`].

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};

use super::csp::{ContentSecurityPolicy, checked};
use super::error::{ConfigError, Problem};
use super::layer::SecurityHeadersLayer;
use super::rules::Rules;
use crate::config::Problems;

impl SecurityHeadersLayer {
    /// Starts with the headers of a service without pages: nothing may be
    /// loaded or framed.
    pub fn api() -> SecurityHeadersLayerBuilder {
        SecurityHeadersLayerBuilder::new(Preset::Api)
    }

    /// Starts with the headers of a service with pages that load only from
    /// itself.
    pub fn web() -> SecurityHeadersLayerBuilder {
        SecurityHeadersLayerBuilder::new(Preset::Web)
    }

    /// Starts with what the OWASP Secure Headers Project proposes for pages, but
    /// for two: `Strict-Transport-Security` and `upgrade-insecure-requests` come
    /// with [`hsts`](SecurityHeadersLayerBuilder::hsts), and `Clear-Site-Data` is
    /// for the answer to a sign-out: on every answer it would sign everybody out.
    ///
    /// Pages may load nothing of others that does not say so
    /// (`Cross-Origin-Embedder-Policy`), and nothing is cached unless a handler
    /// says how.
    pub fn owasp() -> SecurityHeadersLayerBuilder {
        SecurityHeadersLayerBuilder::new(Preset::Owasp)
    }
}

/// Collects the settings of a [`SecurityHeadersLayer`].
#[derive(Debug)]
#[must_use]
pub struct SecurityHeadersLayerBuilder {
    preset: Preset,
    policy: ContentSecurityPolicy,
    hsts: Option<Hsts>,
}

#[derive(Clone, Copy, Debug)]
struct Hsts {
    max_age: Duration,
    subdomains: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Preset {
    Api,
    Web,
    Owasp,
}

const PERMISSIONS: &str = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), \
                           microphone=(), payment=(), usb=()";

const ALL_PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(), \
                               cross-origin-isolated=(), display-capture=(), encrypted-media=(), fullscreen=(), \
                               gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), keyboard-map=(), \
                               magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
                               publickey-credentials-get=(), screen-wake-lock=(), serial=(), sync-xhr=(self), usb=(), \
                               web-share=(), xr-spatial-tracking=()";

impl SecurityHeadersLayerBuilder {
    fn new(preset: Preset) -> Self {
        let policy = match preset {
            Preset::Api => ContentSecurityPolicy::nothing(),
            Preset::Web | Preset::Owasp => ContentSecurityPolicy::own(),
        };
        Self {
            preset,
            policy,
            hsts: None,
        }
    }

    /// Replaces the content security policy. A handler's own policy wins over
    /// it.
    pub fn content_security_policy(mut self, policy: impl Into<ContentSecurityPolicy>) -> Self {
        self.policy = policy.into();
        self
    }

    /// Tells browsers to use TLS for this host and its subdomains for a time
    /// (RFC 6797 §6.1). Only for services that are reached by TLS. Zero takes it
    /// back, in browsers that come by.
    pub fn hsts(mut self, max_age: Duration) -> Self {
        self.hsts = Some(Hsts {
            max_age,
            subdomains: true,
        });
        self
    }

    /// As [`hsts`](Self::hsts), without the subdomains: for a host that has some
    /// without TLS.
    pub fn hsts_of_this_host(mut self, max_age: Duration) -> Self {
        self.hsts = Some(Hsts {
            max_age,
            subdomains: false,
        });
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<SecurityHeadersLayer, ConfigError> {
        let mut problems = self.policy.problems();
        let shortest = Duration::from_secs(5 * 60);
        let max_age = self.hsts.map(|hsts| hsts.max_age);
        if let Some(max_age) = max_age.filter(|age| !age.is_zero() && *age < shortest) {
            problems.push(Problem::HstsTooShort { max_age });
        }
        Problems::check(problems, || SecurityHeadersLayer(Arc::new(self.rules())))
    }

    fn rules(self) -> Rules {
        let text = HeaderValue::from_static;
        let mut always = vec![
            (X_CONTENT_TYPE_OPTIONS, text("nosniff")),
            (X_FRAME_OPTIONS, text("DENY")),
        ];
        let mut policy = self.policy;
        if let Some(hsts) = self.hsts {
            let scope = if hsts.subdomains {
                "; includeSubDomains"
            } else {
                ""
            };
            let value = format!("max-age={}{scope}", hsts.max_age.as_secs());
            always.push((STRICT_TRANSPORT_SECURITY, checked(value)));
            if self.preset == Preset::Owasp && !hsts.max_age.is_zero() {
                policy = policy.set("upgrade-insecure-requests", [""; 0]);
            }
        }
        let fixed = HeaderName::from_static;
        let referrer = match self.preset {
            Preset::Api | Preset::Owasp => "no-referrer",
            Preset::Web => "strict-origin-when-cross-origin",
        };
        let permissions = match self.preset {
            Preset::Api | Preset::Web => PERMISSIONS,
            Preset::Owasp => ALL_PERMISSIONS,
        };
        let mut if_absent = vec![
            (REFERRER_POLICY, text(referrer)),
            (fixed("cross-origin-opener-policy"), text("same-origin")),
            (fixed("cross-origin-resource-policy"), text("same-origin")),
            (fixed("permissions-policy"), text(permissions)),
        ];
        if self.preset == Preset::Owasp {
            if_absent.extend([
                (fixed("cross-origin-embedder-policy"), text("require-corp")),
                (fixed("x-permitted-cross-domain-policies"), text("none")),
                (CACHE_CONTROL, text("no-store, max-age=0")),
            ]);
        }
        Rules::new(always, if_absent, policy.compile())
    }
}
