//! The refresh token: which session, which generation, and a MAC over both.
//!
//! `rt1_` and base64url of `version (1) | rid (16) | generation (8, big
//! endian) | MAC (20)`. The next token differs only in its generation, so
//! every process answers a replay with the same bytes and nothing has to be
//! stored for it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::store::RefreshId;
use crate::jwt::derive;
use crate::secret::Secret;

/// For scanners that look for leaked secrets.
const PREFIX: &str = "rt1_";
const RID_BYTES: usize = 16;
const MAC_BYTES: usize = 20;
const TOKEN_BYTES: usize = 1 + RID_BYTES + 8 + MAC_BYTES;

/// A refresh token whose MAC was right.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct RefreshToken {
    rid: [u8; RID_BYTES],
    generation: u64,
}

impl RefreshToken {
    pub(super) fn first(rid: [u8; RID_BYTES]) -> Self {
        Self { rid, generation: 0 }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn at_generation(&self, generation: u64) -> Self {
        Self {
            rid: self.rid,
            generation,
        }
    }

    /// The name under which the store knows the session.
    pub(super) fn id(&self) -> RefreshId {
        RefreshId::new(Sha256::digest(self.rid).into())
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The keys of refresh tokens: the first one signs, all verify.
#[derive(Debug)]
pub(super) struct RefreshKeys(Vec<RefreshKey>);

#[derive(Debug)]
struct RefreshKey {
    /// Tells keys apart cheaply; two keys may share it.
    version: u8,
    secret: Secret,
}

impl RefreshKeys {
    pub(super) fn from_secrets<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let key = |secret| RefreshKey {
            version: derive(secret, "refresh/version", 1).expose()[0],
            secret: derive(secret, "refresh/hmac-sha256", 32),
        };
        Self(secrets.into_iter().map(key).collect())
    }

    pub(super) fn encode(&self, token: &RefreshToken) -> String {
        let key = &self.0[0];
        let mut bytes = [0_u8; TOKEN_BYTES];
        bytes[0] = key.version;
        bytes[1..=RID_BYTES].copy_from_slice(&token.rid);
        bytes[1 + RID_BYTES..TOKEN_BYTES - MAC_BYTES]
            .copy_from_slice(&token.generation.to_be_bytes());
        let mac = key.mac(&bytes[..TOKEN_BYTES - MAC_BYTES]);
        bytes[TOKEN_BYTES - MAC_BYTES..].copy_from_slice(&mac);
        let mut text = String::from(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        text
    }

    /// Reads a token; anything without a right MAC is `None`.
    pub(super) fn decode(&self, text: &str) -> Option<RefreshToken> {
        let encoded = text.strip_prefix(PREFIX)?;
        let mut bytes = [0_u8; TOKEN_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        if length != TOKEN_BYTES {
            return None;
        }
        let (message, mac) = bytes.split_at(TOKEN_BYTES - MAC_BYTES);
        let genuine = self
            .0
            .iter()
            .filter(|key| key.version == message[0])
            .any(|key| key.mac(message).ct_eq(mac).into());
        genuine.then_some(())?;
        Some(RefreshToken {
            rid: message[1..=RID_BYTES].try_into().ok()?,
            generation: u64::from_be_bytes(message[1 + RID_BYTES..].try_into().ok()?),
        })
    }
}

impl RefreshKey {
    fn mac(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose())
            .expect("HMAC takes keys of any length");
        mac.update(b"rt1");
        mac.update(message);
        let full = mac.finalize().into_bytes();
        let mut truncated = [0_u8; MAC_BYTES];
        truncated.copy_from_slice(&full[..MAC_BYTES]);
        truncated
    }
}
