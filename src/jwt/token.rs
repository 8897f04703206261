//! The compact form of a token, split and decoded; nothing is believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::error::VerifyErrorKind;
use crate::wire::strict_json;

/// The longest token that is looked at, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A compact JWS (RFC 7515 §3.1) in its parts.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub(super) signing_input: &'a [u8],
    pub(super) header: Header,
    payload: &'a str,
    pub(super) signature: Vec<u8>,
}

/// The header members that decide something. `jwk`, `jku`, `x5c` and `x5u` are
/// never looked at: a token does not bring its own key.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: String,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
}

impl<'a> Compact<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, VerifyErrorKind> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyErrorKind::TooLarge);
        }
        let (signing_input, signature) =
            token.rsplit_once('.').ok_or(VerifyErrorKind::Malformed)?;
        let (header, payload) = signing_input
            .split_once('.')
            .ok_or(VerifyErrorKind::Malformed)?;
        if payload.contains('.') {
            return Err(VerifyErrorKind::Malformed);
        }
        Ok(Self {
            signing_input: signing_input.as_bytes(),
            header: Header::parse(header)?,
            payload,
            signature: decode(signature)?,
        })
    }

    /// Reads the claims. To be called after the signature held.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, VerifyErrorKind> {
        strict_json::object(&decode(self.payload)?).ok_or(VerifyErrorKind::Malformed)
    }
}

impl Header {
    fn parse(encoded: &str) -> Result<Self, VerifyErrorKind> {
        let mut members =
            strict_json::object(&decode(encoded)?).ok_or(VerifyErrorKind::Malformed)?;
        // No extension is understood here, so each must be refused
        // (RFC 7515 §4.1.11), `b64` included (RFC 7797 §6).
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(VerifyErrorKind::Critical);
        }
        let mut text = |name: &str| match members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(VerifyErrorKind::Malformed),
        };
        Ok(Self {
            algorithm: text("alg")?.ok_or(VerifyErrorKind::Malformed)?,
            kid: text("kid")?,
            typ: text("typ")?,
        })
    }
}

/// Decodes base64url in its one canonical spelling: no padding, no spare bits.
fn decode(part: &str) -> Result<Vec<u8>, VerifyErrorKind> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| VerifyErrorKind::Malformed)
}
