//! What a genuine refresh token means, given what the store knows. A pure
//! state machine: no clock, no store, no token text.

use std::time::Duration;

use super::store::{EndReason, SessionRecord};
use crate::clock::UnixSeconds;

/// How many times a superseded token may be presented within the grace period.
/// The answer is the same each time, so this bounds noise, not theft.
pub(super) const MAX_REPLAYS: u32 = 256;

/// The meaning of a presented token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presentation {
    /// It is the current one: rotate.
    Current,
    /// The session is older than its absolute lifetime.
    Expired,
    /// It is newer than the store: a restored backup, perhaps.
    FromTheFuture,
    /// Nobody used the session for too long.
    IdleTimeout,
    /// It was superseded a moment ago: answer with the same successor.
    Replay,
    /// It was superseded for good: end the session.
    Reuse,
    /// The session was ended.
    Revoked(EndReason),
    /// The store does not know the session.
    Unknown,
}

pub(super) fn classify(
    generation: u64,
    record: Option<&SessionRecord>,
    now: UnixSeconds,
    grace: Duration,
) -> Presentation {
    let Some(record) = record else {
        return Presentation::Unknown;
    };
    if let Some(reason) = record.ended {
        return Presentation::Revoked(reason);
    }
    if now >= record.absolute_until {
        return Presentation::Expired;
    }
    if now >= record.idle_until {
        return Presentation::IdleTimeout;
    }
    if generation > record.generation {
        return Presentation::FromTheFuture;
    }
    if generation == record.generation {
        return Presentation::Current;
    }
    let superseded_once = generation + 1 == record.generation;
    if superseded_once && now.since(record.rotated_at) <= grace && record.replays < MAX_REPLAYS {
        return Presentation::Replay;
    }
    Presentation::Reuse
}
