//! Serialized origins, as browsers send them (RFC 6454 §6.2).

/// The longest origin that is looked at: scheme, `://`, host, `:` and port.
pub(crate) const MAX_ORIGIN_BYTES: usize = 64 + 3 + 253 + 1 + 5;

/// The parts of a serialized origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OriginParts<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) host: &'a str,
    /// As written: no leading zero, not the scheme's default.
    pub(crate) port: Option<u16>,
}

/// Why a text is not the origin that a browser would send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OriginFault {
    BadHost,
    BadPort,
    DefaultPort,
    Null,
    Path,
    SchemeMissing,
    Socket,
    TooLong,
    Unicode,
    UpperCase,
    Userinfo,
    Wildcard,
}

impl<'a> OriginParts<'a> {
    /// Reads an origin in the one form a browser serializes it to.
    pub(crate) fn parse(text: &'a str) -> Result<Self, OriginFault> {
        if text.len() > MAX_ORIGIN_BYTES {
            return Err(OriginFault::TooLong);
        }
        if text == "null" {
            return Err(OriginFault::Null);
        }
        if !text.is_ascii() {
            return Err(OriginFault::Unicode);
        }
        if text.contains('*') {
            return Err(OriginFault::Wildcard);
        }
        let (scheme, authority) = text.split_once("://").ok_or(OriginFault::SchemeMissing)?;
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginFault::Path);
        }
        if authority.contains('@') {
            return Err(OriginFault::Userinfo);
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(OriginFault::UpperCase);
        }
        if !is_scheme(scheme) {
            return Err(OriginFault::SchemeMissing);
        }
        if matches!(scheme, "ws" | "wss") {
            return Err(OriginFault::Socket);
        }
        let (host, port) = split_port(authority)?;
        if !is_host(host) {
            return Err(OriginFault::BadHost);
        }
        if port.is_some() && port == default_port(scheme) {
            return Err(OriginFault::DefaultPort);
        }
        Ok(Self { scheme, host, port })
    }

    /// Tells whether the host is an address and not a name.
    pub(crate) fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<std::net::Ipv4Addr>().is_ok()
    }

    /// Tells whether the origin is this machine's own. Of another scheme it is
    /// not what listens there, but an app that shows its own files.
    pub(crate) fn is_loopback(&self) -> bool {
        if !matches!(self.scheme, "http" | "https") {
            return false;
        }
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// Guesses the origin that was meant, for an error message.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    let local = lower.starts_with("localhost") || lower.starts_with("127.");
    let without = if local { "http" } else { "https" };
    let (scheme, rest) = lower.split_once("://").unwrap_or((without, &lower));
    let scheme = match scheme {
        "ws" => "http",
        "wss" => "https",
        other => other,
    };
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let authority = authority.rsplit('@').next()?;
    let suffix = default_port(scheme)
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let authority = authority
        .strip_suffix(suffix.as_str())
        .filter(|_| !suffix.is_empty())
        .unwrap_or(authority);
    let candidate = format!("{scheme}://{authority}");
    OriginParts::parse(&candidate).is_ok().then_some(candidate)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), OriginFault> {
    // The colons of an IPv6 literal stand inside its brackets.
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[host_end..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(host_end + colon);
    let digits = &port[1..];
    let canonical = !digits.is_empty()
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(number) if canonical => Ok((host, Some(number))),
        _ => Err(OriginFault::BadPort),
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.len() <= 64
        && scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        })
}

/// An IPv6 address as browsers write it: in hexadecimal throughout.
fn serialized(address: std::net::Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("[::ffff:{high:x}:{low:x}]"),
        _ => format!("[{address}]"),
    }
}

/// A DNS name of non-empty labels, an IPv4 address, or an IPv6 literal.
pub(crate) fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        let address = literal
            .strip_suffix(']')
            .and_then(|inner| inner.parse::<std::net::Ipv6Addr>().ok());
        // Browsers send the compressed form; any other could never match.
        return address.is_some_and(|address| serialized(address) == host);
    }
    // What ends like a number, browsers read as an address.
    let last = host.rsplit('.').next().unwrap_or_default();
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return host.parse::<std::net::Ipv4Addr>().is_ok();
    }
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
                })
        })
}
