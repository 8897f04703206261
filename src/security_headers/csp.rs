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
struct Directive {
    name: String,
    values: Vec<String>,
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
const NONCE: &str = "'nonce'";

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
        let values = values.into_iter().map(Into::into).collect();
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

impl From<&str> for ContentSecurityPolicy {
    /// Reads a policy as it is sent, with `'nonce'` for a [`CspNonce`].
    fn from(text: &str) -> Self {
        let directives = text.split(';').filter_map(|directive| {
            let mut words = directive.split_ascii_whitespace().map(str::to_owned);
            let name = words.next()?.to_ascii_lowercase();
            let values = words.collect();
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

/// Directives whose values are sources.
const SOURCES: &[&str] = &[
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "worker-src",
];

/// Directives with other values, or none.
const OTHERS: &[(&str, Values)] = &[
    ("block-all-mixed-content", Values::None),
    ("report-to", Values::Any),
    ("report-uri", Values::Any),
    ("require-trusted-types-for", Values::Of(&["'script'"])),
    ("sandbox", Values::Of(SANDBOX)),
    ("trusted-types", Values::Any),
    ("upgrade-insecure-requests", Values::None),
    ("webrtc", Values::Of(&["'allow'", "'block'"])),
];

#[derive(Clone, Copy)]
enum Values {
    None,
    Any,
    Of(&'static [&'static str]),
}

const SANDBOX: &[&str] = &[
    "allow-downloads",
    "allow-forms",
    "allow-modals",
    "allow-orientation-lock",
    "allow-pointer-lock",
    "allow-popups",
    "allow-popups-to-escape-sandbox",
    "allow-presentation",
    "allow-same-origin",
    "allow-scripts",
    "allow-storage-access-by-user-activation",
    "allow-top-navigation",
    "allow-top-navigation-by-user-activation",
    "allow-top-navigation-to-custom-protocols",
];

/// What stands in quotes. Browsers do not mind the case of the letters.
const KEYWORDS: &[&str] = &[
    "inline-speculation-rules",
    "none",
    "report-sample",
    "report-sha256",
    "report-sha384",
    "report-sha512",
    "self",
    "strict-dynamic",
    "trusted-types-eval",
    "unsafe-allow-redirects",
    "unsafe-eval",
    "unsafe-hashes",
    "unsafe-inline",
    "unsafe-webtransport-hashes",
    "wasm-unsafe-eval",
];

const HASHES: &[&str] = &["sha256-", "sha384-", "sha512-"];

impl Directive {
    fn fault(&self) -> Option<&'static str> {
        let name = self.name.as_str();
        let legal = |byte| matches!(byte, b'!'..=b'~') && byte != b';' && byte != b',';
        let word = |value: &String| !value.is_empty() && value.bytes().all(legal);
        if !self.values.iter().all(word) {
            return Some(
                "a value is empty, or has a space, `;`, `,` or a character beyond ASCII, which would begin another; give each by itself",
            );
        }
        if let Some((_, values)) = OTHERS.iter().find(|(other, _)| *other == name) {
            let known = match values {
                Values::None => self.values.is_empty(),
                Values::Any => true,
                Values::Of(known) => self
                    .values
                    .iter()
                    .all(|value| known.contains(&value.as_str())),
            };
            return (!known)
                .then_some("browsers know no such value of this directive; see CSP Level 3");
        }
        if !SOURCES.contains(&name) {
            return Some("browsers know no such directive; see CSP Level 3 for their names");
        }
        self.source_list_fault()
    }

    fn source_list_fault(&self) -> Option<&'static str> {
        let has = |wanted: &dyn Fn(&str) -> bool| {
            self.values
                .iter()
                .any(|value| wanted(&value.to_ascii_lowercase()))
        };
        if self.values.is_empty() {
            return Some("without a value it allows nothing; write 'none'");
        }
        if self.values.len() > 1 && has(&|value| value == "'none'") {
            return Some("browsers ignore 'none' beside other values; remove one");
        }
        let trusted = |value: &str| {
            let quoted = value.strip_prefix('\'').unwrap_or_default();
            value == NONCE || HASHES.iter().any(|hash| quoted.starts_with(hash))
        };
        if has(&|value| value == "'strict-dynamic'") && !has(&trusted) {
            return Some(
                "'strict-dynamic' trusts what a nonce or hash does, and there is none; add 'nonce'",
            );
        }
        let mut values = self.values.iter();
        values.find_map(|value| source_fault(&self.name, &value.to_ascii_lowercase()))
    }
}

/// What is wrong with a source, in lower case.
fn source_fault(directive: &str, value: &str) -> Option<&'static str> {
    const OPEN: &str = "a quote is not closed, or of the wrong kind; write 'self'";
    let is_hash = |text: &str| HASHES.iter().any(|hash| text.starts_with(hash));
    let Some(quoted) = value.strip_prefix('\'') else {
        if KEYWORDS.contains(&value) || value.starts_with("nonce") || is_hash(value) {
            return Some("without quotes it is read as a host name; write 'self'");
        }
        if ["blob", "data", "http", "https", "mediastream", "ws", "wss"].contains(&value) {
            return Some("a scheme ends with a colon; write data:");
        }
        return value.contains(['\'', '"']).then_some(OPEN);
    };
    let Some(keyword) = quoted.strip_suffix('\'') else {
        return Some(OPEN);
    };
    if value == NONCE {
        let runs = ["script-src", "style-src", "default-src"];
        let takes =
            runs.iter().any(|run| directive.starts_with(run)) && !directive.ends_with("-attr");
        return (!takes).then_some("only scripts and styles can have a nonce; remove it");
    }
    if keyword.starts_with("nonce-") {
        return Some("a nonce that is always the same protects nothing; write 'nonce'");
    }
    if let Some((_, digest)) = keyword.split_once('-').filter(|_| is_hash(keyword)) {
        let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
        let whole = digest.len() >= 43 && digest.bytes().all(base64);
        return (!whole).then_some("it is no hash; write the digest of the script in Base64");
    }
    let known = KEYWORDS.contains(&keyword);
    (!known).then_some("browsers know no such keyword; host names have no quotes")
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
