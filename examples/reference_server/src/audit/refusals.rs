//! Who tried what they may not do.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tower_rampart::identity::Principal;
use tower_rampart::rejection::Refusal;

use super::{Caller, Entry};
use crate::app::App;

/// Notes that somebody who is signed in was refused what another role, or a sign-in of the
/// last minutes, is needed for.
pub(crate) async fn note_refusals(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let refusal = response.extensions().get::<Refusal>();
    if let Some(refusal) = refusal.filter(|refusal| refusal.policy() == "require") {
        let route = route.as_ref().map_or("", MatchedPath::as_str);
        let entry = Entry::warn("authz_fail")
            .actor(principal.subject())
            .session(principal.session())
            .from(&caller)
            .detail("route", format!("{method} {route}"))
            .detail("reason", refusal.kind());
        app.audit.note(entry);
    }
    response
}
