//! Content security policies.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use super::error::Problem;
use crate::wire::value::shared;

/// A content security policy, directive by directive (CSP Level 3).
///
/// Mistakes that browsers would not tell, a keyword without quotes for
/// instance, are found when the layer is built.
///
/// # Examples
///
/// ```
/// use tower_rampart::security_headers::{ContentSecurityPolicy, SecurityHeadersLayer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = ContentSecurityPolicy::own()
///     .set("script-src", ["'nonce'", "'strict-dynamic'"])
///     .set("img-src", ["'self'", "data:", "https://images.example.com"]);
/// let layer = SecurityHeadersLayer::web().content_security_policy(policy).build()?;
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentSecurityPolicy(Vec<Directive>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// The nonce of one response: put it into the `nonce` attribute of the page's own
/// scripts. In the extensions of requests whose policy has one.
///
/// 128 random bits, in hexadecimal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CspNonce(Arc<str>);

impl CspNonce {
    fn fresh() -> Self {
        Self(crate::secret::random_id().into())
    }

    /// Returns the text of the attribute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stands in a policy for the nonce, which is another in each response.
pub(super) const NONCE: &str = "'nonce'";

impl ContentSecurityPolicy {
    /// Starts with nothing that may be loaded, and nobody who may frame it: for
    /// a service without pages.
    #[must_use]
    pub fn nothing() -> Self {
        Self::from(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )
    }

    /// Starts with pages that load from their own origin only.
    #[must_use]
    pub fn own() -> Self {
        Self::from(
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
        )
    }

    /// Sets the values of a directive, and replaces those it had. Among the
    /// sources of scripts and styles `'nonce'` stands for a [`CspNonce`].
    #[must_use]
    pub fn set<V: Into<String>>(
        mut self,
        directive: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let name = directive.to_ascii_lowercase();
        let values = values
            .into_iter()
            .map(|value| plain(value.into()))
            .collect();
        match self.0.iter_mut().find(|known| known.name == name) {
            Some(known) => known.values = values,
            None => self.0.push(Directive { name, values }),
        }
        self
    }

    /// Removes a directive: what it was about falls back to `default-src`, or is
    /// not restricted.
    #[must_use]
    pub fn without(mut self, directive: &str) -> Self {
        self.0
            .retain(|known| !known.name.eq_ignore_ascii_case(directive));
        self
    }

    /// Tells everything that makes it weaker than it looks.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |directive: &str, reason| {
            problems.push(Problem::ContentSecurityPolicy {
                policy: self.to_string(),
                directive: directive.to_owned(),
                reason,
            });
        };
        if self.0.is_empty() {
            problem("", "it is empty; leave the default");
        }
        for (index, directive) in self.0.iter().enumerate() {
            let name = directive.name.as_str();
            if self.0[..index].iter().any(|earlier| earlier.name == name) {
                problem(name, "browsers read the first of two only; join them");
            }
            if let Some(reason) = directive.fault() {
                problem(name, reason);
            }
        }
        problems
    }

    /// Prepares what is sent.
    pub(super) fn compile(&self) -> Compiled {
        let text = self.to_string();
        if text.contains(NONCE) {
            return Compiled::Fresh(text.split(NONCE).map(str::to_owned).collect());
        }
        Compiled::Same(checked(text))
    }
}

/// Writes the place of the nonce in one way.
fn plain(value: String) -> String {
    if value.eq_ignore_ascii_case(NONCE) {
        return NONCE.to_owned();
    }
    value
}

impl From<&str> for ContentSecurityPolicy {
    /// Reads a policy as it is sent, with `'nonce'` for a [`CspNonce`].
    fn from(text: &str) -> Self {
        let directives = text.split(';').filter_map(|directive| {
            let mut words = directive.split_ascii_whitespace().map(str::to_owned);
            let name = words.next()?.to_ascii_lowercase();
            let values = words.map(plain).collect();
            Some(Directive { name, values })
        });
        Self(directives.collect())
    }
}

impl From<String> for ContentSecurityPolicy {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for ContentSecurityPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, directive) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", directive.name)?;
            for value in &directive.values {
                write!(f, " {value}")?;
            }
        }
        Ok(())
    }
}

/// A policy, ready to be sent.
#[derive(Debug)]
pub(super) enum Compiled {
    Same(HeaderValue),
    /// What stands between the nonces.
    Fresh(Vec<String>),
}

impl Compiled {
    pub(super) fn nonce(&self) -> Option<CspNonce> {
        matches!(self, Self::Fresh(_)).then(CspNonce::fresh)
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Same(value) => value.to_str().unwrap_or_default().to_owned(),
            Self::Fresh(pieces) => pieces.join(NONCE),
        }
    }

    pub(super) fn value(&self, nonce: Option<&CspNonce>) -> HeaderValue {
        match self {
            Self::Same(value) => value.clone(),
            Self::Fresh(pieces) => {
                let nonce = nonce.map_or("", CspNonce::as_str);
                checked(pieces.join(&format!("'nonce-{nonce}'")))
            }
        }
    }
}

pub(super) fn checked(value: String) -> HeaderValue {
    shared(value).expect("the value was checked to be printable ASCII")
}
