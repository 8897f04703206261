//! The signature algorithms that exist here. `none` is not one of them.

/// A JWS algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 signatures.
    EdDsa,
    /// HMAC with SHA-256; whoever verifies can also sign.
    Hs256,
}

impl Algorithm {
    /// Returns the `alg` header value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}
