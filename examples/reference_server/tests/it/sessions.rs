//! Sessions in cookies and lists.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, refresh, refused, text};

#[tokio::test]
async fn cookies_carry_a_browser_and_are_renewed_on_the_way() {
    let server = Server::start_with(&[("ACCESS_TTL", "1s")]);
    server.register("ann@example.com").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let login = server.post("/api/auth/login", body).await;
    assert_eq!(login.headers()["cache-control"], "no-store");
    let cookies: Vec<_> = login
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().expect("ASCII").to_owned())
        .collect();
    assert!(
        cookies.len() == 3
            && cookies
                .iter()
                .all(|cookie| cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"))
    );
    // The browser is known to the account for half a year.
    assert!(
        cookies[2].starts_with("__Host-device=") && cookies[2].ends_with("; Max-Age=15552000"),
        "{}",
        cookies[2]
    );
    let login: Value = login.json().await.expect("JSON");
    assert!(
        login.get("access_token").is_none(),
        "scripts never see a token"
    );

    // Without the access cookie, as if it had expired.
    let refresh = cookies[1].split(';').next().expect("a pair");
    let me = server
        .request(Method::GET, "/api/me")
        .header("cookie", refresh)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (
            me.status(),
            me.headers().get_all("set-cookie").iter().count()
        ),
        (StatusCode::OK, 2)
    );
    let renewed = me
        .headers()
        .get_all("set-cookie")
        .iter()
        .nth(1)
        .expect("two")
        .to_str()
        .expect("ASCII")
        .to_owned();
    // Another tab with the same old cookie gets the same new one.
    let tab = server
        .request(Method::GET, "/api/me")
        .header("cookie", refresh)
        .send()
        .await
        .expect("an answer");
    let twin = tab
        .headers()
        .get_all("set-cookie")
        .iter()
        .nth(1)
        .expect("two")
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert_eq!(renewed, twin);
    // A sign-in ends the session that was presented.
    let renewed = renewed.split(';').next().expect("a pair");
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let login = server
        .request(Method::POST, "/api/auth/login")
        .header("cookie", renewed)
        .json(&body)
        .send()
        .await;
    assert_eq!(login.expect("an answer").status(), StatusCode::OK);
    let old = server
        .request(Method::GET, "/api/me")
        .header("cookie", renewed)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        old.headers().get_all("set-cookie").iter().count(),
        2,
        "both cookies are cleared"
    );
    refused(old, 401, "session_revoked").await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let (phone, laptop) = (
        server.login("ann@example.com").await,
        server.login("ann@example.com").await,
    );
    let (phone, laptop) = (text(&phone, "access_token"), text(&laptop, "access_token"));
    let stranger = server.token("bob@example.com").await;

    let sessions: Value = server
        .get("/api/auth/sessions", &laptop)
        .await
        .json()
        .await
        .expect("JSON");
    let sessions = sessions.as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    assert_eq!(
        sessions
            .iter()
            .filter(|session| session["current"] == true)
            .count(),
        1
    );
    let other = sessions
        .iter()
        .find(|session| session["current"] == false)
        .expect("the phone");
    let path = format!("/api/auth/sessions/{}", text(other, "sid"));

    let foreign = server
        .request(Method::DELETE, &path)
        .bearer_auth(&stranger)
        .send()
        .await
        .expect("an answer");
    refused(foreign, 404, "not_found").await;
    let ended = server
        .request(Method::DELETE, &path)
        .bearer_auth(&laptop)
        .send()
        .await
        .expect("an answer");
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    refused(server.get("/api/me", &phone).await, 401, "session_revoked").await;
    assert_eq!(
        server.get("/api/me", &laptop).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_refusal_brings_home_the_cookies_of_a_renewal() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let session = server.login("ann@example.com").await;
    let cookie = format!("__Host-refresh={}", text(&session, "refresh_token"));
    let body = json!({"current_password": "wrong", "new_password": "amber kettle parade"});
    let request = server
        .request(Method::PUT, "/api/me/password")
        .header("cookie", cookie)
        .json(&body);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(answer.headers().get_all("ratelimit").iter().count(), 3);
    refused(answer, 403, "invalid_credentials").await;

    let nonsense = server
        .request(Method::POST, "/api/auth/refresh")
        .header("cookie", "__Host-refresh=x");
    let answer = nonsense.send().await.expect("an answer");
    assert_eq!(
        answer.headers().get_all("set-cookie").iter().count(),
        2,
        "both are cleared"
    );
    refused(answer, 401, "refresh_invalid").await;
}

#[tokio::test]
async fn an_ended_session_can_sign_nobody_out() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let (thief, owner) = (
        server.login("ann@example.com").await,
        server.login("ann@example.com").await,
    );
    let (thief, owner) = (text(&thief, "access_token"), text(&owner, "access_token"));
    let out = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&thief)
        .send()
        .await
        .expect("an answer");
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let all = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&thief)
        .json(&json!({"all": true}));
    assert_eq!(
        all.send().await.expect("an answer").status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(server.get("/api/me", &owner).await.status(), StatusCode::OK);
    let all = server
        .request(Method::POST, "/api/auth/logout")
        .bearer_auth(&owner)
        .json(&json!({"all": true}));
    assert_eq!(
        all.send().await.expect("an answer").status(),
        StatusCode::NO_CONTENT
    );
    refused(server.get("/api/me", &owner).await, 401, "session_revoked").await;
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_renews_signs_nobody_out() {
    let mut server = Server::start_with(&[("LIMIT_API", "100000/1m")]);
    server.register("ann@example.com").await;
    let login = server.login("ann@example.com").await;
    let mut token = text(&login, "refresh_token");
    for crash in 0..6 {
        // A few callers are under way when it dies; whether the store has done
        // it by then is up to chance, and must not matter.
        let client = Client::new();
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (client, at, token) = (client.clone(), server.url.clone(), token.clone());
            callers.spawn(async move {
                let request = client.post(format!("{at}/api/auth/refresh"));
                let _ = request.json(&json!({"refresh_token": token})).send().await;
            });
        }
        tokio::time::sleep(Duration::from_micros(700 * crash)).await;
        server.restart_with(&[("LIMIT_API", "100000/1m")]);
        callers.join_all().await;
        let (status, answer) = refresh(&client, &server.url, &token).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let again = refresh(&client, &server.url, &token).await.1;
        assert_eq!(again["refresh_token"], answer["refresh_token"]);
        token = text(&answer, "refresh_token");
    }
}
