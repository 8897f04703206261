//! Self-contained tokens, and OAuth.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tower_rampart::jwt::testing::Attacker;

use crate::attacks::{SECRET, keys};
use crate::server::{Server, refresh, refused, text};

fn start() -> Server {
    Server::start_with(&[("SECRET_KEY", SECRET), ("LIMIT_API", "1000000/1s")])
}

/// Sends the published attacks whose name has one of the words; each must be refused.
async fn every_attack_of(words: &[&str]) {
    let server = start();
    let keys = keys();
    let mut tried = 0;
    for attack in Attacker::new(&keys) {
        let name = format!("{attack:?}").to_lowercase();
        if !words.iter().any(|word| name.contains(word)) {
            continue;
        }
        tried += 1;
        let made = attack.request("/api/me", ());
        let mut request = server.request(Method::GET, &made.uri().to_string());
        for value in attack.authorization() {
            request = request.header("authorization", value);
        }
        let answer = request.send().await.expect("an answer");
        if let Err(survived) = attack.check(answer.status(), answer.headers()) {
            panic!("{survived}");
        }
    }
    assert!(tried >= 3, "{tried} of {words:?}");
}

/// L1: a token counts once its signature held (`jwt`).
#[tokio::test]
async fn asvs_v5_9_1_1() {
    every_attack_of(&["signature", "forg", "sig"]).await;
}

/// L1: the key says the algorithm, and none is never one (`jwt`).
#[tokio::test]
async fn asvs_v5_9_1_2() {
    every_attack_of(&["none", "alg"]).await;
    // Signed by the right key, in the name of another algorithm.
    let server = start();
    server.register("ann@example.com").await;
    let subject = text(&server.login("ann@example.com").await["user"], "id");
    let good = keys().token().claim("sub", subject).sign();
    assert_eq!(server.get("/api/me", &good).await.status(), 200);
    let part = |index: usize| {
        let part = good.split('.').nth(index).expect("a part");
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    assert!(header.contains("\"HS256\""), "{header}");
    for other in ["HS512", "HS384", "none", "hs256", "RS256"] {
        let renamed = header.replace("\"HS256\"", &format!("\"{other}\""));
        let token = keys().sign_text(&renamed, &claims);
        assert_eq!(server.get("/api/me", &token).await.status(), 401, "{other}");
    }
}

/// L1: keys come from the configuration, never from the token (`jwt`).
#[tokio::test]
async fn asvs_v5_9_1_3() {
    every_attack_of(&["jwk", "jku", "x5", "kid"]).await;
}

async fn status_of(server: &Server, token: &str) -> (u16, Value) {
    let answer = server.get("/api/me", token).await;
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// L1: a token counts between its times (`jwt`).
#[tokio::test]
async fn asvs_v5_9_2_1() {
    let server = start();
    let now = keys().now().as_u64();
    for (claim, value, code) in [
        ("exp", json!(now - 10), "token_expired"),
        ("exp", json!(now - 3_600), "token_expired"),
        ("nbf", json!(now + 3_600), "token_not_yet_valid"),
        ("exp", json!("9999999999"), "token_invalid"),
        ("exp", json!(-1), "token_invalid"),
    ] {
        let token = keys().token().claim(claim, value.clone()).sign();
        let (status, problem) = status_of(&server, &token).await;
        assert_eq!(
            (status, &problem["code"]),
            (401, &json!(code)),
            "{claim} {value}"
        );
    }
}

/// L2: a token is of the kind that is asked for (`jwt`, `typ`).
#[tokio::test]
async fn asvs_v5_9_2_2() {
    let server = start();
    server.register("ann@example.com").await;
    let login = server.login("ann@example.com").await;
    assert_eq!(
        status_of(&server, &text(&login, "refresh_token")).await.0,
        401
    );
    let (status, _) = refresh(&Client::new(), &server.url, &text(&login, "access_token")).await;
    assert_eq!(status, 401);
    every_attack_of(&["typ"]).await;
}

/// L2: a token is for this service (`jwt`, `aud`).
#[tokio::test]
async fn asvs_v5_9_2_3() {
    let server = start();
    for audience in [
        json!("another"),
        json!([]),
        json!(["another", "rampart-api2"]),
        json!(1),
    ] {
        let token = keys().token().claim("aud", audience.clone()).sign();
        let (status, problem) = status_of(&server, &token).await;
        assert_eq!(
            (status, &problem["code"]),
            (401, &json!("token_invalid")),
            "{audience}"
        );
    }
}

/// L1: a refresh token works once; used again, it ends the session (`session`).
#[tokio::test]
async fn asvs_v5_10_4_5() {
    let server = Server::start_with(&[("REFRESH_GRACE", "0s"), ("ACCESS_TTL", "60s")]);
    server.register("ann@example.com").await;
    let login = server.login("ann@example.com").await;
    let client = Client::new();
    let first = text(&login, "refresh_token");
    let (status, second) = refresh(&client, &server.url, &first).await;
    assert_eq!(status, 200);
    let (status, third) = refresh(&client, &server.url, &text(&second, "refresh_token")).await;
    assert_eq!(status, 200);
    // The successor was used, so this is nobody who lost an answer.
    assert_eq!(
        server
            .get("/api/me", &text(&third, "access_token"))
            .await
            .status(),
        200
    );
    let (status, problem) = refresh(&client, &server.url, &first).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (401, &json!("refresh_reused"))
    );
    assert_eq!(
        refresh(&client, &server.url, &text(&third, "refresh_token"))
            .await
            .0,
        401,
        "the whole family"
    );
    let answer = server.get("/api/me", &text(&third, "access_token")).await;
    refused(answer, 401, "session_revoked").await;
}
