//! What a genuine refresh token means, given what the store knows. A pure
//! state machine: no clock, no store, no token text.

use std::time::Duration;

use super::store::{Receipt, SessionRecord};
use crate::clock::UnixSeconds;
use crate::jwt::EndReason;

/// How many times a superseded token may be presented within the grace period.
/// The answer is the same each time, so this bounds noise, not theft.
pub(super) const MAX_REPLAYS: u32 = 256;

/// For how long a superseded token is not reuse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// In any case: two tabs, a retry.
    pub(super) grace: Duration,
    /// Once, as long as nobody has used its successor: an answer that was lost.
    pub(super) lost_reply: Duration,
}

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
    /// The answer that superseded it never arrived: give it once more.
    LostReply,
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
    windows: Windows,
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
    // Subtracted, since the sum overflows for a number that a key's thief made up.
    if record.generation - generation > 1 {
        return Presentation::Reuse;
    }
    let age = now.since(record.rotated_at);
    if age <= windows.grace && record.replays < MAX_REPLAYS {
        return Presentation::Replay;
    }
    if age <= windows.lost_reply && record.receipt == Receipt::Unconfirmed {
        return Presentation::LostReply;
    }
    Presentation::Reuse
}
