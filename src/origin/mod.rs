//! Which web origins are ours: one list for CORS and CSRF.

mod builder;
mod error;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderMap;
use http::header::ORIGIN;

use crate::wire::origin::OriginParts;

pub use builder::OriginPolicyBuilder;
pub use error::Problem;

/// An allow-list of origins. Clones share it.
///
/// A browser's origin matches byte by byte, or by whole labels for
/// subdomains; there is no pattern language to get wrong.
///
/// # Examples
///
/// ```
/// use tower_rampart::cors::OriginPolicy;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let origins = OriginPolicy::builder()
///     .origin("http://localhost:5173")
///     .subdomains_of("https://tenant.example.com")
///     .build()?;
/// assert!(origins.allows("http://localhost:5173"));
/// assert!(origins.allows("https://a.b.tenant.example.com"));
/// assert!(!origins.allows("https://tenant.example.com"));
/// assert!(!origins.allows("https://eviltenant.example.com"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OriginPolicy(Arc<Allowed>);

#[derive(Debug, Default)]
struct Allowed {
    exact: HashSet<String>,
    /// Host → the schemes and ports under which its subdomains are allowed.
    subdomains: HashMap<String, Vec<(String, Option<u16>)>>,
    /// Scheme and host whose every port is allowed.
    any_port: HashSet<(String, String)>,
}

impl OriginPolicy {
    /// Starts an empty list.
    pub fn builder() -> OriginPolicyBuilder {
        OriginPolicyBuilder::default()
    }

    /// Tells whether an origin, as a browser serializes it, is on the list.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        if self.0.exact.contains(origin) {
            return true;
        }
        if self.0.subdomains.is_empty() && self.0.any_port.is_empty() {
            return false;
        }
        OriginParts::parse(origin).is_ok_and(|parts| self.allows_pattern(&parts))
    }

    fn allows_pattern(&self, parts: &OriginParts<'_>) -> bool {
        let mut host = parts.host;
        while let Some((_, parent)) = host.split_once('.') {
            let allowed = self.0.subdomains.get(parent).into_iter().flatten();
            if allowed
                .into_iter()
                .any(|(scheme, port)| scheme == parts.scheme && *port == parts.port)
            {
                return true;
            }
            host = parent;
        }
        !self.0.any_port.is_empty()
            && self
                .0
                .any_port
                .contains(&(parts.scheme.to_owned(), parts.host.to_owned()))
    }

    /// Returns the allowed origin of a request: exactly one field, on the list.
    #[must_use]
    pub fn allowed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a http::HeaderValue> {
        let mut fields = headers.get_all(ORIGIN).iter();
        let only = fields.next().filter(|_| fields.next().is_none())?;
        self.allows(only.to_str().ok()?).then_some(only)
    }
}
