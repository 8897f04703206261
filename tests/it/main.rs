//! What the library promises, tested through its public interface.

mod advisories;
mod api;
mod chain;
mod cors;
mod csrf;
mod examples;
mod gate;
mod jwt;
mod leaks;
mod misuse;
mod origins;
mod password;
mod password_interop;
mod rate_limit;
mod rejection;
mod rescue;
mod security_headers;
mod servers;
#[allow(dead_code, reason = "shared with the tests of the server")]
mod services;
mod session;
mod stack;
mod support;
mod tidy;
mod upload;
