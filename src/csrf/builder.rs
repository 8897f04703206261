//! The settings of [`CsrfLayer`].

use std::sync::Arc;

use http::Method;

use super::check::{Rules, is_safe};
use super::error::{ConfigError, Problem};
use super::layer::CsrfLayer;
use crate::config::Problems;
use crate::origin::OriginPolicy;

impl CsrfLayer {
    /// Starts a layer that lets only the service's own pages change things.
    pub fn builder() -> CsrfLayerBuilder {
        CsrfLayerBuilder::default()
    }
}

/// Collects the settings of a [`CsrfLayer`].
#[derive(Debug, Default)]
#[must_use]
pub struct CsrfLayerBuilder {
    rules: Rules,
}

impl CsrfLayerBuilder {
    /// Names the other origins whose pages may change things. The service's
    /// own pages may always.
    pub fn origins(mut self, origins: &OriginPolicy) -> Self {
        self.rules.origins = Some(origins.clone());
        self
    }

    /// Names the service's own origins, so that the scheme is compared as well;
    /// without, host and port of an `Origin` are compared with `Host`. A browser
    /// that says `Sec-Fetch-Site: same-origin` is believed either way.
    pub fn own_origins(mut self, origins: &OriginPolicy) -> Self {
        self.rules.own_origins = Some(origins.clone());
        self
    }

    /// Says that no page of another origin may change anything, though CORS may
    /// let some read: a stack does not ask for [`origins`](Self::origins) then.
    pub fn own_pages_only(mut self) -> Self {
        self.rules.own_pages_only = true;
        self
    }

    /// Names cookies in whose presence a request that says nothing about
    /// where it comes from is refused too.
    pub fn strict_cookies<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.rules.strict_cookies = names.into_iter().map(Into::into).collect();
        self
    }

    /// Exempts exactly one method and path, byte by byte; a `GET` for the
    /// handshake of a WebSocket. The path is what the layer sees: inside axum's
    /// `nest` that is without the prefix, and so the same under every one.
    ///
    /// # Security
    ///
    /// Any page may make this request in a user's name.
    pub fn dangerous_exempt(mut self, method: Method, path: impl Into<String>) -> Self {
        self.rules.exempt.push((method, path.into()));
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<CsrfLayer, ConfigError> {
        let mut problems = Vec::new();
        for (method, path) in &self.rules.exempt {
            if !path.starts_with('/') || path.contains(['?', '#', '{', '*']) {
                problems.push(Problem::ExemptPath { path: path.clone() });
            }
            // A `GET` may be a handshake.
            if is_safe(method) && *method != Method::GET {
                problems.push(Problem::ExemptSafeMethod {
                    method: method.to_string(),
                    path: path.clone(),
                });
            }
        }
        Problems::check(problems, || CsrfLayer(Arc::new(self.rules)))
    }
}
