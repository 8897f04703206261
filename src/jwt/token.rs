//! The compact form of a token, split and decoded; nothing is believed yet.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{self, MapAccess, Visitor};

use super::error::VerifyErrorKind;
use crate::wire::claim_set::ClaimSet;
use crate::wire::strict_json::{self, Names, Numbers, Skip, Text};

/// The longest token that is looked at, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The longest signature: that of an RSA key of 4096 bits.
const MAX_SIGNATURE_BYTES: usize = 512;

/// A compact JWS (RFC 7515 §3.1) in its parts, still encoded.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub(super) signing_input: &'a [u8],
    pub(super) header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    pub(super) fn split(token: &'a str) -> Result<Self, VerifyErrorKind> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyErrorKind::TooLarge);
        }
        let malformed = VerifyErrorKind::Malformed;
        let (signing_input, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(malformed)?;
        if payload.contains('.') {
            return Err(malformed);
        }
        Ok(Self {
            signing_input: signing_input.as_bytes(),
            header,
            payload,
            signature,
        })
    }

    /// Hands the decoded signature to a check.
    pub(super) fn with_signature(
        &self,
        check: impl FnOnce(&[u8]) -> bool,
    ) -> Result<bool, VerifyErrorKind> {
        let mut bytes = [0; MAX_SIGNATURE_BYTES];
        let length = URL_SAFE_NO_PAD
            .decode_slice(self.signature, &mut bytes)
            .map_err(|_| VerifyErrorKind::Malformed)?;
        Ok(check(&bytes[..length]))
    }

    /// Reads the claims. To be called after the signature held.
    pub(super) fn claims(&self) -> Result<ClaimSet, VerifyErrorKind> {
        ClaimSet::parse(decode(self.payload)?).ok_or(VerifyErrorKind::Claims)
    }
}

/// The header members that decide something. `jwk`, `jku`, `x5c` and `x5u` are
/// never looked at: a token does not bring its own key.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: String,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
}

impl Header {
    pub(super) fn parse(encoded: &str) -> Result<Self, VerifyErrorKind> {
        let json = decode(encoded)?;
        let members =
            strict_json::members(&json, HeaderMembers).ok_or(VerifyErrorKind::Malformed)?;
        // No extension is understood here, so each must be refused
        // (RFC 7515 §4.1.11), `b64` included (RFC 7797 §6).
        if members.critical {
            return Err(VerifyErrorKind::Critical);
        }
        let algorithm = members.algorithm.ok_or(VerifyErrorKind::Malformed)?;
        Ok(Self {
            algorithm: algorithm.into_owned(),
            kid: members.kid.map(Cow::into_owned),
            typ: members.typ.map(Cow::into_owned),
        })
    }
}

#[derive(Default)]
struct RawHeader<'a> {
    algorithm: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
    critical: bool,
}

struct HeaderMembers;

impl<'a> Visitor<'a> for HeaderMembers {
    type Value = RawHeader<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut access: A) -> Result<RawHeader<'a>, A::Error> {
        let mut header = RawHeader::default();
        let (mut known, mut others) = (Numbers::default(), Names::default());
        let mut count = 0_u32;
        while let Some(name) = access.next_key_seed(Text)? {
            count += 1;
            if count > MAX_HEADER_MEMBERS {
                return Err(de::Error::custom("too many members"));
            }
            match &*name {
                "alg" => header.algorithm = known.once(0, Some(access.next_value_seed(Text)?))?,
                "kid" => header.kid = known.once(1, Some(access.next_value_seed(Text)?))?,
                "typ" => header.typ = known.once(2, Some(access.next_value_seed(Text)?))?,
                other => {
                    header.critical |= matches!(other, "crit" | "b64");
                    others.once(name)?;
                    access.next_value_seed(Skip)?;
                }
            }
        }
        Ok(header)
    }
}

/// Anybody can send a header, so little work is done for it.
const MAX_HEADER_MEMBERS: u32 = 32;

/// Decodes base64url in its one canonical spelling: no padding, no spare bits.
fn decode(part: &str) -> Result<String, VerifyErrorKind> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| VerifyErrorKind::Malformed)?;
    String::from_utf8(bytes).map_err(|_| VerifyErrorKind::Malformed)
}
