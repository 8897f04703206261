//! Who tried what they may not do.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tower_rampart::identity::Principal;
use tower_rampart::rate_limit::{RateLimitLayer, RateLimiter};
use tower_rampart::rejection::Refusal;

use super::{Audit, Caller, Entry};

/// How many refusals of one account are written down: rows are kept for ever, and who has
/// been told no a few times has been noticed.
const ROWS: &str = "10/10m";

/// How many accounts are told apart; few are refused anything.
const ACCOUNTS: usize = 4_096;

/// Where refusals are written down.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    audit: Audit,
    rows: RateLimiter,
}

impl Refusals {
    pub(crate) fn new(audit: Audit) -> Self {
        let layer = ROWS.parse().map(|rows| {
            let layer = RateLimitLayer::builder("authz_fail", rows);
            layer.capacity(ACCOUNTS).build()
        });
        let layer = layer.expect("a quota").expect("a limit that works");
        Self {
            audit,
            rows: layer.limiter(),
        }
    }
}

/// Notes that somebody who is signed in was refused what another role, or a sign-in of the
/// last minutes, is needed for.
pub(crate) async fn note_refusals(
    State(refusals): State<Refusals>,
    principal: Principal,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let refusal = response.extensions().get::<Refusal>();
    if let Some(refusal) = refusal.filter(|refusal| refusal.policy() == "require")
        && refusals
            .rows
            .check(principal.subject().as_bytes())
            .await
            .is_ok()
    {
        let route = route.as_ref().map_or("", MatchedPath::as_str);
        let entry = Entry::warn("authz_fail")
            .actor(principal.subject())
            .session(principal.session())
            .from(&caller)
            .detail("route", format!("{method} {route}"))
            .detail("reason", refusal.kind());
        refusals.audit.note(entry);
    }
    response
}
