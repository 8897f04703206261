//! Addresses in `X-Forwarded-For` and `Forwarded` (RFC 7239 §4, §6), read from
//! the right.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

/// Collects the elements of a list field over all its lines, left to right.
///
/// An element that names no address is `None`; it ends the walk from the right,
/// because whatever stands left of it was written by somebody unknown.
pub(crate) fn addresses(headers: &HeaderMap, name: &HeaderName) -> Vec<Option<IpAddr>> {
    let mut found = Vec::new();
    for field in headers.get_all(name) {
        let Ok(text) = field.to_str() else {
            found.push(None);
            continue;
        };
        if *name == FORWARDED {
            forwarded_elements(text, &mut found);
        } else {
            found.extend(
                text.split(',')
                    .map(|entry| node_address(entry.trim_matches([' ', '\t']))),
            );
        }
    }
    found
}

/// Reads `address`, `address:port`, `[address]`, `[address]:port` and zones.
pub(crate) fn node_address(node: &str) -> Option<IpAddr> {
    if let Ok(address) = without_zone(node).parse::<IpAddr>() {
        return Some(unmapped(address));
    }
    let host = if let Some(rest) = node.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
            return None;
        }
        without_zone(host)
    } else {
        let (host, port) = node.rsplit_once(':')?;
        if !is_port(port) {
            return None;
        }
        host
    };
    host.parse().ok().map(unmapped)
}

/// Unwraps an IPv4 address that travels as `::ffff:a.b.c.d`.
///
/// Without this, every IPv4 client of a dual-stack listener would fall into
/// one IPv6 prefix.
pub(crate) fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn without_zone(address: &str) -> &str {
    address
        .split_once('%')
        .map_or(address, |(address, _)| address)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads `forwarded-element`s; quoted strings keep their commas.
fn forwarded_elements(field: &str, found: &mut Vec<Option<IpAddr>>) {
    let Some(elements) = split_outside_quotes(field, ',') else {
        // A quote that a client left open swallows what the proxy added.
        found.push(None);
        return;
    };
    found.extend(elements.into_iter().map(forwarded_for));
}

/// Reads the one `for` parameter of an element.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut address = None;
    for pair in split_outside_quotes(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value.trim_matches([' ', '\t']))?;
        if name.trim_matches([' ', '\t']).eq_ignore_ascii_case("for")
            && address.replace(node_address(&value)?).is_some()
        {
            return None;
        }
    }
    address
}

/// Splits a text; `None` if a quoted string does not end.
fn split_outside_quotes(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let pieces = text
        .split(|character: char| {
            match character {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ => return character == separator && !quoted,
            }
            false
        })
        .collect();
    (!quoted && !escaped).then_some(pieces)
}

fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        return Some(value.to_owned());
    };
    let inner = rest.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            '"' => return None,
            _ => text.push(character),
        }
    }
    Some(text)
}
