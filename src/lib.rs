//! Tower layers that secure an HTTP service, and a password-hashing module.
//!
//! Take one layer, or take [`Rampart`](stack::Rampart), which holds them all in
//! the one right order. Each layer is a [`Policy`](gate::Policy): a plain
//! decision over the head of a request, applied by one generic service.
//!
//! | layer | stops | answers | feature |
//! | --- | --- | --- | --- |
//! | [`JwtLayer`](jwt::JwtLayer) | forged, expired, misdirected tokens | 401, 403, 400 | `jwt` |
//! | [`SessionLayer`](session::SessionLayer) | stolen refresh tokens used twice | 401, 503 | `session` |
//! | [`RateLimitLayer`](rate_limit::RateLimitLayer) | brute force, abuse | 429 | `rate-limit` |
//! | [`CorsLayer`](cors::CorsLayer) | foreign pages reading answers | 204, 403 to preflights | `cors` |
//! | [`CsrfLayer`](csrf::CsrfLayer) | foreign pages acting for users | 403 | `csrf` |
//! | [`SecurityHeadersLayer`](security_headers::SecurityHeadersLayer) | sniffing, framing, leaks | – | `security-headers` |
//! | [`UploadLayer`](upload::UploadLayer) | files too large, or not what they claim | 413, 415, 422, 400, 408 | `upload` |
//! | [`LoginHasher`](password::LoginHasher) | cut passwords, stalled servers | – | `password` |
//!
//! # Features
//!
//! All of the above, with `aws-lc-rs` for signatures, are on by default.
//! `argon2` adds argon2id, `axum` extractors, `breach` and `breach-client` lists
//! of leaked passwords, `jwks-client` the keys of other issuers, `sqlite`,
//! `postgres` and `redis` stores, `tracing` events, `test-util` a clock to move by hand and the
//! attacks to try on your own service. A feature adds items and changes no
//! default.
//!
//! The module `guide` (feature `full`) has the order of the layers, every default with its
//! reason, what each module stops, recipes, and how to come from elsewhere.
//!
//! # Where is the thing that …
//!
//! - decides? In `check.rs`, `rules.rs` or `rotation.rs` of a layer: plain
//!   functions, without clock reads, logging or `async`.
//! - talks to Tower? [`gate`], for every layer but [`upload`], which changes the
//!   request's body.
//! - reads bytes? `wire`, and `upload::multipart`.
//! - refuses? [`rejection`], in one place.
//! - do layers meet? [`identity`]: no layer imports another.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
pub mod axum;
pub mod clock;
pub mod config;
pub mod context;
#[cfg(feature = "cors")]
pub mod cors;
#[cfg(feature = "csrf")]
pub mod csrf;
pub mod gate;
#[cfg(feature = "full")]
pub mod guide;
pub mod identity;
#[cfg(all(feature = "jwt", feature = "aws-lc-rs"))]
pub mod jwt;
#[cfg(any(feature = "cors", feature = "csrf", feature = "session"))]
mod origin;
#[cfg(feature = "password")]
pub mod password;
#[cfg(feature = "rate-limit")]
pub mod rate_limit;
pub mod rejection;
pub mod secret;
#[cfg(feature = "security-headers")]
pub mod security_headers;
#[cfg(all(feature = "session", feature = "aws-lc-rs"))]
pub mod session;
#[cfg(all(
    feature = "cors",
    feature = "csrf",
    feature = "rate-limit",
    feature = "security-headers",
    feature = "session",
    feature = "aws-lc-rs"
))]
pub mod stack;
mod trace;
#[cfg(feature = "upload")]
pub mod upload;
mod wire;

#[cfg(all(feature = "jwt", not(feature = "aws-lc-rs")))]
compile_error!("the feature `jwt` needs a signature back end: enable the feature `aws-lc-rs` too");

/// Compiles and runs the examples of the README.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
struct Readme;
