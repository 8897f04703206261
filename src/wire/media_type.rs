//! Media types of `Content-Type` (RFC 9110 §8.3.1).

/// A media type: its essence in lower case, and the parameters as written.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct MediaType {
    pub(crate) essence: String,
    pub(crate) parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads a media type strictly.
    ///
    /// Parameter names come back in lower case. A quoted value may not hold a
    /// backslash: parsers disagree about what one means.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim_matches([' ', '\t']);
        let essence_end = rest.find(';').unwrap_or(rest.len());
        let (kind, subtype) = rest[..essence_end]
            .trim_end_matches([' ', '\t'])
            .split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let essence = format!("{kind}/{subtype}").to_ascii_lowercase();
        rest = &rest[essence_end..];
        let mut parameters = Vec::new();
        while !rest.is_empty() {
            rest = rest.strip_prefix(';')?.trim_start_matches([' ', '\t']);
            if rest.is_empty() {
                break;
            }
            let (name, after) = rest.split_once('=')?;
            if !is_token(name) {
                return None;
            }
            let (value, after) = parameter_value(after)?;
            parameters.push((name.to_ascii_lowercase(), value.to_owned()));
            rest = after.trim_start_matches([' ', '\t']);
        }
        Some(Self {
            essence,
            parameters,
        })
    }
}

/// Reads a token or a quoted string without backslashes; returns what follows.
pub(crate) fn parameter_value(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('"') {
        let (value, after) = rest.split_once('"')?;
        return (!value.contains('\\')).then_some((value, after));
    }
    let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
    let (value, after) = text.split_at(end);
    is_token(value).then_some((value, after))
}

/// Tells whether a text is a `token` of RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
