//! Access tokens in the `Authorization` header, in front of an axum router.
//!
//! Run with `cargo run --example jwt_bearer --features full`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;

use axum::Router;
use axum::routing::get;
use http::{Request, StatusCode};
use serde_json::json;
use tower::ServiceExt;
use tower_rampart::clock::{Clock, SystemClock};
use tower_rampart::identity::Principal;
use tower_rampart::jwt::{JwtLayer, KeySet, Verifier};
use tower_rampart::secret::Secret;

/// Sends a request without a token, one with a forged one, and one with a good one.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    // A server reads this from its environment; see `reference-server gen-secret`.
    let keys = KeySet::from_secret(&Secret::random(48))?;
    let verifier = Verifier::builder(keys.clone())
        .issuer("https://api.example")
        .audience("notes")
        .build()?;
    let layer = JwtLayer::builder(verifier)
        .require_scope("notes:read")
        .build()?;
    let app = Router::new().route("/notes", get(notes)).layer(layer);

    let now = SystemClock.unix_now().as_u64();
    let claims = json!({
        "iss": "https://api.example", "aud": "notes", "sub": "ann", "scope": "notes:read", "iat": now, "exp": now + 600,
    });
    let token = keys.sign(
        "at+jwt",
        claims.as_object().ok_or("claims are an object")?,
        SystemClock.unix_now(),
    )?;
    let forged = format!("{}x", &token[..token.len() - 1]);

    for (credentials, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(forged), StatusCode::UNAUTHORIZED),
        (Some(token), StatusCode::OK),
    ] {
        let mut request = Request::get("/notes");
        if let Some(token) = &credentials {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = app
            .clone()
            .oneshot(request.body(axum::body::Body::empty())?)
            .await?;
        println!(
            "{} {:?}",
            answer.status(),
            answer.headers().get("www-authenticate")
        );
        assert_eq!(answer.status(), expected);
    }
    Ok(())
}

async fn notes(principal: Principal) -> String {
    format!("notes of {}", principal.subject())
}
