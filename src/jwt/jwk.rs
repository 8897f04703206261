//! Keys in JSON (RFC 7517 §4), read without benefit of the doubt.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::backend::{self, Private};
use super::error::Problem;
use super::key::VerifyingKey;
use super::public::PublicKey;
use crate::secret::Secret;
use crate::wire::strict_json;

/// Which kinds of keys are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Accept {
    /// Public keys other than RSA, and HMAC.
    All,
    /// RSA too.
    AllAndRsa,
    /// Public keys other than RSA: what may come from elsewhere.
    Public,
    /// RSA too.
    PublicAndRsa,
}

impl Accept {
    fn rsa(self) -> bool {
        matches!(self, Self::AllAndRsa | Self::PublicAndRsa)
    }

    fn secrets(self) -> bool {
        matches!(self, Self::All | Self::AllAndRsa)
    }
}

/// A key that signs.
pub(super) enum PrivateJwk {
    Pair {
        private: Private,
        kid: Option<String>,
    },
    Secret {
        algorithm: Algorithm,
        secret: Secret,
        kid: String,
    },
}

const fn bad(reason: &'static str) -> Problem {
    Problem::BadJwk { reason }
}

/// Reads a key that verifies.
pub(super) fn verifying(json: &str, accept: Accept) -> Result<VerifyingKey, Problem> {
    let members = strict_json::object(json).ok_or(bad("it is no JSON object with unique names"))?;
    verifying_members(&members, accept)
}

/// Reads a key that verifies from an object that was read strictly.
pub(super) fn verifying_members(
    members: &Map<String, Value>,
    accept: Accept,
) -> Result<VerifyingKey, Problem> {
    let jwk = Jwk::read(members, "verify")?;
    if jwk.kty == "oct" && accept.secrets() {
        let (algorithm, secret) = jwk.secret()?;
        let kid = jwk.kid.ok_or(bad("a secret key needs a `kid`"))?;
        return VerifyingKey::hmac(kid, algorithm, &secret);
    }
    if members.contains_key("d") {
        return Err(bad("it holds a private key where a public one belongs"));
    }
    let public = jwk.public()?;
    let algorithm = match public.algorithm() {
        Some(only) if jwk.algorithm.is_none_or(|algorithm| algorithm == only) => only,
        Some(_) => return Err(bad("`alg` does not belong to the key")),
        None if accept.rsa() => jwk.algorithm.unwrap_or(Algorithm::Rs256),
        None => return Err(Problem::LegacyRsa),
    };
    VerifyingKey::public(public, algorithm, jwk.kid)
}

/// Reads a key that signs.
pub(super) fn private(json: &str) -> Result<PrivateJwk, Problem> {
    let members = strict_json::object(json).ok_or(bad("it is no JSON object with unique names"))?;
    let jwk = Jwk::read(&members, "sign")?;
    if jwk.kty == "oct" {
        let (algorithm, secret) = jwk.secret()?;
        let kid = jwk.kid.ok_or(bad("a secret key needs a `kid`"))?;
        return Ok(PrivateJwk::Secret {
            algorithm,
            secret,
            kid,
        });
    }
    let public = jwk.public()?;
    if jwk.algorithm.is_some() && jwk.algorithm != public.algorithm() {
        return Err(bad("`alg` does not belong to the key"));
    }
    let d = Secret::new(jwk.bytes("d")?);
    let private = match &public {
        PublicKey::Ed25519(x) => backend::ed25519_from_parts(d.expose(), x),
        PublicKey::P256(_) | PublicKey::P384(_) => backend::ec_from_parts(d.expose(), &public),
        PublicKey::Rsa { .. } => return Err(bad("RSA keys only verify here")),
    };
    Ok(PrivateJwk::Pair {
        private: private.ok_or(bad("the private key does not belong to the public one"))?,
        kid: jwk.kid,
    })
}

/// Writes the public members.
pub(super) fn write(key: &VerifyingKey) -> Option<Value> {
    let mut members: Map<String, Value> = key
        .public_key()?
        .required_members()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    for (name, value) in [
        ("alg", key.algorithm().as_str()),
        ("kid", key.kid()),
        ("use", "sig"),
    ] {
        members.insert(name.to_owned(), value.into());
    }
    Some(members.into())
}

/// The members that say what a key is for.
struct Jwk<'a> {
    members: &'a Map<String, Value>,
    kty: &'a str,
    algorithm: Option<Algorithm>,
    kid: Option<String>,
}

impl<'a> Jwk<'a> {
    /// Reads the common members (RFC 7517 §4), and checks that the key may be
    /// used for the operation.
    fn read(members: &'a Map<String, Value>, operation: &str) -> Result<Self, Problem> {
        let text = |name: &str, wrong| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(bad(wrong)),
        };
        if text("use", "`use` is no string")?.is_some_and(|purpose| purpose != "sig") {
            return Err(bad("`use` is not `sig`"));
        }
        match members.get("key_ops") {
            None => {}
            Some(Value::Array(list)) if list.iter().any(|entry| entry == operation) => {}
            Some(_) => return Err(bad("`key_ops` does not allow this use")),
        }
        let algorithm = text("alg", "`alg` is no string")?
            .map(|name| Algorithm::from_name(name).ok_or(bad("`alg` is not supported")))
            .transpose()?;
        Ok(Self {
            members,
            kty: text("kty", "`kty` is no string")?.ok_or(bad("`kty` is missing"))?,
            algorithm,
            kid: text("kid", "`kid` is no string")?.map(str::to_owned),
        })
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Problem> {
        let text = self.members.get(name).and_then(Value::as_str);
        text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .ok_or(bad(
                "a member of the key is missing, or no canonical base64url",
            ))
    }

    fn secret(&self) -> Result<(Algorithm, Secret), Problem> {
        let algorithm = self.algorithm.unwrap_or(Algorithm::Hs256);
        Ok((algorithm, Secret::new(self.bytes("k")?)))
    }

    fn public(&self) -> Result<PublicKey, Problem> {
        let curve = self.members.get("crv").and_then(Value::as_str);
        match (self.kty, curve) {
            ("OKP", Some("Ed25519")) => {
                let x = self.bytes("x")?.try_into();
                x.map(PublicKey::Ed25519)
                    .map_err(|_| bad("an Ed25519 key has 32 bytes"))
            }
            ("EC", Some("P-256" | "P-384")) => {
                let public = PublicKey::from_coordinates(&self.bytes("x")?, &self.bytes("y")?);
                match (public, curve) {
                    (Some(key @ PublicKey::P256(_)), Some("P-256"))
                    | (Some(key @ PublicKey::P384(_)), Some("P-384")) => Ok(key),
                    _ => Err(bad("the coordinates do not have the curve's length")),
                }
            }
            ("RSA", None) => Ok(PublicKey::Rsa {
                n: self.bytes("n")?,
                e: self.bytes("e")?,
            }),
            ("oct", _) => Err(bad("a secret key does not belong here")),
            _ => Err(bad("`kty` or `crv` is not supported")),
        }
    }
}
