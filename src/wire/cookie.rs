//! Reading `Cookie`, and the name rules of `Set-Cookie` (RFC 6265 §4, §5.4).

use http::HeaderMap;
#[cfg(feature = "session")]
use http::HeaderValue;
use http::header::COOKIE;

/// What a request's cookies say about one name.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum CookieLookup<'a> {
    /// No cookie of that name.
    Absent,
    /// The name occurs twice: a sibling host may have planted one of them.
    Ambiguous,
    /// The value.
    Value(&'a str),
}

/// Looks a cookie up over all `Cookie` fields.
pub(crate) fn lookup<'a>(headers: &'a HeaderMap, name: &str) -> CookieLookup<'a> {
    let mut found = CookieLookup::Absent;
    for (key, value) in pairs(headers) {
        if key != name {
            continue;
        }
        found = match found {
            CookieLookup::Absent => CookieLookup::Value(value),
            _ => return CookieLookup::Ambiguous,
        };
    }
    found
}

/// Builds a `Cookie` field with one cookie replaced.
///
/// Returns `None` if the result would not be a legal field value.
#[cfg(feature = "session")]
pub(crate) fn replaced(headers: &HeaderMap, name: &str, value: &str) -> Option<HeaderValue> {
    let mut field = String::new();
    for (key, old) in pairs(headers).filter(|(key, _)| *key != name) {
        field.push_str(key);
        field.push('=');
        field.push_str(old);
        field.push_str("; ");
    }
    field.push_str(name);
    field.push('=');
    field.push_str(value);
    let mut header = HeaderValue::try_from(field).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Tells whether a text is a cookie name, a `token` of RFC 9110 §5.6.2.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|field| std::str::from_utf8(field.as_bytes()).ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
}
