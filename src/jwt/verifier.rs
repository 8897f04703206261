//! The rules by which a token is believed.

use std::sync::Arc;
use std::time::Duration;

use super::claims::Claims;
use super::error::{ConfigError, Problem, VerifyError, VerifyErrorKind};
use super::key::MAX_KID_BYTES;
use super::key_set::KeySet;
use super::token::Compact;
use crate::clock::UnixSeconds;
use crate::config::Problems;

/// Verifies compact tokens. Clones share the rules.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    keys: KeySet,
    issuer: String,
    audience: String,
    types: Vec<String>,
    leeway: Duration,
    max_lifetime: Duration,
}

impl Verifier {
    /// Starts the rules for one issuer's keys.
    pub fn builder(keys: KeySet) -> VerifierBuilder {
        VerifierBuilder {
            rules: Rules {
                keys,
                issuer: String::new(),
                audience: String::new(),
                types: vec!["at+jwt".to_owned()],
                leeway: Duration::from_secs(5),
                max_lifetime: Duration::from_secs(24 * 60 * 60),
            },
        }
    }

    /// Verifies a compact token and returns its claims.
    ///
    /// The key fixes the algorithm; the token's `alg` is only compared with it
    /// (RFC 8725 §3.1). Claims are read after the signature held.
    ///
    /// # Errors
    ///
    /// [`VerifyErrorKind::Expired`] from the second named by `exp` plus the
    /// leeway onward (RFC 7519 §4.1.4); [`VerifyErrorKind::NotYetValid`] before
    /// `nbf` minus the leeway (§4.1.5); another kind for everything a client
    /// is told nothing about.
    pub fn verify(&self, token: &str, now: UnixSeconds) -> Result<Claims, VerifyError> {
        self.check(token, now).map_err(VerifyError::new)
    }

    fn check(&self, token: &str, now: UnixSeconds) -> Result<Claims, VerifyErrorKind> {
        let rules = &*self.0;
        let compact = Compact::parse(token)?;
        let kid = compact.header.kid.as_deref();
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(VerifyErrorKind::UnknownKey);
        }
        let key = rules.keys.find(kid).ok_or(VerifyErrorKind::UnknownKey)?;
        if compact.header.algorithm != key.algorithm().as_str() {
            return Err(VerifyErrorKind::WrongAlgorithm);
        }
        if !key.verify(compact.signing_input, &compact.signature) {
            return Err(VerifyErrorKind::BadSignature);
        }
        if !compact
            .header
            .typ
            .as_deref()
            .is_some_and(|typ| rules.accepts_type(typ))
        {
            return Err(VerifyErrorKind::Type);
        }
        let claims = Claims::from_members(compact.claims()?)?;
        rules.check_claims(&claims, now)?;
        Ok(claims)
    }
}

impl Rules {
    /// Compares `typ` without case and without `application/` (RFC 7515 §4.1.9).
    fn accepts_type(&self, typ: &str) -> bool {
        let typ = typ.to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        self.types.iter().any(|accepted| accepted == typ)
    }

    fn check_claims(&self, claims: &Claims, now: UnixSeconds) -> Result<(), VerifyErrorKind> {
        if claims.issuer() != Some(&self.issuer) {
            return Err(VerifyErrorKind::Issuer);
        }
        if !claims.is_for(&self.audience) {
            return Err(VerifyErrorKind::Audience);
        }
        let latest = now.plus(self.leeway);
        // Without `iat`, which RFC 9068 §2.2 demands, no lifetime could be checked.
        let issued_at = claims.issued_at().ok_or(VerifyErrorKind::Claims)?;
        if issued_at > latest || claims.expires_at().since(issued_at) > self.max_lifetime {
            return Err(VerifyErrorKind::Lifetime);
        }
        if claims
            .not_before()
            .is_some_and(|not_before| not_before > latest)
        {
            return Err(VerifyErrorKind::NotYetValid);
        }
        if now >= claims.expires_at().plus(self.leeway) {
            return Err(VerifyErrorKind::Expired);
        }
        Ok(())
    }
}

/// Collects the settings of a [`Verifier`].
#[derive(Debug)]
#[must_use]
pub struct VerifierBuilder {
    rules: Rules,
}

impl VerifierBuilder {
    /// Sets the demanded `iss`, compared byte by byte. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.rules.issuer = issuer.into();
        self
    }

    /// Sets the audience that `aud` must name. Required.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.audience = audience.into();
        self
    }

    /// Replaces the accepted `typ` values; `at+jwt` (RFC 9068 §2.1) by default.
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.rules.types = types
            .into_iter()
            .map(|typ| typ.into().to_ascii_lowercase())
            .collect();
        self
    }

    /// Sets how far clocks may differ, in whole seconds; 5 s by default, at
    /// most 5 min.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self
    }

    /// Sets the longest accepted distance from `iat` to `exp`; 24 h by default.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.rules.max_lifetime = lifetime;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let rules = self.rules;
        let mut problems = Vec::new();
        if rules.keys.is_empty() {
            problems.push(Problem::NoKeys);
        }
        if rules.issuer.is_empty() {
            problems.push(Problem::IssuerMissing);
        }
        if rules.audience.is_empty() {
            problems.push(Problem::AudienceMissing);
        }
        if rules.types.is_empty() {
            problems.push(Problem::TypesMissing);
        }
        if rules.leeway > Duration::from_secs(300) {
            problems.push(Problem::LeewayTooLong {
                leeway: rules.leeway,
            });
        }
        if rules.max_lifetime.is_zero() {
            problems.push(Problem::LifetimeZero);
        }
        Problems::check(problems, || Verifier(Arc::new(rules)))
    }
}
