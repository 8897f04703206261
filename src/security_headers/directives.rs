//! What browsers read in a directive (CSP Level 3), and what they silently ignore.

use super::csp::{Directive, NONCE};

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
    /// Tells what makes it weaker than it looks, or nothing.
    pub(super) fn fault(&self) -> Option<&'static str> {
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
                Values::Of(known) => {
                    let mut values = self.values.iter();
                    // A sandbox without exceptions is the strictest one.
                    let some = name == "sandbox" || !self.values.is_empty();
                    some && values.all(|value| known.contains(&value.as_str()))
                }
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
        let host = value.contains('.') || value.contains(':');
        let bare = value == "nonce" || value.starts_with("nonce-") || is_hash(value);
        if KEYWORDS.contains(&value) || bare && !host {
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
        let length = digest.trim_end_matches('=').len();
        let expected = match &keyword[..7] {
            "sha256-" => 43,
            "sha384-" => 64,
            _ => 86,
        };
        let whole = length == expected && digest.bytes().all(base64);
        return (!whole).then_some("it is no hash; write the digest of the script in Base64");
    }
    let known = KEYWORDS.contains(&keyword);
    (!known).then_some("browsers know no such keyword; host names have no quotes")
}
