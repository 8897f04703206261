//! Tower layers that secure an HTTP service, and a password-hashing module.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod config;
pub mod context;
#[cfg(feature = "cors")]
pub mod cors;
#[cfg(feature = "csrf")]
pub mod csrf;
pub mod gate;
pub mod identity;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(any(feature = "cors", feature = "csrf"))]
mod origin;
#[cfg(feature = "password")]
pub mod password;
#[cfg(feature = "rate-limit")]
pub mod rate_limit;
pub mod rejection;
pub mod secret;
#[cfg(feature = "security-headers")]
pub mod security_headers;
#[cfg(feature = "session")]
pub mod session;
mod trace;
#[cfg(feature = "upload")]
pub mod upload;
mod wire;
