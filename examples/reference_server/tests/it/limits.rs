//! Limits, against the running server.

use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::server::{PASSWORD, Server, refused};
#[cfg(feature = "redis")]
use crate::services::{self, Service};

fn wrong(email: &str) -> serde_json::Value {
    json!({"email": email, "password": "not the password at all"})
}

fn device(answer: &Response) -> String {
    let cookies = answer.headers().get_all("set-cookie");
    let mut cookies = cookies.iter().filter_map(|value| value.to_str().ok());
    let device = cookies.find(|cookie| cookie.starts_with("__Host-device="));
    let pair = device.expect("a device cookie").split(';').next();
    pair.expect("a pair").to_owned()
}

#[tokio::test]
async fn the_owner_signs_in_while_the_account_is_attacked() {
    let settings = [
        ("LIMIT_LOGIN_IP", "1000/15m"),
        ("LIMIT_LOGIN_ACCOUNT", "5/15m"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = Server::start_with(&settings);
    server.register("ann@example.com").await;
    let right = json!({"email": "ann@example.com", "password": PASSWORD});
    let first = server.post("/api/auth/login", right.clone()).await;
    assert_eq!(first.status(), StatusCode::OK);
    let known = device(&first);

    // Two hundred at once, from as many addresses, in several spellings.
    let attempts = (0..200).map(|index| {
        let spelling = ["ann@example.com", " Ann@Example.com", "ANN@EXAMPLE.COM "][index % 3];
        let request = server
            .request(Method::POST, "/api/auth/login")
            .header("x-forwarded-for", format!("198.51.100.{index}"))
            .json(&wrong(spelling));
        tokio::spawn(request.send())
    });
    let mut compared = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        let answer = attempt.await.expect("no panic").expect("an answer");
        match answer.status() {
            StatusCode::UNAUTHORIZED => compared += 1,
            status => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS),
        }
    }
    assert_eq!(compared, 5);
    let sign_in = |email: &str, cookie: Option<&str>| {
        let body = json!({"email": email, "password": PASSWORD});
        let request = server.request(Method::POST, "/api/auth/login").json(&body);
        let request = match cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        async move { request.send().await.expect("an answer") }
    };
    let locked = sign_in("ann@example.com", None).await;
    let mut locked = refused(locked, 429, "rate_limited").await;
    let owner = sign_in("ann@example.com", Some(&known)).await;
    assert_eq!(owner.status(), StatusCode::OK, "at the first try");
    // The same device, for another half a year.
    let id = "__Host-device=".len() + 20;
    assert_eq!(device(&owner)[..id], known[..id]);

    // An account that nobody has is refused with the same words.
    for _ in 0..5 {
        let answer = server
            .post("/api/auth/login", wrong("nobody@example.com"))
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let nobody = sign_in("nobody@example.com", Some(&known)).await;
    let mut nobody = refused(nobody, 429, "rate_limited").await;
    for problem in [&mut locked, &mut nobody] {
        problem
            .as_object_mut()
            .expect("a problem")
            .remove("request_id");
    }
    assert_eq!(locked, nobody);
    assert_eq!(locked["violated-policies"], json!(["login-account"]));
}

#[tokio::test]
async fn a_page_of_another_origin_can_read_that_it_is_limited() {
    let server = Server::start_with(&[("LIMIT_API", "2/1m")]);
    let origin = "http://localhost:5173";
    let ask = |method: Method| {
        let request = server.request(method, "/api/me").header("origin", origin);
        async move { request.send().await.expect("an answer") }
    };
    for _ in 0..5 {
        let preflight = server
            .request(Method::OPTIONS, "/api/me")
            .header("origin", origin)
            .header("access-control-request-method", "PATCH");
        let answer = preflight.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
    }
    for _ in 0..2 {
        assert_eq!(ask(Method::GET).await.status(), StatusCode::UNAUTHORIZED);
    }
    let limited = ask(Method::GET).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["access-control-allow-origin"], origin);
    let exposed = limited.headers()["access-control-expose-headers"]
        .to_str()
        .expect("ASCII");
    for name in ["ratelimit", "ratelimit-policy", "retry-after"] {
        assert!(
            exposed
                .to_lowercase()
                .split(',')
                .any(|exposed| exposed == name),
            "{exposed}"
        );
        assert!(limited.headers().contains_key(name), "{name}");
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn two_processes_allow_what_one_does() {
    let Some(mut redis) = Service::redis() else {
        services::skipped("redis");
        return;
    };
    let url = redis.redis_url();
    let settings = [
        ("REDIS_URL", url.as_str()),
        ("RAMPART_PROCESSES", "2"),
        ("LIMIT_LOGIN_ACCOUNT", "6/15m"),
    ];
    let server = Server::start_with(&settings);
    let twin = server.twin(&settings);
    let client = reqwest::Client::new();
    let try_both = async |email: &str| {
        let mut statuses = Vec::new();
        for index in 0..10 {
            let url = [&server.url, &twin.url][index % 2];
            let request = client
                .post(format!("{url}/api/auth/login"))
                .json(&wrong(email));
            let answer = request.send().await.expect("an answer");
            statuses.push(answer.status().as_u16());
        }
        statuses.iter().filter(|status| **status == 401).count()
    };
    assert_eq!(try_both("ann@example.com").await, 6);
    let explained = server.command(&["explain"], &settings);
    let explained = String::from_utf8(explained.stdout).expect("text");
    assert!(
        explained.contains("counted by all processes together, in Redis"),
        "{explained}"
    );
    assert!(
        explained.contains("login-account       6/15m"),
        "{explained}"
    );

    // Without Redis each allows its part, and nobody sees an error.
    redis.kill();
    assert_eq!(try_both("bob@example.com").await, 6);
    redis.start_again();
}
