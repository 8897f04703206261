//! The layer that renews tokens in cookies.

use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service};
use tower_rampart::clock::ManualClock;
use tower_rampart::identity::Principal;
use tower_rampart::jwt::Source;
use tower_rampart::session::{
    EndReason, IssuedTokens, MemoryStore, NewSession, SessionCookies, SessionLayer, TokenIssuer,
};

use super::watched::{Fault, Watched};
use super::{clock, issuer_with};
use crate::support::{Answer, Body, call, request};

/// `/me` answers with the subject; `/logout` clears the cookies itself.
fn app(
    issuer: &TokenIssuer,
    clock: &ManualClock,
) -> impl Service<
    Request<Body>,
    Response = Response<
        impl http_body::Body<Data = bytes::Bytes, Error = std::convert::Infallible>,
    >,
    Error = std::convert::Infallible,
> + Clone {
    let cookies = SessionCookies::default();
    let source = Source::Cookie(cookies.access_name().to_owned());
    let jwt = issuer.jwt_layer().sources([Source::Bearer, source]);
    let jwt = jwt.clock(clock.clone()).build().expect("valid");
    let handler = tower::service_fn(|request: Request<Body>| async move {
        let subject = request
            .extensions()
            .get::<Principal>()
            .expect("a principal")
            .subject()
            .to_owned();
        let mut response = Response::new(Body::from(subject));
        if request.uri().path() == "/reauth" {
            let cookie = http::HeaderValue::from_static("__Host-access=fresh; Path=/; Secure");
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        if request.uri().path() == "/logout" {
            for cookie in SessionCookies::default().clear() {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
        }
        Ok(response)
    });
    SessionLayer::new(issuer.clone(), cookies).layer(jwt.layer(handler))
}

fn cookie_header(tokens: &IssuedTokens) -> String {
    format!(
        "theme=dark; __Host-access={}; __Host-refresh={}",
        tokens.access_token().as_str(),
        tokens.refresh_token()
    )
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer
        .head
        .headers
        .get_all(SET_COOKIE)
        .iter()
        .map(|value| value.to_str().expect("ASCII"))
        .collect()
}

async fn get(issuer: &TokenIssuer, clock: &ManualClock, path: &str, cookies: &str) -> Answer {
    call(
        app(issuer, clock),
        request("GET", path, &[(COOKIE.as_str(), cookies)]),
    )
    .await
}

#[tokio::test]
async fn an_expired_access_cookie_is_renewed_on_the_way() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    let answer = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(
        (answer.status(), set_cookies(&answer).len()),
        (StatusCode::OK, 0),
        "still good"
    );

    clock.advance(Duration::from_secs(700));
    let answer = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(
        (answer.status(), &answer.body[..]),
        (StatusCode::OK, &b"ann"[..])
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let set = set_cookies(&answer);
    assert!(
        set[0].starts_with("__Host-access=ey") && set[1].starts_with("__Host-refresh=rt1_"),
        "{set:?}"
    );
    assert!(
        set[0].ends_with("; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"),
        "{}",
        set[0]
    );
    assert!(
        set[1].ends_with("; Max-Age=1209600; Path=/; Secure; HttpOnly; SameSite=Lax"),
        "{}",
        set[1]
    );

    // Five tabs with the same old cookies get the same new ones.
    for _ in 0..5 {
        let again = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
        assert_eq!(set_cookies(&again)[1], set[1]);
    }
}

#[tokio::test]
async fn a_token_that_was_renewed_on_the_way_has_not_reached_anybody() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    clock.advance(Duration::from_secs(700));
    // The handler sees the new access token, and the browser no answer.
    let lost = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(lost.status(), StatusCode::OK);
    tokio::task::yield_now().await;
    clock.advance(Duration::from_secs(60));
    let again = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(set_cookies(&again)[1], {
        let mut first = set_cookies(&lost)[1].to_owned();
        first = first.replace("Max-Age=1209600", "Max-Age=1209540");
        first
    });
}

#[tokio::test]
async fn a_nearly_expired_access_cookie_is_renewed_early() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    for (elapsed, renewed) in [(480, 0), (1, 2)] {
        clock.advance(Duration::from_secs(elapsed));
        let answer = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
        assert_eq!(
            (answer.status(), set_cookies(&answer).len()),
            (StatusCode::OK, renewed)
        );
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_refused_and_forgotten() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    issuer
        .end_by_refresh_token(tokens.refresh_token(), EndReason::Logout)
        .await
        .expect("ended");
    let answer = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (StatusCode::UNAUTHORIZED, "session_revoked")
    );

    clock.advance(Duration::from_secs(700));
    let answer = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (StatusCode::UNAUTHORIZED, "session_revoked")
    );
    assert_eq!(answer.json()["reason"], "logout");
    assert!(issuer.revocations().contains(&tokens.session().sid));
    let set = set_cookies(&answer);
    assert!(
        set.len() == 2
            && set
                .iter()
                .all(|cookie| cookie.contains("=; Max-Age=0; Path=/; Secure; HttpOnly")),
        "{set:?}"
    );
}

#[tokio::test]
async fn a_handler_that_signs_out_is_not_overruled() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    clock.advance(Duration::from_secs(700));
    let answer = get(&issuer, &clock, "/logout", &cookie_header(&tokens)).await;
    let set = set_cookies(&answer);
    assert!(
        set.len() == 2 && set.iter().all(|cookie| cookie.contains("=; Max-Age=0;")),
        "{set:?}"
    );
}

#[tokio::test]
async fn a_bearer_token_or_a_prefetch_renews_nothing() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    clock.advance(Duration::from_secs(700));
    let refresh = format!("__Host-refresh={}", tokens.refresh_token());
    let bearer = format!("Bearer {}", tokens.access_token().as_str());
    let with_bearer = request(
        "GET",
        "/me",
        &[("cookie", &refresh), ("authorization", &bearer)],
    );
    assert_eq!(
        call(app(&issuer, &clock), with_bearer).await.code(),
        "token_expired"
    );
    for header in [("sec-purpose", "prefetch"), ("upgrade", "websocket")] {
        let asked = request("GET", "/me", &[("cookie", &refresh), header]);
        let answer = call(app(&issuer, &clock), asked).await;
        assert_eq!(answer.code(), "token_missing", "{header:?}");
    }
}

#[tokio::test]
async fn an_outage_of_the_store_signs_nobody_out() {
    let clock = clock();
    let store = Watched::new(Arc::new(MemoryStore::new()));
    let issuer = issuer_with(store.clone(), &clock).build().expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    store.then([Fault::Before; 10]);
    clock.advance(Duration::from_secs(500));
    let answer = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(
        answer.status(),
        StatusCode::OK,
        "the access token still holds"
    );

    clock.advance(Duration::from_secs(200));
    let answer = get(&issuer, &clock, "/me", &cookie_header(&tokens)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (answer.header("retry-after"), set_cookies(&answer).len()),
        (Some("1"), 0)
    );
    assert_eq!(answer.header("www-authenticate"), None);
}

#[test]
fn cookie_names_that_a_sibling_could_plant_are_problems() {
    assert!(SessionCookies::named("__Host-a", "__Host-b").is_ok());
    for (access, refresh) in [
        ("access", "__Host-b"),
        ("__Host-a", "__Host-a"),
        ("__Host-a b", "__Host-c"),
        ("", "__Host-b"),
    ] {
        assert!(
            SessionCookies::named(access, refresh).is_err(),
            "{access} {refresh}"
        );
    }
}

#[tokio::test]
async fn a_handler_that_writes_only_the_access_cookie_keeps_the_new_refresh_token() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    clock.advance(Duration::from_secs(700));
    let answer = get(&issuer, &clock, "/reauth", &cookie_header(&tokens)).await;
    let set = set_cookies(&answer);
    assert!(
        set.len() == 2
            && set[0].starts_with("__Host-access=fresh")
            && set[1].starts_with("__Host-refresh=rt1_"),
        "{set:?}"
    );
}

#[tokio::test]
async fn a_foreign_page_cannot_use_up_a_refresh_token() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    clock.advance(Duration::from_secs(700));
    let cookie = cookie_header(&tokens);
    for foreign in [
        &[
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "no-cors"),
        ][..],
        &[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
        ],
        // A frame, which the page around it may take away.
        &[
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ],
        // A browser that does not say what it does, of a page that is not listed.
        &[("origin", "https://evil.example")],
    ] {
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(foreign);
        let answer = call(app(&issuer, &clock), request("GET", "/me", &headers)).await;
        assert_eq!(
            (answer.code().as_str(), set_cookies(&answer).len()),
            ("token_expired", 0),
            "{foreign:?}"
        );
    }
    let own = [
        ("cookie", cookie.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
    ];
    let answer = call(app(&issuer, &clock), request("GET", "/me", &own)).await;
    assert_eq!(
        (answer.status(), set_cookies(&answer).len()),
        (StatusCode::OK, 2)
    );
    // The user follows a link of another site.
    clock.advance(Duration::from_secs(700));
    let cookie = set_cookies(&answer).join("; ");
    let link = [
        ("cookie", cookie.as_str()),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let answer = call(app(&issuer, &clock), request("GET", "/me", &link)).await;
    assert_eq!(set_cookies(&answer).len(), 2);
}

#[tokio::test]
async fn an_early_renewal_waits_for_a_request_that_may_be_repeated() {
    let clock = clock();
    let issuer = issuer_with(MemoryStore::new(), &clock)
        .build()
        .expect("valid");
    let tokens = issuer.start(NewSession::of("ann")).await.expect("started");
    clock.advance(Duration::from_secs(500));
    for (method, renewed) in [("POST", 0), ("GET", 2)] {
        let request = request(method, "/me", &[("cookie", &cookie_header(&tokens))]);
        let answer = call(app(&issuer, &clock), request).await;
        assert_eq!(
            (answer.status(), set_cookies(&answer).len()),
            (StatusCode::OK, renewed),
            "{method}"
        );
    }
}
