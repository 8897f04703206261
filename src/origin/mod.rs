//! Which web origins are ours: one list for CORS and CSRF.

mod builder;
mod error;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};

use crate::wire::origin::{MAX_ORIGIN_BYTES, OriginParts};

use error::ConfigError;

pub use builder::OriginPolicyBuilder;
pub use error::Problem;

/// An allow-list of origins. Clones share it, and see it
/// [replaced](Self::replace).
///
/// A browser's origin matches byte by byte, or by whole labels for
/// subdomains; there is no pattern language to get wrong. The time that takes
/// does not depend on how many origins there are.
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
#[derive(Clone)]
pub struct OriginPolicy(Arc<ArcSwap<Allowed>>);

#[derive(Clone, Debug, Default)]
struct Allowed {
    /// Each with what is sent back, which all answers share.
    exact: HashMap<Box<[u8]>, HeaderValue>,
    /// Host → the schemes and ports under which its subdomains are allowed.
    subdomains: HashMap<String, Vec<(String, Option<u16>)>>,
    /// How long those hosts are: no other end of a host is looked up.
    lengths: BTreeSet<usize>,
    /// Host → the schemes under which its every port is allowed.
    any_port: HashMap<String, Vec<String>>,
    production: bool,
}

impl OriginPolicy {
    /// Starts an empty list.
    pub fn builder() -> OriginPolicyBuilder {
        OriginPolicyBuilder::default()
    }

    /// Tells whether an origin, as a browser serializes it, is on the list.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.0.load().allows(origin.as_bytes())
    }

    /// Replaces the list, for every layer that shares it and from the next
    /// request on; one that is being answered keeps what it was told. A list for
    /// production stays one.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found; the list stays as it is then.
    pub fn replace(&self, with: OriginPolicyBuilder) -> Result<(), ConfigError> {
        let production = self.0.load().production;
        let list = if production { with.production() } else { with };
        self.0.store(Arc::new(list.check()?));
        Ok(())
    }

    /// Returns what is on the list, in words.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        self.0.load().entries()
    }

    /// Returns the allowed origin of a request: exactly one field, on the list.
    #[must_use]
    pub fn allowed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let only = single(headers)?;
        self.0.load().allows(only.as_bytes()).then_some(only)
    }

    /// As [`allowed_origin`](Self::allowed_origin), to be sent back: without the
    /// bytes of the request, which would be kept for as long.
    #[cfg(feature = "cors")]
    pub(crate) fn echo(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let only = single(headers)?;
        self.0.load().find(only.as_bytes(), only).cloned()
    }
}

fn single(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut fields = headers.get_all(ORIGIN).iter();
    fields.next().filter(|_| fields.next().is_none())
}

impl Allowed {
    fn allows(&self, origin: &[u8]) -> bool {
        self.find(origin, &HeaderValue::from_static("")).is_some()
    }

    /// Finds what to send back to an origin: what is listed, or else `unlisted`.
    fn find<'a>(&'a self, origin: &[u8], unlisted: &'a HeaderValue) -> Option<&'a HeaderValue> {
        if origin.len() > MAX_ORIGIN_BYTES {
            return None;
        }
        let listed = self.exact.get(origin);
        if listed.is_some() || self.subdomains.is_empty() && self.any_port.is_empty() {
            return listed;
        }
        let parts = OriginParts::parse(std::str::from_utf8(origin).ok()?).ok()?;
        self.allows_pattern(&parts).then_some(unlisted)
    }

    fn allows_pattern(&self, parts: &OriginParts<'_>) -> bool {
        let ends = self.lengths.iter().filter_map(|length| {
            let start = parts.host.len().checked_sub(*length)?;
            // A whole label at least is before it.
            let (labels, end) = parts.host.split_at_checked(start)?;
            (labels.len() > 1 && labels.ends_with('.')).then_some(end)
        });
        for end in ends {
            let mut allowed = self.subdomains.get(end).into_iter().flatten();
            if allowed.any(|(scheme, port)| scheme == parts.scheme && *port == parts.port) {
                return true;
            }
        }
        let mut schemes = self.any_port.get(parts.host).into_iter().flatten();
        schemes.any(|scheme| scheme == parts.scheme)
    }

    fn entries(&self) -> Vec<String> {
        let listed = self.exact.keys();
        let listed = listed.map(|origin| String::from_utf8_lossy(origin).into_owned());
        let mut entries: Vec<String> = listed.collect();
        for (host, schemes) in &self.subdomains {
            entries.extend(schemes.iter().map(|(scheme, port)| {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("subdomains of {scheme}://{host}{port}")
            }));
        }
        for (host, schemes) in &self.any_port {
            let each = schemes.iter();
            entries.extend(each.map(|scheme| format!("any port on {scheme}://{host}")));
        }
        entries.sort();
        entries
    }
}

impl fmt::Debug for OriginPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OriginPolicy")
            .field(&self.entries())
            .finish()
    }
}
