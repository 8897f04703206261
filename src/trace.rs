//! The only place that knows whether events are wanted.

use crate::rejection::Refusal;
#[cfg(feature = "upload")]
use crate::rejection::Rejection;

/// Who sent a request, as far as it is known where it is told.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) request_id: &'a str,
    /// The subject of a token that was verified.
    pub(crate) subject: Option<&'a str>,
    pub(crate) address: Option<&'a dyn std::fmt::Display>,
}

/// Says that a request was refused. Never carries what a client wrote.
pub(crate) fn refused(refusal: &Refusal, sender: Sender<'_>) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_rampart",
        policy = refusal.policy(),
        code = refusal.code().as_str(),
        kind = refusal.kind(),
        request_id = sender.request_id,
        subject = sender.subject,
        address = sender.address.map(tracing::field::display),
        "request refused"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (refusal, sender.request_id, sender.subject, sender.address);
}

/// Says that a request would have been refused, were the policy enforced.
#[cfg(feature = "upload")]
pub(crate) fn let_through(policy: &'static str, rejection: &Rejection, request_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "tower_rampart",
        policy,
        code = rejection.code().as_str(),
        kind = rejection.kind_name(),
        request_id,
        "request let through that breaks a rule"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (policy, rejection, request_id);
}

/// Says that something works worse than it should.
pub(crate) fn degraded(what: &'static str, detail: &dyn std::fmt::Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_rampart", what, detail = ?detail.to_string(), "degraded");
    #[cfg(not(feature = "tracing"))]
    let _ = (what, detail);
}

/// Says that the service failed to answer.
pub(crate) fn failed(refusal: &Refusal, request_id: &str, detail: &dyn std::fmt::Display) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "tower_rampart",
        policy = refusal.policy(),
        code = refusal.code().as_str(),
        kind = refusal.kind(),
        request_id,
        // Quoted: what a client wrote may be in it.
        detail = ?detail.to_string(),
        "service failed"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (refusal, request_id, detail);
}
