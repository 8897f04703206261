//! Whose requests are counted together.

use std::net::IpAddr;

use http::{HeaderName, request};

use super::limiter::Rungs;
use crate::identity::{ClientAddr, ClientAddrResolver, Principal};

/// Whose requests share a quota.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Key {
    /// A client address. IPv6 by its /64, which is what one network gets; all of
    /// a /56 together may do four times as much, and all of a /48 sixteen times.
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

/// What a request is counted under: one key, or a ladder of three.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    One(Vec<u8>),
    /// An IPv6 address by its /64, its /56 and its /48.
    Ladder([u8; 9]),
}

impl Scope {
    pub(super) fn rungs(&self) -> Rungs<'_> {
        match self {
            Self::One(key) => [Some(key), None, None],
            // The leading byte is the tag.
            Self::Ladder(key) => [Some(&key[..9]), Some(&key[..8]), Some(&key[..7])],
        }
    }
}

impl Key {
    /// Writes the key of a request, or `None` if nothing is known of it.
    ///
    /// A leading byte keeps the kinds apart: a subject cannot pose as an
    /// address.
    pub(super) fn of(&self, head: &request::Parts, address: Option<ClientAddr>) -> Option<Scope> {
        let key = match self {
            Self::Global => Some(vec![0]),
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
            Self::Header(_) | Self::ClientAddr => None,
        };
        match key {
            Some(key) => Some(Scope::One(key)),
            None => address.map(|address| by_address(address.ip())),
        }
    }
}

fn by_address(address: IpAddr) -> Scope {
    match address {
        IpAddr::V4(v4) => Scope::One(tagged(4, &v4.octets())),
        IpAddr::V6(v6) => {
            let mut key = [6; 9];
            key[1..].copy_from_slice(&v6.octets()[..8]);
            Scope::Ladder(key)
        }
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
