//! What an audit log, or the owner of an account, wants to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::clock::UnixSeconds;
use crate::jwt::EndReason;

/// Something that happened to a session. Holds no token.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SecurityEvent {
    /// What happened.
    pub kind: SecurityEventKind,
    /// Whose session; empty if it was everybody's.
    pub subject: String,
    /// Which session, unless it was several.
    pub sid: Option<String>,
    /// Why, for what was revoked.
    pub reason: Option<EndReason>,
    /// When.
    pub at: UnixSeconds,
}

/// Kinds of events. The names are those of the OWASP Logging Vocabulary where
/// it has one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SecurityEventKind {
    /// A session started.
    SessionCreated,
    /// A session that was over was used.
    SessionUseAfterExpire,
    /// A session's tokens were renewed.
    SessionRenewed,
    /// A refresh token was renewed a second time, since the first answer seemed
    /// lost; a thief who was faster looks the same at first.
    TokenRepeated,
    /// A superseded refresh token was used: two parties hold the session's
    /// tokens. The session was ended.
    TokenReuse,
    /// One session, or several, were ended.
    TokenRevoked,
}

impl SecurityEventKind {
    /// Returns the name for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionCreated => "session_created",
            Self::SessionUseAfterExpire => "session_use_after_expire",
            Self::SessionRenewed => "session_renewed",
            Self::TokenRepeated => "authn_token_repeated",
            Self::TokenReuse => "authn_token_reuse",
            Self::TokenRevoked => "authn_token_revoked",
        }
    }
}

/// The end of the channel that the issuer writes to.
#[derive(Clone, Debug)]
pub struct SecurityEventSender {
    sender: mpsc::Sender<SecurityEvent>,
    dropped: Arc<AtomicU64>,
}

/// The end of the channel that the application reads.
#[derive(Debug)]
pub struct SecurityEventReceiver {
    receiver: mpsc::Receiver<SecurityEvent>,
    dropped: Arc<AtomicU64>,
}

/// Opens a channel for at most so many events that nobody has read yet. When
/// it is full, further ones are counted and dropped: no request waits for a log.
/// The last quarter is for tokens that were repeated, reused or revoked.
///
/// # Panics
///
/// If `capacity` is 0.
#[must_use]
pub fn security_events(capacity: usize) -> (SecurityEventSender, SecurityEventReceiver) {
    let (sender, receiver) = mpsc::channel(capacity);
    let dropped = Arc::<AtomicU64>::default();
    (
        SecurityEventSender {
            sender,
            dropped: Arc::clone(&dropped),
        },
        SecurityEventReceiver { receiver, dropped },
    )
}

impl SecurityEventSender {
    pub(super) fn send(&self, event: SecurityEvent) {
        use SecurityEventKind as Kind;
        // Whoever can cause events of these kinds at will must not crowd out the
        // others.
        let routine = matches!(
            event.kind,
            Kind::SessionCreated | Kind::SessionRenewed | Kind::SessionUseAfterExpire
        );
        let reserved = self.sender.max_capacity() / 4;
        if routine && self.sender.capacity() <= reserved || self.sender.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl SecurityEventReceiver {
    /// Waits for the next event; `None` when every issuer is gone.
    pub async fn recv(&mut self) -> Option<SecurityEvent> {
        self.receiver.recv().await
    }

    /// Returns the next event if there is one.
    pub fn try_recv(&mut self) -> Option<SecurityEvent> {
        self.receiver.try_recv().ok()
    }

    /// Returns how many events were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
