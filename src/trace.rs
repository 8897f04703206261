//! The only place that knows whether events are wanted.

use crate::rejection::Refusal;

/// Says that a request was refused. Never carries what a client wrote.
pub(crate) fn refused(refusal: &Refusal, request_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_rampart",
        policy = refusal.policy(),
        code = refusal.code().as_str(),
        kind = refusal.kind(),
        request_id,
        "request refused"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (refusal, request_id);
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
