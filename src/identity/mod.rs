//! Who is asking: the request extensions in which layers meet.
//!
//! No layer reads another; the one that knows writes here, the one that needs
//! to know reads here.

mod resolver;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::clock::UnixSeconds;
use crate::wire::claim_set::{ClaimSet, Spans};

pub use resolver::{
    ClientAddrResolver, ClientAddrResolverBuilder, ConfigError, ForwardingHeader, Problem,
};

/// The verified caller of a request, put into its extensions.
///
/// Clones share one allocation.
///
/// # Examples
///
/// ```
/// use tower_rampart::identity::Principal;
///
/// let principal = Principal::builder("user-17").scopes(["images:read"]).build();
/// assert_eq!(principal.subject(), "user-17");
/// assert!(principal.has_scope("images:read"));
/// assert!(!principal.has_scope("images"));
/// ```
#[derive(Clone)]
pub struct Principal(Arc<ClaimSet>);

impl Principal {
    /// Starts a principal with its subject.
    pub fn builder(subject: impl Into<String>) -> PrincipalBuilder {
        PrincipalBuilder {
            subject: subject.into(),
            session: None,
            scopes: Vec::new(),
            roles: Vec::new(),
            authenticated_at: None,
            claims: serde_json::Map::new(),
        }
    }

    #[cfg(all(feature = "jwt", feature = "aws-lc-rs"))]
    pub(crate) fn from_claims(claims: Arc<ClaimSet>) -> Self {
        Self(claims)
    }

    /// Returns the subject, `sub` of RFC 7519 §4.1.2.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.subject()
    }

    /// Returns the public identifier of the session, if there is one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.0
            .registered
            .session
            .map(|session| self.0.text(session))
    }

    /// Returns which refresh token of its session the access token came with.
    #[cfg(feature = "session")]
    pub(crate) fn generation(&self) -> Option<u64> {
        self.0.registered.generation
    }

    /// Returns the scopes that were granted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let list = self
            .0
            .registered
            .scope
            .map_or("", |scope| self.0.text(scope));
        list.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Tells whether a scope was granted, compared byte by byte.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }

    /// Tells whether the caller has a role, compared byte by byte.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.0
            .texts(&self.0.registered.roles)
            .any(|has| has == role)
    }

    /// Returns how strongly the caller proved who they are, `acr` of RFC 9470 §6.1.
    #[must_use]
    pub fn authentication_context(&self) -> Option<&str> {
        self.0
            .registered
            .context_class
            .map(|class| self.0.text(class))
    }

    /// Returns when the caller last proved who they are.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<UnixSeconds> {
        self.0.registered.authenticated_at.map(UnixSeconds::new)
    }

    /// Returns the verified claims as they were in the token; read at the
    /// first call.
    #[must_use]
    pub fn claims(&self) -> &serde_json::Map<String, serde_json::Value> {
        self.0.members()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims may hold personal data.
        f.debug_struct("Principal")
            .field("subject", &self.subject())
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}

/// Marks a request that came without credentials where none are demanded. A
/// request with neither this nor a [`Principal`] was not looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Anonymous;

/// Collects what is known of a caller.
#[derive(Debug)]
#[must_use]
pub struct PrincipalBuilder {
    subject: String,
    session: Option<String>,
    scopes: Vec<String>,
    roles: Vec<String>,
    authenticated_at: Option<UnixSeconds>,
    claims: serde_json::Map<String, serde_json::Value>,
}

impl PrincipalBuilder {
    /// Names the session.
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Replaces the scopes.
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the roles.
    pub fn roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Says when the caller last proved who they are.
    pub fn authenticated_at(mut self, at: UnixSeconds) -> Self {
        self.authenticated_at = Some(at);
        self
    }

    /// Replaces the claims.
    pub fn claims(mut self, claims: serde_json::Map<String, serde_json::Value>) -> Self {
        self.claims = claims;
        self
    }

    /// Returns the principal.
    #[must_use]
    pub fn build(self) -> Principal {
        let mut set = ClaimSet::of(self.claims);
        set.registered.subject = Some(set.push(&self.subject));
        set.registered.session = self.session.map(|session| set.push(&session));
        set.registered.scope = Some(set.push(&self.scopes.join(" ")));
        set.registered.roles = Spans::Many(self.roles.iter().map(|role| set.push(role)).collect());
        set.registered.authenticated_at = self.authenticated_at.map(UnixSeconds::as_u64);
        Principal(Arc::new(set))
    }
}

/// The address of the client, as far as the declared proxies can be believed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    /// Wraps an address; an IPv4 address that travels inside IPv6 is unwrapped.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self(crate::wire::forwarded::unmapped(address))
    }

    /// Returns the address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The other end of the connection, put into the extensions by the server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PeerAddr(pub SocketAddr);

/// The pattern that a request's path matched, such as `/api/images/{id}`, put
/// into the extensions by a router.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Route(Arc<str>);

impl Route {
    /// Wraps a pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Returns the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identifier under which a request is found in the logs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Wraps an identifier.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
