//! What can be wrong with a token, with a key, and with a configuration.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::config::Problems;

/// A token was not believed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("token refused: {kind}")]
pub struct VerifyError {
    kind: VerifyErrorKind,
}

impl VerifyError {
    pub(super) fn new(kind: VerifyErrorKind) -> Self {
        Self { kind }
    }

    /// Returns which check failed. For operators: clients are told only
    /// whether the token expired, is not yet valid, or was signed with a key that
    /// was revoked.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }
}

/// Which check a token failed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// `aud` does not name this service.
    Audience,
    /// The signature does not hold.
    BadSignature,
    /// A claim is missing, has the wrong type, or demands a proof of possession.
    Claims,
    /// The header asks for an extension.
    Critical,
    /// The time in `exp` is over.
    Expired,
    /// `iss` is not the expected issuer.
    Issuer,
    /// There are no keys yet: the issuer's could not be fetched.
    KeysNotLoaded,
    /// `iat` lies ahead, or too long before `exp`.
    Lifetime,
    /// Not a compact JWS in canonical form.
    Malformed,
    /// The time in `nbf` has not come.
    NotYetValid,
    /// The key that signed is compromised.
    SigningKeyRevoked,
    /// Over 8 KiB.
    TooLarge,
    /// `typ` is not accepted.
    Type,
    /// No key carries the token's `kid`.
    UnknownKey,
    /// `alg` is not the key's algorithm.
    WrongAlgorithm,
}

impl VerifyErrorKind {
    /// Returns the name used in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::BadSignature => "bad-signature",
            Self::Claims => "claims",
            Self::Critical => "critical",
            Self::Expired => "expired",
            Self::Issuer => "issuer",
            Self::KeysNotLoaded => "keys-not-loaded",
            Self::Lifetime => "lifetime",
            Self::Malformed => "malformed",
            Self::NotYetValid => "not-yet-valid",
            Self::SigningKeyRevoked => "signing-key-revoked",
            Self::TooLarge => "too-large",
            Self::Type => "type",
            Self::UnknownKey => "unknown-key",
            Self::WrongAlgorithm => "wrong-algorithm",
        }
    }
}

impl fmt::Display for VerifyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A token could not be signed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SignError {
    /// The signature back end refused the key.
    #[error("the signing key failed")]
    KeyFailed,
    /// The set only verifies.
    #[error("the key set has no signing key")]
    NoSigningKey,
}

/// All problems of a configuration of this module.
pub type ConfigError = Problems<Problem>;

/// A setting that cannot work.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// No audience is set.
    #[error("no audience is set; write .audience(\"api\")")]
    AudienceMissing,
    /// A key cannot be read.
    #[error("the key cannot be used: found {found}, expected {expected}")]
    BadKey {
        /// What the text is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A JWK cannot be used.
    #[error("the JWK cannot be used: {reason}")]
    BadJwk {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The address of a JWK set cannot be trusted.
    #[error("JWK set {url:?} is not https, nor http on this machine; write https://HOST/PATH")]
    BadJwksUrl {
        /// The address as given.
        url: String,
    },
    /// A key identifier is empty or too long.
    #[error("a key identifier has {bytes} bytes; use 1 to 128")]
    BadKeyId {
        /// Its length.
        bytes: usize,
    },
    /// The address of the metadata cannot be quoted in a challenge.
    #[error(
        "resource metadata {url:?} is no https URL; write https://HOST/.well-known/oauth-protected-resource"
    )]
    BadMetadataUrl {
        /// The address as given.
        url: String,
    },
    /// A realm cannot be quoted in a challenge.
    #[error("realm {realm:?} cannot be quoted; use printable ASCII without quotes and backslashes")]
    BadRealm {
        /// The realm as given.
        realm: String,
    },
    /// A context class cannot be quoted in a challenge.
    #[error(
        "acr value {value:?} contains what a challenge cannot; use printable ASCII without spaces, quotes and backslashes"
    )]
    BadContextClass {
        /// The value as given.
        value: String,
    },
    /// A scope contains what a scope cannot.
    #[error(
        "scope {scope:?} is not a scope-token (RFC 6749 §3.3); use printable ASCII without spaces, quotes and backslashes"
    )]
    BadScope {
        /// The scope as given.
        scope: String,
    },
    /// A cookie name is not a token.
    #[error("cookie name {name:?} is not a token (RFC 6265 §4.1.1)")]
    BadCookieName {
        /// The name as given.
        name: String,
    },
    /// A cache without room, or with too much.
    #[error("a cache for {tokens} tokens is out of range; use 1 to 10000")]
    CacheSize {
        /// The number as given.
        tokens: usize,
    },
    /// Two keys share an identifier.
    #[error("two keys share the identifier {kid:?}, so a token could mean either; keep one")]
    DuplicateKeyId {
        /// The identifier.
        kid: String,
    },
    /// No issuer is set.
    #[error("no issuer is set; write .issuer(\"https://api.example\")")]
    IssuerMissing,
    /// The leeway is longer than any clock error.
    #[error("a leeway of {leeway:?} makes expired tokens live on; use at most 5 min")]
    LeewayTooLong {
        /// The leeway as given.
        leeway: Duration,
    },
    /// An RSA key where it was not asked for.
    #[error(
        "RSA is accepted only where asked for; write legacy_rsa_pem or legacy_rsa_jwk, or use an Ed25519 key"
    )]
    LegacyRsa,
    /// No token could ever be accepted.
    #[error("a maximum lifetime of zero accepts no token; use for instance 1 h")]
    LifetimeZero,
    /// Keys that could not be fetched again are believed too long, or never.
    #[error("keys that cannot be fetched again must be believed for up to 24 h, not {time:?}")]
    MaxStale {
        /// The time as given.
        time: Duration,
    },
    /// A remote set was to be changed here.
    #[error(
        "the keys are another issuer's and are fetched from there; revoke is all that can be done here"
    )]
    RemoteKeySet,
    /// Credentials are optional, and something is demanded of whoever sends them.
    #[error(
        "a request without a token would pass what is demanded of the others; use RequireLayer where more is needed, or leave out .optional()"
    )]
    OptionalRequirements,
    /// A list of demands is empty.
    #[error("the list of context classes is empty, so nothing would be demanded; name one")]
    NoContextClass,
    /// Ended sessions are forgotten while their tokens live.
    #[error(
        "ended sessions are remembered for {keep:?}, and tokens may live for {tokens:?}; write Revocations::new({tokens:?}), or a shorter max_lifetime"
    )]
    RevocationsTooShort {
        /// How long they are remembered.
        keep: Duration,
        /// How long a token may live, leeway included.
        tokens: Duration,
    },
    /// There is no HTTP client.
    #[error("no HTTP client could be made; the system's certificates cannot be read")]
    NoHttpClient,
    /// There is no key.
    #[error("the key set is empty, so every token would be refused; add a key")]
    NoKeys,
    /// There is nowhere to look for a token.
    #[error("no token source is set; keep the bearer header or name a cookie")]
    NoSources,
    /// No `typ` is accepted.
    #[error("the list of token types is empty, so every token would be refused; accept \"at+jwt\"")]
    TypesMissing,
    /// Two keys begin to sign in the same second.
    #[error(
        "key {kid:?} begins to sign in the same second as another; let one begin later, or only verify"
    )]
    TwoSigners {
        /// The identifier of the second one.
        kid: String,
    },
    /// A key whose signatures can be forged.
    #[error(
        "the key is too weak: {reason}; make another one, with `openssl genpkey -algorithm ed25519`"
    )]
    WeakKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A secret can be guessed.
    #[error("the secret is too weak: {reason}; draw 48 random bytes instead")]
    WeakSecret {
        /// What is wrong with it.
        reason: &'static str,
    },
}
