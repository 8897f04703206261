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
    /// The name occurs twice, since a sibling host may have planted one of them,
    /// or its value is not text.
    Ambiguous,
    /// The value.
    Value(&'a str),
}

/// Looks a cookie up over all `Cookie` fields.
pub(crate) fn lookup<'a>(headers: &'a HeaderMap, name: &str) -> CookieLookup<'a> {
    let mut found = CookieLookup::Absent;
    for (_, value) in pairs(headers).filter(|(key, _)| *key == name.as_bytes()) {
        found = match (found, std::str::from_utf8(value)) {
            (CookieLookup::Absent, Ok(value)) => CookieLookup::Value(value),
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
    let mut field = Vec::new();
    for (key, old) in pairs(headers).filter(|(key, _)| *key != name.as_bytes()) {
        field.extend_from_slice(key);
        field.push(b'=');
        field.extend_from_slice(old);
        field.extend_from_slice(b"; ");
    }
    field.extend_from_slice(name.as_bytes());
    field.push(b'=');
    field.extend_from_slice(value.as_bytes());
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

/// Tells whether a `Set-Cookie` value is for one name.
#[cfg(feature = "session")]
pub(crate) fn is_for(set_cookie: &HeaderValue, name: &str) -> bool {
    set_cookie.as_bytes().split(|byte| *byte == b'=').next() == Some(name.as_bytes())
}

/// Splits all fields into names and values. Bytes, because a cookie of somebody
/// else with a strange one must not hide ours.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| {
            let pair = pair.trim_ascii();
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            Some((&pair[..equals], &pair[equals + 1..]))
        })
}
