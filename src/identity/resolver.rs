//! Which address a request came from, when proxies stand in between.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{FORWARDED, HeaderName};
use http::{Extensions, request};
use ipnet::IpNet;
use thiserror::Error;

use super::{ClientAddr, PeerAddr};
use crate::config::Problems;
use crate::wire::forwarded::{addresses, node_address, unmapped};

/// The one header family in which the declared proxies report the client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ForwardingHeader {
    /// The list that most proxies append to.
    #[default]
    XForwardedFor,
    /// The `for` parameters of RFC 7239 §5.2.
    Forwarded,
    /// A field that holds one address, such as `CF-Connecting-IP`.
    Single(HeaderName),
}

/// Finds the address of a client.
///
/// A forwarding header counts only if the peer is a declared proxy. Its lines
/// are joined and read from the right; the first entry that is not a declared
/// proxy is the client. An entry that cannot be read, or a chain of nothing
/// but proxies, falls back to the peer: many clients may then share a bucket,
/// but nobody gets a fresh one by writing nonsense. The first header from a
/// peer that is no declared proxy is told to the log.
///
/// # Examples
///
/// ```
/// use tower_rampart::identity::{ClientAddrResolver, PeerAddr};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let resolver = ClientAddrResolver::builder().trusted_proxies(["10.0.0.0/8"]).build()?;
/// let (mut head, ()) = http::Request::builder()
///     .header("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.1")
///     .body(())?
///     .into_parts();
/// head.extensions.insert(PeerAddr("10.0.0.5:4711".parse()?));
/// let client = resolver.resolve(&head).ok_or("no peer")?;
/// assert_eq!(client.to_string(), "203.0.113.7");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientAddrResolver(Arc<Rules>);

struct Rules {
    trusted: Vec<IpNet>,
    header: ForwardingHeader,
    peer: fn(&Extensions) -> Option<SocketAddr>,
    /// Nobody configured it, so what an outer layer found out is better.
    defers: bool,
    /// Whether somebody was told that a header is not believed.
    warned: AtomicBool,
}

impl ClientAddrResolver {
    /// Starts a resolver that trusts no proxy.
    pub fn builder() -> ClientAddrResolverBuilder {
        ClientAddrResolverBuilder {
            trusted: Vec::new(),
            header: ForwardingHeader::default(),
            peer: peer_addr,
        }
    }

    /// Returns the client's address, or `None` if the server did not say who
    /// the peer is.
    ///
    /// The default resolver keeps an address that an outer layer found; one that
    /// was configured finds out for itself.
    #[must_use]
    pub fn resolve(&self, head: &request::Parts) -> Option<ClientAddr> {
        if let Some(known) = head
            .extensions
            .get::<ClientAddr>()
            .filter(|_| self.0.defers)
        {
            return Some(*known);
        }
        let peer = unmapped((self.0.peer)(&head.extensions)?.ip());
        Some(ClientAddr(
            self.forwarded_client(peer, head).unwrap_or(peer),
        ))
    }

    /// Tells in words where addresses come from.
    pub(crate) fn in_words(&self) -> String {
        if self.0.trusted.is_empty() {
            return "the peer".to_owned();
        }
        let header = match &self.0.header {
            ForwardingHeader::XForwardedFor => "X-Forwarded-For",
            ForwardingHeader::Forwarded => "Forwarded",
            ForwardingHeader::Single(name) => name.as_str(),
        };
        let proxies: Vec<_> = self.0.trusted.iter().map(ToString::to_string).collect();
        format!("{header} behind {}", proxies.join(", "))
    }

    fn forwarded_client(&self, peer: IpAddr, head: &request::Parts) -> Option<IpAddr> {
        let name = match &self.0.header {
            ForwardingHeader::XForwardedFor => const { HeaderName::from_static("x-forwarded-for") },
            ForwardingHeader::Forwarded => FORWARDED,
            ForwardingHeader::Single(name) => name.clone(),
        };
        if !self.is_trusted(peer) {
            if head.headers.contains_key(&name) {
                self.warn_once(peer);
            }
            return None;
        }
        match &self.0.header {
            ForwardingHeader::Single(name) => {
                let mut values = head.headers.get_all(name).iter();
                let only = values.next().filter(|_| values.next().is_none())?;
                return node_address(only.to_str().ok()?.trim());
            }
            ForwardingHeader::XForwardedFor | ForwardingHeader::Forwarded => {}
        }
        // `None` from an unreadable entry ends the walk: what is left of it was
        // written by somebody unknown.
        addresses(&head.headers, &name)
            .into_iter()
            .rev()
            .find(|entry| !entry.is_some_and(|address| self.is_trusted(address)))
            .flatten()
    }

    /// Says, the first time, that a header is not believed: it is a client's
    /// attempt, or a proxy that was not declared, behind which all clients look
    /// like one.
    fn warn_once(&self, peer: IpAddr) {
        if !self.0.warned.swap(true, Ordering::Relaxed) {
            let detail = format_args!(
                "a forwarding header from {peer} is not believed; if that is your proxy, declare it"
            );
            crate::trace::degraded("client-address", &detail);
        }
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.0
            .trusted
            .iter()
            .any(|network| network.contains(&address))
    }
}

impl Default for ClientAddrResolver {
    /// Trusts no proxy: the peer is the client.
    fn default() -> Self {
        Self(Arc::new(Rules {
            trusted: Vec::new(),
            header: ForwardingHeader::default(),
            peer: peer_addr,
            defers: true,
            warned: AtomicBool::new(false),
        }))
    }
}

impl fmt::Debug for ClientAddrResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAddrResolver")
            .field("trusted", &self.0.trusted)
            .field("header", &self.0.header)
            .finish_non_exhaustive()
    }
}

fn peer_addr(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<PeerAddr>().map(|peer| peer.0)
}

/// Collects the settings of a [`ClientAddrResolver`].
#[derive(Debug)]
#[must_use]
pub struct ClientAddrResolverBuilder {
    trusted: Vec<String>,
    header: ForwardingHeader,
    peer: fn(&Extensions) -> Option<SocketAddr>,
}

impl ClientAddrResolverBuilder {
    /// Declares the proxies, as addresses or networks (`10.0.0.0/8`).
    ///
    /// # Security
    ///
    /// Whoever reaches the server from such an address chooses the client
    /// address of their requests.
    pub fn trusted_proxies<T: Into<String>>(
        mut self,
        networks: impl IntoIterator<Item = T>,
    ) -> Self {
        self.trusted = networks.into_iter().map(Into::into).collect();
        self
    }

    /// Names the header in which the declared proxies report the client.
    pub fn header(mut self, header: ForwardingHeader) -> Self {
        self.header = header;
        self
    }

    /// Says where the server puts the peer's address; [`PeerAddr`] by default.
    pub fn peer(mut self, peer: fn(&Extensions) -> Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// One [`Problem`] for each entry that is no network.
    pub fn build(self) -> Result<ClientAddrResolver, ConfigError> {
        let mut problems = Vec::new();
        let mut trusted = Vec::new();
        for (index, entry) in self.trusted.into_iter().enumerate() {
            let network = entry
                .parse::<IpNet>()
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            match network {
                Ok(network) if network.prefix_len() == 0 => {
                    problems.push(Problem::TrustsEverybody { index, entry })
                }
                Ok(network) => trusted.push(network),
                Err(_) => problems.push(Problem::NotANetwork { index, entry }),
            }
        }
        let (header, peer) = (self.header, self.peer);
        Problems::check(problems, || {
            ClientAddrResolver(Arc::new(Rules {
                trusted,
                header,
                peer,
                defers: false,
                warned: AtomicBool::new(false),
            }))
        })
    }
}

/// All problems of a [`ClientAddrResolverBuilder`].
pub type ConfigError = Problems<Problem>;

/// A setting that a [`ClientAddrResolver`] cannot work with.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// An entry is neither an address nor a network.
    #[error(
        "trusted proxy {index} {entry:?} is no address or network; write 10.0.0.7 or 10.0.0.0/8"
    )]
    NotANetwork {
        /// Position in the list, from 0.
        index: usize,
        /// The entry as given.
        entry: String,
    },
    /// A network of all addresses lets every client choose its own address.
    #[error(
        "trusted proxy {index} {entry:?} covers every address, so any client could forge its own; list the proxies"
    )]
    TrustsEverybody {
        /// Position in the list, from 0.
        index: usize,
        /// The entry as given.
        entry: String,
    },
}
