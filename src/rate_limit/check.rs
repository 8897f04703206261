//! The decision, and the fields that report it.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, request, response};

use super::key::{self, Key};
use super::limiter::{Allowed, RateLimiter};
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
    allowed: Allowed,
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
        match self.limiter.check_rungs(key.rungs()) {
            Ok(allowed) => Ok(Counted { address, allowed }),
            Err(limited) => Err(limited.into_rejection()),
        }
    }

    pub(super) fn enter(&self, counted: &Counted, head: &mut request::Parts) {
        if let Some(address) = counted.address {
            head.extensions.insert(address);
        }
    }

    pub(super) fn leave(&self, counted: Counted, head: &mut response::Parts) {
        let windows = self.limiter.windows().iter();
        let each = windows.clone().zip(counted.allowed.each());
        let fields = header_fields(
            windows.map(|window| (window.name.as_str(), window.quota)),
            each.map(|(window, left)| (window.name.as_str(), *left, None)),
        );
        for (name, value) in fields {
            head.headers.append(name, value);
        }
    }
}

/// Writes the structured fields of draft-ietf-httpapi-ratelimit-headers-10:
/// `RateLimit-Policy` with quota `q` and window `w`, `RateLimit` with what
/// remains, `r`, and the seconds until there is more, `t`.
pub(super) fn header_fields<'a>(
    policies: impl Iterator<Item = (&'a str, Quota)>,
    left: impl Iterator<Item = (&'a str, u32, Option<Duration>)>,
) -> [(HeaderName, HeaderValue); 2] {
    let list = |text: String| HeaderValue::try_from(text).expect("names are legal strings");
    let (mut policy, mut limit) = (String::new(), String::new());
    for (name, quota) in policies {
        let window = quota.period().as_secs().max(1);
        separated(
            &mut policy,
            format_args!("\"{name}\";q={};w={window}", quota.count()),
        );
    }
    for (name, left, wait) in left {
        separated(&mut limit, format_args!("\"{name}\";r={left}"));
        if let Some(wait) = wait {
            let until = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let _ = write!(limit, ";t={until}");
        }
    }
    [
        (HeaderName::from_static("ratelimit-policy"), list(policy)),
        (HeaderName::from_static("ratelimit"), list(limit)),
    ]
}

/// Adds an item to a list.
fn separated(list: &mut String, item: std::fmt::Arguments<'_>) {
    let separator = if list.is_empty() { "" } else { ", " };
    // Writing to a string does not fail.
    let _ = write!(list, "{separator}{item}");
}
