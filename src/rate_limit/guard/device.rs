//! Cookies of browsers that have signed in to an account before.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;

use crate::clock::UnixSeconds;
use crate::secret::{Secret, random_bytes};
use crate::wire::cookie::{CookieLookup, lookup};

/// Makes and reads device cookies.
///
/// A cookie is `base64url(id ‖ issued ‖ mac)`: 16 random bytes, the second of
/// its issue as 8 bytes, and HMAC-SHA-256 over both and the account. It proves
/// no identity and opens nothing: it only buys a count of its own.
pub(super) struct Devices {
    /// The first signs, all are believed.
    keys: Vec<DeviceKey>,
    lifetime: Duration,
}

/// What a device is told from others by.
pub(super) type DeviceId = [u8; ID];

const ID: usize = 16;
const ISSUED: usize = 8;
const MAC: usize = 32;

/// `__Host-` keeps sibling hosts from planting one.
const NAME: &str = "__Host-device";

/// A key of its own, derived: what else the secret is used for stays apart.
pub(super) struct DeviceKey(Hmac<Sha256>);

impl DeviceKey {
    pub(super) fn new(secret: &Secret) -> Self {
        let mut derive = keyed(secret.expose());
        derive.update(b"tower-rampart device cookies v1");
        Self(keyed(&derive.finalize().into_bytes()))
    }

    fn sign(&self, signed: &[u8], account: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(signed);
        mac.update(account.as_bytes());
        mac
    }
}

impl Devices {
    pub(super) fn new(keys: Vec<DeviceKey>, lifetime: Duration) -> Self {
        Self { keys, lifetime }
    }

    /// Returns the device that a genuine cookie for this account names.
    pub(super) fn recognise(
        &self,
        headers: &HeaderMap,
        account: &str,
        now: UnixSeconds,
    ) -> Option<DeviceId> {
        let CookieLookup::Value(text) = lookup(headers, NAME) else {
            return None;
        };
        let mut bytes = [0; ID + ISSUED + MAC];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        if length != bytes.len() {
            return None;
        }
        let (signed, mac) = bytes.split_at(ID + ISSUED);
        let genuine = |key: &DeviceKey| key.sign(signed, account).verify_slice(mac).is_ok();
        if !self.keys.iter().any(genuine) {
            return None;
        }
        let issued = signed[ID..].try_into().ok()?;
        let issued = UnixSeconds::new(u64::from_be_bytes(issued));
        let age = now.since(issued);
        (age < self.lifetime).then(|| signed[..ID].try_into().ok())?
    }

    /// Makes a device known to an account, for another while if it was already:
    /// the value of a `Set-Cookie` field.
    pub(super) fn cookie(
        &self,
        account: &str,
        known: Option<DeviceId>,
        now: UnixSeconds,
    ) -> Option<HeaderValue> {
        let issued = now.as_u64().to_be_bytes();
        let mut bytes = [&known.unwrap_or_else(random_bytes::<ID>)[..], &issued].concat();
        let mac = self.keys.first()?.sign(&bytes, account).finalize();
        bytes.extend_from_slice(&mac.into_bytes());
        let value = URL_SAFE_NO_PAD.encode(bytes);
        let seconds = self.lifetime.as_secs();
        let cookie =
            format!("{NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
        HeaderValue::try_from(cookie).ok()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Devices")
    }
}
