//! The settings of [`OriginPolicy`].

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::error::{ConfigError, Problem};
use super::{Allowed, OriginPolicy};
use crate::config::Problems;
use crate::wire::origin::{OriginFault, OriginParts, canonical};
use crate::wire::value::shared;

/// Collects the origins of an [`OriginPolicy`].
#[derive(Debug, Default)]
#[must_use]
pub struct OriginPolicyBuilder {
    entries: Vec<Entry>,
    production: bool,
    allow_insecure: bool,
    allow_loopback: bool,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// Where the entry came from, for messages.
    place: String,
    text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Exact,
    Subdomains,
    AnyPort,
}

impl OriginPolicyBuilder {
    /// Adds an origin, in the form browsers send: `https://app.example`.
    pub fn origin(self, origin: impl Into<String>) -> Self {
        let place = format!("origin {}", self.entries.len());
        self.entry(Kind::Exact, place, origin.into())
    }

    /// Adds every subdomain of an origin's host, at any depth, without the
    /// host itself.
    ///
    /// # Security
    ///
    /// Whoever can publish on any of them can act for the users of all. Hosts
    /// under which anybody gets a name are refused, but only the best known are:
    /// the Public Suffix List has thousands.
    pub fn subdomains_of(self, origin: impl Into<String>) -> Self {
        let place = format!("subdomains {}", self.entries.len());
        self.entry(Kind::Subdomains, place, origin.into())
    }

    /// Adds every port of a loopback origin, for development:
    /// `http://localhost`.
    pub fn any_port_on(self, origin: impl Into<String>) -> Self {
        let place = format!("any port {}", self.entries.len());
        self.entry(Kind::AnyPort, place, origin.into())
    }

    /// Adds the origins of a comma-separated setting; messages name the
    /// setting and the entry's position.
    pub fn csv(mut self, setting: &str, list: &str) -> Self {
        for (index, text) in list.split(',').enumerate() {
            self = self.entry(
                Kind::Exact,
                format!("{setting}[{index}]"),
                text.trim().to_owned(),
            );
        }
        self
    }

    /// Refuses origins that have no place in production: `http` and loopback.
    pub fn production(mut self) -> Self {
        self.production = true;
        self
    }

    /// Accepts `http` origins beyond this machine, in production too.
    ///
    /// # Security
    ///
    /// Whoever sits on the network between can publish on them.
    pub fn dangerous_allow_insecure_origins(mut self) -> Self {
        self.allow_insecure = true;
        self
    }

    /// Accepts loopback origins in production, as the web views of some mobile
    /// apps have them: `https://localhost`.
    ///
    /// # Security
    ///
    /// Whatever else listens on a visitor's machine has them too.
    pub fn dangerous_allow_loopback_in_production(mut self) -> Self {
        self.allow_loopback = true;
        self
    }

    fn entry(mut self, kind: Kind, place: String, text: String) -> Self {
        self.entries.push(Entry { kind, place, text });
        self
    }

    /// Checks every entry.
    ///
    /// # Errors
    ///
    /// One [`Problem`] for each entry that could never match, or should not.
    pub fn build(self) -> Result<OriginPolicy, ConfigError> {
        let allowed = self.check()?;
        Ok(OriginPolicy(Arc::new(ArcSwap::from_pointee(allowed))))
    }

    pub(super) fn check(self) -> Result<Allowed, ConfigError> {
        let mut problems = Vec::new();
        let mut allowed = Allowed {
            production: self.production,
            ..Allowed::default()
        };
        for entry in &self.entries {
            match self.judge(entry) {
                Ok(parts) => allowed.add(entry, &parts),
                Err(problem) => problems.push(problem),
            }
        }
        if self.entries.is_empty() {
            problems.push(Problem::Empty);
        }
        Problems::check(problems, || allowed)
    }

    fn judge<'a>(&self, entry: &'a Entry) -> Result<OriginParts<'a>, Problem> {
        let Entry { kind, place, text } = entry;
        let (place, origin) = (place.clone(), text.clone());
        let parts = match OriginParts::parse(text) {
            Ok(parts) => parts,
            Err(OriginFault::Null) => return Err(Problem::Null { place }),
            Err(OriginFault::Wildcard) => return Err(Problem::Wildcard { place, origin }),
            Err(OriginFault::DefaultPort) => {
                return Err(Problem::DefaultPort {
                    place,
                    origin: origin.clone(),
                    suggestion: canonical(&origin),
                });
            }
            Err(fault) => {
                return Err(Problem::NotAnOrigin {
                    place,
                    origin: origin.clone(),
                    reason: reason(fault),
                    suggestion: canonical(&origin),
                });
            }
        };
        let loopback = parts.is_loopback();
        if self.production && loopback && !self.allow_loopback {
            return Err(Problem::LoopbackInProduction { place, origin });
        }
        let local = loopback && (!self.production || self.allow_loopback);
        if parts.scheme == "http" && !local && !self.allow_insecure {
            return Err(Problem::Insecure { place, origin });
        }
        if *kind == Kind::AnyPort && (!loopback || parts.port.is_some()) {
            return Err(Problem::AnyPortBeyondLoopback { place, origin });
        }
        if *kind == Kind::Subdomains && parts.is_address() {
            return Err(Problem::SubdomainsOfAddress { place, origin });
        }
        if *kind == Kind::Subdomains && is_public_suffix(parts.host) {
            return Err(Problem::PublicSuffix { place, origin });
        }
        Ok(parts)
    }
}

impl Allowed {
    fn add(&mut self, entry: &Entry, parts: &OriginParts<'_>) {
        let (scheme, host) = (parts.scheme.to_owned(), parts.host.to_owned());
        match entry.kind {
            Kind::Exact => {
                let value = shared(entry.text.clone());
                let value = value.expect("an origin is printable ASCII");
                self.exact.insert(entry.text.as_bytes().into(), value);
            }
            Kind::Subdomains => {
                self.lengths.insert(host.len());
                let schemes = self.subdomains.entry(host).or_default();
                schemes.push((scheme, parts.port));
            }
            Kind::AnyPort => {
                self.any_port.entry(host).or_default().push(scheme);
            }
        }
    }
}

fn reason(fault: OriginFault) -> &'static str {
    match fault {
        OriginFault::BadHost => "its host is not a name or address as browsers write it",
        OriginFault::BadPort => "its port is not a number from 1 to 65535 without leading zeros",
        OriginFault::DefaultPort => "browsers leave out the default port",
        OriginFault::Null => "null is every sandboxed page",
        OriginFault::Path => "an origin ends after host and port",
        OriginFault::SchemeMissing => "it has no scheme",
        OriginFault::Socket => "pages say http or https, for WebSockets too",
        OriginFault::TooLong => "it is longer than any origin",
        OriginFault::Unicode => "browsers send such names in Punycode (xn--…)",
        OriginFault::UpperCase => "browsers send scheme and host in lower case",
        OriginFault::Userinfo => "an origin has no user",
        OriginFault::Wildcard => "there are no patterns",
    }
}

/// Hosts under which strangers can get a name: single labels, and the best
/// known shared ones.
fn is_public_suffix(host: &str) -> bool {
    const SHARED: &[&str] = &[
        "ac.uk",
        "amplifyapp.com",
        "appspot.com",
        "azurestaticapps.net",
        "azurewebsites.net",
        "blogspot.com",
        "cloudfront.net",
        "co.in",
        "co.jp",
        "co.nz",
        "co.uk",
        "co.za",
        "com.au",
        "com.br",
        "com.cn",
        "com.tr",
        "firebaseapp.com",
        "fly.dev",
        "github.io",
        "gitlab.io",
        "herokuapp.com",
        "ngrok-free.app",
        "ngrok.io",
        "netlify.app",
        "onrender.com",
        "org.uk",
        "pages.dev",
        "run.app",
        "s3.amazonaws.com",
        "surge.sh",
        "trycloudflare.com",
        "vercel.app",
        "web.app",
        "workers.dev",
    ];
    !host.contains('.') && host != "localhost" || SHARED.contains(&host)
}
