//! What can be wrong with a limit, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use thiserror::Error;

use super::fields::{self, Fields, Say};
use super::windows::{MAX_WINDOWS, Windows};
use crate::config::Problems;
use crate::rejection::{Rejection, RejectionCode};

/// A text or a pair of numbers is not a rate.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum QuotaParseError {
    /// The burst cannot be earned.
    #[error("a burst is at least 1, and comes back within 31 d; a strict limit has none")]
    Burst,
    /// Not `COUNT/PERIOD`.
    #[error("write a limit as COUNT/PERIOD, for instance 30/15m; units are s, m, h and d")]
    Form,
    /// No period, or one that outlives any process.
    #[error("the period of a limit is between 1 s and 31 d")]
    Period,
    /// More than the limiter can tell apart.
    #[error("a limit allows at most one request a microsecond")]
    Rate,
    /// Too much to be remembered one by one.
    #[error("a strict limit counts to 65535 at most, in a second at least, and has no burst")]
    Strict,
    /// Nothing would ever be allowed.
    #[error("a limit of 0 refuses every request; use at least 1")]
    Zero,
}

/// A request is over a limit.
#[derive(Clone, Debug, Error)]
#[error("the limit refuses: {kind:?}, for {wait:?}")]
pub struct Limited {
    kind: LimitedKind,
    /// How long to wait; `None` if waiting does not help.
    wait: Option<Duration>,
    told: Box<Told>,
}

/// Which windows there are, and which of them refuse for how long.
#[derive(Clone, Debug)]
struct Told {
    windows: Arc<Windows>,
    waits: [Option<Duration>; MAX_WINDOWS],
    fields: Fields,
}

/// Why a limit refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LimitedKind {
    /// The quota is used up: 429.
    QuotaExceeded,
    /// The caller is banned, for having been refused too often: 429.
    Banned,
    /// The request costs more than the limit ever allows: 429 without
    /// `Retry-After`.
    TooCostly,
    /// The counters cannot be asked: 503.
    Unavailable,
}

/// How long to wait for counters that cannot be asked.
const BACK_SOON: Duration = Duration::from_secs(1);

impl Limited {
    pub(super) fn quota(
        windows: Arc<Windows>,
        waits: [Option<Duration>; MAX_WINDOWS],
        fields: Fields,
    ) -> Self {
        Self {
            kind: LimitedKind::QuotaExceeded,
            wait: waits.iter().copied().max().flatten(),
            told: Box::new(Told {
                windows,
                waits,
                fields,
            }),
        }
    }

    pub(super) fn other(kind: LimitedKind, wait: Option<Duration>, windows: Arc<Windows>) -> Self {
        Self {
            kind,
            wait: wait.or((kind == LimitedKind::Unavailable).then_some(BACK_SOON)),
            told: Box::new(Told {
                windows,
                waits: [None; MAX_WINDOWS],
                fields: Fields::None,
            }),
        }
    }

    /// Returns why.
    #[must_use]
    pub fn kind(&self) -> LimitedKind {
        self.kind
    }

    /// Returns how long to wait until one more such request is allowed, or 0 if
    /// waiting does not help.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait.unwrap_or_default()
    }

    /// Returns the names of the windows that refuse.
    pub fn violated(&self) -> impl Iterator<Item = &str> {
        let each = self.told.windows.list().iter().zip(self.told.waits);
        each.filter_map(|(window, wait)| wait.is_some().then_some(window.name.as_str()))
    }

    /// Turns the error into a 429 that says how long to wait, or a 503 if
    /// nobody could count.
    #[must_use]
    pub fn into_rejection(self) -> Rejection {
        let too_many = || Rejection::new(StatusCode::TOO_MANY_REQUESTS, RejectionCode::RateLimited);
        let rejection = match self.kind {
            LimitedKind::QuotaExceeded => too_many()
                .type_uri("https://iana.org/assignments/http-problem-types#quota-exceeded")
                .detail("too many requests; wait and try again")
                .member("violated-policies", self.violated().collect::<Vec<_>>()),
            LimitedKind::Banned => too_many()
                .kind("banned")
                .type_uri("https://iana.org/assignments/http-problem-types#abnormal-usage-detected")
                .detail("refused for a while, after too many refused requests"),
            LimitedKind::TooCostly => too_many()
                .kind("too-costly")
                .type_uri("https://iana.org/assignments/http-problem-types#quota-exceeded")
                .detail("the request costs more than the whole limit; ask for less at once"),
            LimitedKind::Unavailable => Rejection::new(
                StatusCode::SERVICE_UNAVAILABLE,
                RejectionCode::TemporarilyUnavailable,
            )
            .kind("limits-unavailable")
            .type_uri("https://iana.org/assignments/http-problem-types#temporary-reduced-capacity")
            .detail("try again in a moment"),
        };
        let mut headers = HeaderMap::new();
        if self.kind == LimitedKind::QuotaExceeded {
            // What is left of a window that did not refuse is not told: it was
            // not asked for.
            let says = self.told.waits.map(|wait| {
                let wait = Some(wait?);
                Some(Say { left: 0, wait })
            });
            fields::add(self.told.fields, &self.told.windows, &says, &mut headers);
        }
        let rejection = rejection.headers(headers);
        match self.wait {
            Some(wait) => rejection.retry_after(wait),
            None => rejection,
        }
    }
}

/// All problems of a configuration of this module.
pub type ConfigError = Problems<Problem>;

/// A setting that cannot work.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// A rule for bans that cannot be followed.
    #[error("a ban comes after 1 or more refusals within up to 31 d, and lasts up to 31 d")]
    Ban,
    /// Refusals that are counted strictly, in a table that cannot.
    #[error(
        "refusals before a ban are counted strictly, which Memory::Strict cannot keep; use Memory::Forgetful, or a quota that is not strict"
    )]
    StrictBan,
    /// The table would hold too few clients, or take too much memory.
    #[error("a capacity of {capacity} clients is outside 1,024 to 67,108,864; 262,144 take 4 MiB")]
    Capacity {
        /// The capacity as given.
        capacity: usize,
    },
    /// A name that no cookie has.
    #[error("{name:?} is no cookie name; write it without spaces, quotes and separators")]
    Cookie {
        /// The name as given.
        name: String,
    },
    /// An exempt network that cannot be read.
    #[error("exempt network {entry:?} is no address or network; write 192.0.2.7 or 192.0.2.0/24")]
    Exempt {
        /// The network as given.
        entry: String,
    },
    /// A network of all addresses: the limit would be none.
    #[error("exempt network {entry:?} covers every address, so nobody would be limited")]
    ExemptsEverybody {
        /// The network as given.
        entry: String,
    },
    /// The combination is empty, or holds combinations.
    #[error("a combined key needs one or more keys, none of them combined itself")]
    Key,
    /// A guard does not limit what it is there for.
    #[error("a login guard needs a quota by account, for instance .account(\"10/15m\".parse()?)")]
    NoQuota,
    /// Windows share a name.
    #[error("two windows are named {name:?}; give each a name of its own")]
    RepeatedName {
        /// The name as given.
        name: String,
    },
    /// A strict quota in a memory that cannot keep it.
    #[error(
        "window {name:?} is strict, which Memory::Strict cannot keep; use Memory::Forgetful, or a quota that is not strict"
    )]
    StrictQuota {
        /// The name of the window.
        name: String,
    },
    /// A setting of devices without a secret that signs, or without a lifetime.
    #[error("device cookies need .devices(&secret) and a lifetime of a second or more")]
    Devices,
    /// A secret that could be guessed.
    #[error("a secret for device cookies needs 32 random bytes or more")]
    WeakSecret,
    /// There are too many windows, or none.
    #[error("{windows} windows are not 1 to 4; two, a short and a long one, are usual")]
    Windows {
        /// How many there are.
        windows: usize,
    },
    /// The name cannot stand in the `RateLimit` field.
    #[error("limit name {name:?} must be 1 to 64 letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name as given.
        name: String,
    },
}
