//! Bytes on the wire ⇄ types. Pure: no clock, no log, nothing asynchronous.
//!
//! Everything here reads untrusted bytes, so nothing here panics, allocates
//! without a bound or scans twice.

#[cfg(feature = "jwt")]
pub(crate) mod authorization;
pub(crate) mod claim_set;
#[cfg(any(feature = "jwt", feature = "rate-limit"))]
pub(crate) mod cookie;
pub(crate) mod forwarded;
#[cfg(feature = "upload")]
pub(crate) mod media_type;
#[cfg(any(feature = "cors", feature = "csrf", feature = "session"))]
pub(crate) mod origin;
#[cfg(any(feature = "cors", feature = "rate-limit"))]
pub(crate) mod preflight;
pub(crate) mod strict_json;
#[cfg(any(
    feature = "cors",
    feature = "csrf",
    feature = "security-headers",
    feature = "session"
))]
pub(crate) mod value;
#[cfg(feature = "cors")]
pub(crate) mod vary;

#[cfg(all(test, feature = "full"))]
mod tests;
