//! The decision, and the fields that report it.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, request, response};

use super::key::{self, Key};
use super::limiter::RateLimiter;
use super::quota::Quota;
use crate::identity::{ClientAddr, ClientAddrResolver};
use crate::rejection::{Rejection, RejectionCode};

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) limiter: RateLimiter,
    pub(super) key: Key,
    pub(super) resolver: ClientAddrResolver,
}

/// An admitted request.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    address: Option<ClientAddr>,
    remaining: u32,
}

impl Rules {
    pub(super) fn check(&self, head: &request::Parts) -> Result<Counted, Rejection> {
        let address = key::address(&self.key, &self.resolver, head);
        // Without an address everybody would share one bucket, or none.
        let key = self.key.of(head, address).ok_or_else(|| {
            Rejection::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                RejectionCode::Misconfigured,
            )
            .kind("no-client-address")
        })?;
        match self.limiter.check(&key) {
            Ok(allowed) => Ok(Counted {
                address,
                remaining: allowed.remaining(),
            }),
            Err(limited) => Err(limited.into_rejection()),
        }
    }

    pub(super) fn enter(&self, counted: &Counted, head: &mut request::Parts) {
        if let Some(address) = counted.address {
            head.extensions.insert(address);
        }
    }

    pub(super) fn leave(&self, counted: Counted, head: &mut response::Parts) {
        for (name, value) in header_fields(
            self.limiter.name(),
            self.limiter.quota(),
            counted.remaining,
            None,
        ) {
            head.headers.append(name, value);
        }
    }
}

/// Writes the structured fields of draft-ietf-httpapi-ratelimit-headers-10:
/// `RateLimit-Policy` with quota `q` and window `w`, `RateLimit` with what
/// remains, `r`, and the seconds until there is more, `t`.
pub(super) fn header_fields(
    name: &str,
    quota: Quota,
    remaining: u32,
    wait: Option<Duration>,
) -> [(HeaderName, HeaderValue); 2] {
    let window = quota.period().as_secs().max(1);
    let until = wait.map_or_else(String::new, |wait| {
        format!(";t={}", wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    });
    [
        (
            HeaderName::from_static("ratelimit-policy"),
            format!("\"{name}\";q={};w={window}", quota.count()),
        ),
        (
            HeaderName::from_static("ratelimit"),
            format!("\"{name}\";r={remaining}{until}"),
        ),
    ]
    .map(|(field, value)| {
        (
            field,
            HeaderValue::try_from(value).expect("a limit's name was checked to be a legal string"),
        )
    })
}
