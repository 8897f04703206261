//! A browser's session in cookies: signed in, renewed on the way, stolen, ended.
//!
//! Run with `cargo run --example refresh_cookie --features full`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Request, header};
use tower::ServiceExt;
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::identity::Principal;
use tower_rampart::jwt::Source;
use tower_rampart::secret::Secret;
use tower_rampart::session::{MemoryStore, NewSession, SessionCookies, SessionLayer, TokenIssuer};
use tower_rampart::stack::Rampart;

/// Walks through the life of a session, with a clock moved by hand.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::at(UnixSeconds::new(1_800_000_000));
    let issuer = TokenIssuer::builder(MemoryStore::new())
        .secret(&Secret::random(48))
        .issuer("https://api.example")
        .audience("api")
        .clock(clock.clone())
        .build()?;
    let cookies = SessionCookies::default();
    let source = Source::Cookie(cookies.access_name().to_owned());
    let jwt = issuer.jwt_layer().sources([source]);
    let rampart = Rampart::builder()
        .csrf(CsrfLayer::builder().build()?)
        .session(SessionLayer::new(issuer.clone(), cookies))
        .jwt(jwt.build()?)
        .build()?;
    let app: Router = Router::new().route("/me", get(me)).layer(rampart);

    let tokens = issuer
        .start(NewSession::of("ann").client("Firefox on Linux"))
        .await?;
    let cookie = format!(
        "__Host-access={}; __Host-refresh={}",
        tokens.access_token().as_str(),
        tokens.refresh_token()
    );
    for (minutes, expected, renewed) in [(0, 200, 0), (11, 200, 2)] {
        clock.advance(Duration::from_secs(minutes * 60));
        let request = Request::get("/me")
            .header("cookie", &cookie)
            .body(axum::body::Body::empty())?;
        let answer = app.clone().oneshot(request).await?;
        let set = answer.headers().get_all(header::SET_COOKIE).iter().count();
        println!(
            "after {minutes} min: {}, {set} new cookies",
            answer.status()
        );
        assert_eq!((answer.status().as_u16(), set), (expected, renewed));
    }
    // Nobody has used the new cookies yet, so the old one could be shown once
    // more: the answer may have been lost. From the first use on it cannot.
    let tokens = issuer.refresh(tokens.refresh_token()).await?;
    issuer.refresh(tokens.refresh_token()).await?;
    // A thief who shows the old refresh token later ends the session.
    clock.advance(Duration::from_secs(11 * 60));
    let request = Request::get("/me")
        .header("cookie", &cookie)
        .body(axum::body::Body::empty())?;
    let answer = app.oneshot(request).await?;
    println!("the old cookie again: {}", answer.status());
    assert_eq!(answer.status().as_u16(), 401);
    assert!(issuer.list("ann").await?.is_empty());
    Ok(())
}

async fn me(principal: Principal) -> String {
    principal.subject().to_owned()
}
