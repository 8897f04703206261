//! JWK sets (RFC 7517 §5): reading those of others, publishing one's own.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::{ConfigError, Problem};
use super::jwk::{self, Accept};
use super::key::VerifyingKey;
use super::key_set::KeySet;
use crate::clock::UnixSeconds;
use crate::wire::strict_json;

/// The most keys of one set that are read.
const MAX_KEYS: usize = 100;

/// The public keys of a JWK set. A key that cannot be used is skipped, and the
/// others go on working.
///
/// # Examples
///
/// ```
/// use tower_rampart::jwt::JwkSet;
///
/// let set = JwkSet::parse(r#"{"keys": [
///     {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///     {"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "too short"}
/// ]}"#)?;
/// assert_eq!(set.keys().len(), 1);
/// assert_eq!(set.skipped()[0].kid(), Some("b"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedJwk>,
}

/// A member of a JWK set that is not used.
#[derive(Clone, Debug)]
pub struct SkippedJwk {
    kid: Option<String>,
    problem: Problem,
}

impl SkippedJwk {
    /// Returns the identifier, if it has a readable one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns why it is not used.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl JwkSet {
    /// Reads a set. RSA keys are skipped, and so is `oct`: a secret does not
    /// belong into a published set.
    ///
    /// # Errors
    ///
    /// [`Problem::BadJwk`] if the text is no JWK set.
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        Ok(Self::read(json, Accept::Public)?)
    }

    /// Reads a set, RSA keys of 2048 to 4096 bits included. One without `alg`
    /// verifies `RS256`.
    ///
    /// # Errors
    ///
    /// [`Problem::BadJwk`] if the text is no JWK set.
    ///
    /// # Security
    ///
    /// RSASSA-PKCS1-v1_5 is what older issuers sign with; see
    /// [`VerifyingKey::legacy_rsa_pem`].
    pub fn parse_with_legacy_rsa(json: &str) -> Result<Self, ConfigError> {
        Ok(Self::read(json, Accept::PublicAndRsa)?)
    }

    fn read(json: &str, accept: Accept) -> Result<Self, Problem> {
        let bad = |reason| Problem::BadJwk { reason };
        let members =
            strict_json::object(json).ok_or(bad("it is no JSON object with unique names"))?;
        let Some(Value::Array(list)) = members.get("keys") else {
            return Err(bad("`keys` is no list"));
        };
        if list.len() > MAX_KEYS {
            return Err(bad("it has over 100 keys"));
        }
        let mut set = Self::default();
        let mut named = HashMap::<&str, u32>::new();
        for kid in list.iter().filter_map(kid_of) {
            *named.entry(kid).or_default() += 1;
        }
        for entry in list {
            let kid = kid_of(entry);
            let key = match entry {
                // Which of two keys is meant by one name, an attacker would choose.
                _ if kid.is_some_and(|kid| named.get(kid) > Some(&1)) => {
                    Err(bad("another key has the same `kid`"))
                }
                Value::Object(members) => jwk::verifying_members(members, accept),
                _ => Err(bad("it is no JSON object")),
            };
            match key {
                Ok(key) if set.keys.iter().any(|other| other.kid() == key.kid()) => {}
                Ok(key) => set.keys.push(key),
                Err(problem) => set.skipped.push(SkippedJwk {
                    kid: kid.map(str::to_owned),
                    problem,
                }),
            }
        }
        Ok(set)
    }

    /// Returns the keys that can be used.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Returns the keys that are not used, each with the reason.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedJwk] {
        &self.skipped
    }

    /// Makes a set of keys that verify.
    ///
    /// # Errors
    ///
    /// [`Problem::NoKeys`] if no key can be used.
    pub fn into_key_set(self) -> Result<KeySet, ConfigError> {
        let keys = self.keys.into_iter();
        keys.fold(KeySet::builder(), super::KeySetBuilder::verifying)
            .build()
    }
}

fn kid_of(entry: &Value) -> Option<&str> {
    entry.get("kid").and_then(Value::as_str)
}

impl KeySet {
    /// Writes the public keys of the set as a JWK set: those that sign, will
    /// sign or have signed. Secrets are never in it.
    #[must_use]
    pub fn jwks(&self, now: UnixSeconds) -> String {
        serde_json::json!({"keys": self.published(now)}).to_string()
    }

    /// Answers a request for the JWK set: 200, or 304 if the client has it
    /// (RFC 9110 §13.1.2). Clients may keep it for 5 min, so a new key must be
    /// in the set for at least that long before it signs.
    #[must_use]
    pub fn jwks_response(&self, headers: &HeaderMap, now: UnixSeconds) -> Response<Bytes> {
        let body = self.jwks(now);
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        let mut response = if has_tag(headers, &tag) {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(Bytes::from(body));
            let media_type = HeaderValue::from_static("application/jwk-set+json");
            response.headers_mut().insert(CONTENT_TYPE, media_type);
            response
        };
        let lifetime = HeaderValue::from_static("public, max-age=300");
        response.headers_mut().insert(CACHE_CONTROL, lifetime);
        if let Ok(tag) = HeaderValue::try_from(tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// Compares entity tags weakly, as `If-None-Match` demands (RFC 9110 §13.1.2).
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let fields = headers.get_all(IF_NONE_MATCH).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == tag)
}
