//! What a key is good for, as a function of time: every process with the same
//! keys and the same clock comes to the same answer, without coordination.

use std::time::Duration;

use crate::clock::UnixSeconds;

/// What a key is good for at some time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum KeyState {
    /// Signs and verifies.
    Active,
    /// Must not be believed any more.
    Compromised,
    /// Published, and verifies; signs later.
    Next,
    /// Every token it signed has expired.
    Retired,
    /// Verifies what it signed earlier.
    Verifying,
}

impl KeyState {
    /// Tells whether a token signed by the key is believed.
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self, Self::Active | Self::Next | Self::Verifying)
    }

    /// Returns the state's name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Compromised => "compromised",
            Self::Next => "next",
            Self::Retired => "retired",
            Self::Verifying => "verifying",
        }
    }
}

/// The times of one key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct KeyTimes {
    /// `None` if the key never signs.
    pub(super) sign_from: Option<UnixSeconds>,
    /// When the next key takes over; filled in by [`settle`].
    pub(super) sign_until: Option<UnixSeconds>,
    pub(super) verify_until: Option<UnixSeconds>,
    pub(super) compromised: bool,
}

impl KeyTimes {
    pub(super) fn state(&self, now: UnixSeconds) -> KeyState {
        if self.compromised {
            return KeyState::Compromised;
        }
        if self.verify_until.is_some_and(|until| now >= until) {
            return KeyState::Retired;
        }
        match (self.sign_from, self.sign_until) {
            (None, _) => KeyState::Verifying,
            (Some(from), _) if now < from => KeyState::Next,
            (Some(_), Some(until)) if now >= until => KeyState::Verifying,
            (Some(_), _) => KeyState::Active,
        }
    }
}

/// Lets each key sign until the next one does, and verify until the last
/// token it can have signed is over. A compromised key signs nothing, so its
/// predecessor signs on.
pub(super) fn settle(keys: &mut [KeyTimes], token_lifetime: Option<Duration>) {
    let starts: Vec<_> = keys
        .iter()
        .filter(|key| !key.compromised)
        .filter_map(|key| key.sign_from)
        .collect();
    for key in keys {
        let Some(from) = key.sign_from else { continue };
        key.sign_until = starts.iter().copied().filter(|start| *start > from).min();
        // Also without a successor: one that was revoked leaves its predecessor
        // to sign on, without an end.
        let after = key.sign_until.zip(token_lifetime);
        key.verify_until = after.map(|(until, lifetime)| until.plus(lifetime));
    }
}
