//! Whose requests are counted together.

use std::net::IpAddr;

use http::{HeaderName, request};

use crate::identity::{ClientAddr, ClientAddrResolver, Principal};

/// Whose requests share a quota.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Key {
    /// A client address; IPv6 by its /64, which is what one network gets.
    ClientAddr,
    /// Everybody together.
    Global,
    /// The value of a request header, all lines of it; the client address if
    /// there is none. The client chooses the value, so this limits nobody who
    /// does not want to be limited: put a limit by address outside it, or check
    /// the value first.
    Header(HeaderName),
    /// The subject of the verified [`Principal`]; the client address if there
    /// is none.
    Subject,
}

impl Key {
    /// Writes the key of a request, or `None` if nothing is known of it.
    ///
    /// A leading byte keeps the kinds apart: a subject cannot pose as an
    /// address.
    pub(super) fn of(&self, head: &request::Parts, address: Option<ClientAddr>) -> Option<Vec<u8>> {
        let mut key = match self {
            Self::Global => return Some(vec![0]),
            Self::Subject => head
                .extensions
                .get::<Principal>()
                .map(|who| tagged(1, who.subject().as_bytes())),
            Self::Header(name) if head.headers.contains_key(name) => {
                let mut key = vec![2];
                for line in head.headers.get_all(name) {
                    key.extend_from_slice(line.as_bytes());
                    key.push(b'\n');
                }
                Some(key)
            }
            Self::Header(_) => None,
            Self::ClientAddr => None,
        };
        if key.is_none() {
            key = address.map(|address| address_key(address.ip()));
        }
        key
    }
}

fn address_key(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => tagged(4, &v4.octets()),
        IpAddr::V6(v6) => tagged(6, &v6.octets()[..8]),
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag][..], bytes].concat()
}

/// Finds the address of a request, if the key may need it.
pub(super) fn address(
    key: &Key,
    resolver: &ClientAddrResolver,
    head: &request::Parts,
) -> Option<ClientAddr> {
    if *key == Key::Global {
        None
    } else {
        resolver.resolve(head)
    }
}
