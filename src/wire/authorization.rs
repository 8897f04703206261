//! Bearer credentials of the `Authorization` field (RFC 6750 §2.1).

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What the `Authorization` field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bearer<'a> {
    /// No field, or another scheme: no bearer credentials were presented.
    Absent,
    /// More than one field, or a token that is not a `b64token`.
    Malformed,
    /// The token, still unverified.
    Token(&'a str),
}

/// Reads the bearer token of a request.
///
/// The scheme is compared without case (RFC 9110 §11.1). The grammar of RFC 6750 §2.1
/// has any number of spaces behind it; no client writes two, and only one is taken, so
/// that nobody further in reads another token than this.
pub(crate) fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Bearer::Absent;
    };
    if fields.next().is_some() {
        return Bearer::Malformed;
    }
    let bytes = field.as_bytes();
    let scheme_end = bytes
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(bytes.len());
    if !bytes[..scheme_end].eq_ignore_ascii_case(b"bearer") {
        return Bearer::Absent;
    }
    let token = bytes[scheme_end..].strip_prefix(b" ");
    match std::str::from_utf8(token.unwrap_or_default()) {
        Ok(token) if is_b64token(token) => Bearer::Token(token),
        _ => Bearer::Malformed,
    }
}

/// Padding is let through in the middle too: a token with padded parts can be
/// read, and is not valid.
///
/// Without branches and without stopping early, so that it is compiled to wide
/// instructions: every byte of every request's token comes by here.
fn is_b64token(token: &str) -> bool {
    let within = |byte: u8, first: u8, count: u8| byte.wrapping_sub(first) < count;
    let legal = |byte: u8| {
        within(byte | 0x20, b'a', 26)
            // From the hyphen over full stop and slash to the nine.
            | within(byte, b'-', 13)
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
            | (byte == b'=')
    };
    let bytes = token.as_bytes();
    bytes.iter().fold(true, |all, byte| all & legal(*byte)) && bytes.iter().any(|b| *b != b'=')
}
