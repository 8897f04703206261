//! When it is worth asking an issuer for a key that a token names.
//!
//! Anybody can send a token that names any key, so what a token says must not
//! make this service ask more than now and then.

use std::collections::HashMap;
use std::time::Duration;

/// The time between two fetches on behalf of unknown keys.
const PAUSE: Duration = Duration::from_secs(30);

/// The time between two attempts while there are no keys at all.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(5);

/// How long a key is remembered that the issuer did not have.
const UNKNOWN: Duration = Duration::from_secs(60);

/// The most unknown keys that are remembered.
const MAX_UNKNOWN: usize = 1_000;

/// What to do about an unknown key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Fetch, and wait.
    Fetch,
    /// The issuer was asked, or was asked a moment ago.
    GiveUp,
    /// Somebody is fetching; wait for that.
    Wait,
}

/// What was asked, and when, on a clock that never goes back.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    fetching: bool,
    asked: Option<Duration>,
    unknown: HashMap<String, Duration>,
}

impl Lookups {
    /// Decides about a key that is not in the set; `loaded` tells whether there
    /// are any.
    pub(super) fn next(&mut self, kid: &str, loaded: bool, now: Duration) -> Next {
        let until = self.unknown.get(kid);
        if loaded && until.is_some_and(|until| now < *until) {
            return Next::GiveUp;
        }
        if self.fetching {
            return Next::Wait;
        }
        let pause = if loaded { PAUSE } else { PAUSE_WITHOUT_KEYS };
        if self.asked.is_some_and(|asked| now < asked + pause) {
            return Next::GiveUp;
        }
        self.asked = Some(now);
        self.fetching = true;
        Next::Fetch
    }

    /// Notes that a fetch is over.
    pub(super) fn ended(&mut self) {
        self.fetching = false;
    }

    /// Notes that the issuer does not have a key.
    pub(super) fn note_unknown(&mut self, kid: String, now: Duration) {
        if self.unknown.len() >= MAX_UNKNOWN {
            self.unknown.retain(|_, until| now < *until);
        }
        if self.unknown.len() < MAX_UNKNOWN {
            self.unknown.insert(kid, now + UNKNOWN);
        }
    }
}

#[cfg(test)]
mod tests;
