//! The rules by which a token is believed.

use std::sync::Arc;
use std::time::Duration;

use super::algorithm::Algorithm;
use super::cache::{Cached, TokenCache};
use super::claims::Claims;
use super::error::{ConfigError, Problem, VerifyError, VerifyErrorKind};
use super::key::MAX_KID_BYTES;
use super::key_set::KeySet;
use super::key_state::KeyState;
use super::keys::{ACCESS_TOKEN_TYPE, Entry, Keys, Looking};
use super::token::{Compact, Header};
use crate::clock::UnixSeconds;
use crate::config::Problems;
use crate::wire::claim_set::ClaimSet;

/// The most tokens that are remembered; 16 MiB of claims.
const MAX_CACHED: usize = 10_000;

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
    cache: Option<TokenCache>,
}

impl Verifier {
    /// Starts the rules for one issuer's keys.
    pub fn builder(keys: KeySet) -> VerifierBuilder {
        // The clocks of others are further off than those of one's own machines.
        let leeway = if keys.source().is_some() { 30 } else { 5 };
        VerifierBuilder {
            cached: None,
            rules: Rules {
                keys,
                issuer: String::new(),
                audience: String::new(),
                types: vec![ACCESS_TOKEN_TYPE.to_owned()],
                leeway: Duration::from_secs(leeway),
                max_lifetime: Duration::from_secs(24 * 60 * 60),
                cache: None,
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
    /// `nbf` minus the leeway (§4.1.5); [`VerifyErrorKind::SigningKeyRevoked`]
    /// for a compromised key; [`VerifyErrorKind::KeysNotLoaded`] if there are no
    /// keys yet; another kind for everything a client is told nothing about.
    pub fn verify(&self, token: &str, now: UnixSeconds) -> Result<Claims, VerifyError> {
        self.check(token, now).map(Claims).map_err(VerifyError::new)
    }

    /// Returns what to wait for before a token with an unknown key is given up.
    pub(super) fn look_for_key(&self, token: &str) -> Option<Looking> {
        let source = self.0.keys.source()?;
        let header = Header::parse(Compact::split(token).ok()?.header).ok()?;
        let kid = header.kid.unwrap_or_default();
        // What no key could verify is not worth asking for.
        if kid.len() > MAX_KID_BYTES || Algorithm::from_name(&header.algorithm).is_none() {
            return None;
        }
        source.find(&kid)
    }

    /// Returns how long after its issue a token can be accepted.
    pub(super) fn longest_life(&self) -> Duration {
        self.0.max_lifetime + self.0.leeway
    }

    fn check(&self, token: &str, now: UnixSeconds) -> Result<Arc<ClaimSet>, VerifyErrorKind> {
        let rules = &*self.0;
        let keys = rules.keys.load();
        if !keys.is_usable(now) {
            return Err(VerifyErrorKind::KeysNotLoaded);
        }
        let Some(cache) = &rules.cache else {
            let (_, claims) = rules.read(&keys, token, now)?;
            rules.check_claims(&claims, now)?;
            return Ok(Arc::new(claims));
        };
        if token.len() > super::token::MAX_TOKEN_BYTES {
            return Err(VerifyErrorKind::TooLarge);
        }
        let hash = TokenCache::hash(token);
        if let Some(cached) = cache.get(&hash, now)
            && let Some(entry) = keys.still(&cached.key)
        {
            check_state(entry, now)?;
            rules.check_claims(&cached.claims, now)?;
            return Ok(cached.claims);
        }
        let (entry, claims) = rules.read(&keys, token, now)?;
        rules.check_claims(&claims, now)?;
        let claims = Arc::new(claims);
        // A MAC costs less than finding it here.
        if entry.key.verifying.public_key().is_some() {
            let cached = Cached {
                key: Arc::clone(&entry.key),
                claims: Arc::clone(&claims),
                since: now,
            };
            cache.insert(hash, cached, now);
        }
        Ok(claims)
    }
}

/// What the key allows, told only for tokens it did sign.
fn check_state(entry: &Entry, now: UnixSeconds) -> Result<(), VerifyErrorKind> {
    match entry.times.state(now) {
        KeyState::Compromised => Err(VerifyErrorKind::SigningKeyRevoked),
        KeyState::Retired => Err(VerifyErrorKind::Expired),
        KeyState::Active | KeyState::Next | KeyState::Verifying => Ok(()),
    }
}

impl Rules {
    /// Finds the key, checks the signature, then everything else but the claims.
    fn read<'k>(
        &self,
        keys: &'k Keys,
        token: &str,
        now: UnixSeconds,
    ) -> Result<(&'k Entry, ClaimSet), VerifyErrorKind> {
        let compact = Compact::split(token)?;
        let header;
        let (entry, typ) = match keys.by_header(compact.header) {
            Some(entry) => (entry, Some(ACCESS_TOKEN_TYPE)),
            None => {
                header = Header::parse(compact.header)?;
                (find_key(keys, &header)?, header.typ.as_deref())
            }
        };
        let key = &entry.key.verifying;
        if !compact.with_signature(|signature| key.verify(compact.signing_input, signature))? {
            return Err(VerifyErrorKind::BadSignature);
        }
        check_state(entry, now)?;
        if !typ.is_some_and(|typ| self.accepts_type(typ)) {
            return Err(VerifyErrorKind::Type);
        }
        Ok((entry, compact.claims()?))
    }

    /// Compares `typ` without case and without `application/` (RFC 7515 §4.1.9).
    fn accepts_type(&self, typ: &str) -> bool {
        let bare = bare_type(typ);
        self.types
            .iter()
            .any(|accepted| accepted.eq_ignore_ascii_case(bare))
    }

    fn check_claims(&self, set: &ClaimSet, now: UnixSeconds) -> Result<(), VerifyErrorKind> {
        let claims = &set.registered;
        // Whoever sends a token that is bound to a key has to prove that they
        // hold it, and no proof is checked here (RFC 9449 §7).
        if claims.is_bound || set.subject().is_empty() {
            return Err(VerifyErrorKind::Claims);
        }
        if claims.issuer.map(|issuer| set.text(issuer)) != Some(&self.issuer) {
            return Err(VerifyErrorKind::Issuer);
        }
        if !set
            .texts(&claims.audience)
            .any(|entry| entry == self.audience)
        {
            return Err(VerifyErrorKind::Audience);
        }
        // Without `iat`, which RFC 9068 §2.2 demands, no lifetime could be checked.
        let (Some(expires_at), Some(issued_at)) = (claims.expires_at, claims.issued_at) else {
            return Err(VerifyErrorKind::Claims);
        };
        let latest = now.plus(self.leeway);
        let (expires_at, issued_at) = (UnixSeconds::new(expires_at), UnixSeconds::new(issued_at));
        // A sign-in that lies ahead would be a recent one for ever.
        let ahead = |at: Option<u64>| at.is_some_and(|at| UnixSeconds::new(at) > latest);
        if issued_at > latest
            || ahead(claims.authenticated_at)
            || expires_at.since(issued_at) > self.max_lifetime
        {
            return Err(VerifyErrorKind::Lifetime);
        }
        if claims
            .not_before
            .is_some_and(|not_before| UnixSeconds::new(not_before) > latest)
        {
            return Err(VerifyErrorKind::NotYetValid);
        }
        if now >= expires_at.plus(self.leeway) {
            return Err(VerifyErrorKind::Expired);
        }
        Ok(())
    }
}

fn bare_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        _ => typ,
    }
}

fn find_key<'k>(keys: &'k Keys, header: &Header) -> Result<&'k Entry, VerifyErrorKind> {
    let kid = header.kid.as_deref();
    if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
        return Err(VerifyErrorKind::UnknownKey);
    }
    let Some(entry) = keys.find(kid) else {
        // There is no key to check the signature with; the name is public.
        return Err(match kid {
            Some(kid) if keys.is_revoked(kid) => VerifyErrorKind::SigningKeyRevoked,
            _ => VerifyErrorKind::UnknownKey,
        });
    };
    if header.algorithm != entry.key.verifying.algorithm().as_str() {
        return Err(VerifyErrorKind::WrongAlgorithm);
    }
    Ok(entry)
}

/// Collects the settings of a [`Verifier`].
#[derive(Debug)]
#[must_use]
pub struct VerifierBuilder {
    rules: Rules,
    cached: Option<usize>,
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
    ///
    /// # Security
    ///
    /// `JWT` is what tokens for other purposes say too, such as ID tokens; only
    /// their audience then tells them apart.
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        let bare = |typ: T| {
            let typ: String = typ.into();
            bare_type(&typ).to_owned()
        };
        self.rules.types = types.into_iter().map(bare).collect();
        self
    }

    /// Sets how far clocks may differ, in whole seconds, at most 5 min. By
    /// default 5 s, and 30 s for keys of a remote issuer.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self
    }

    /// Sets the longest accepted distance from `iat` to `exp`; 24 h by default.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.rules.max_lifetime = lifetime;
        self
    }

    /// Remembers up to this many verified tokens, at most 10,000, each for a
    /// minute at most. A token that is remembered skips its signature and
    /// nothing else: time, key, session and requirements are checked again.
    /// Tokens with a MAC are not remembered: checking it costs less.
    pub fn cache(mut self, tokens: usize) -> Self {
        self.cached = Some(tokens);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let mut rules = self.rules;
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
        if let Some(tokens) = self.cached {
            if (1..=MAX_CACHED).contains(&tokens) {
                rules.cache = Some(TokenCache::new(tokens));
            } else {
                problems.push(Problem::CacheSize { tokens });
            }
        }
        Problems::check(problems, || Verifier(Arc::new(rules)))
    }
}
