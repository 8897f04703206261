//! Authentication.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{behind_tls, change_password, json_of};
use crate::server::{PASSWORD, Server, refused};

async fn register(server: &Server, password: &str) -> (u16, String) {
    let body = json!({"email": "ann.miller@example.com", "password": password});
    let answer = server.post("/api/auth/register", body).await;
    let status = answer.status().as_u16();
    let reason = json_of(answer).await["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (status, reason)
}

/// L1: a password has at least 8 characters; here 15 (`PasswordPolicy`).
#[tokio::test]
async fn asvs_v5_6_2_1() {
    let server = behind_tls();
    assert_eq!(
        register(&server, "kettle").await,
        (422, "too_short".to_owned())
    );
    assert_eq!(
        register(&server, "violet kettles").await,
        (422, "too_short".to_owned())
    );
    assert_eq!(register(&server, "violet kettles!").await.0, 202);
}

/// L1: people can change their password (`PUT /api/me/password`).
#[tokio::test]
async fn asvs_v5_6_2_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let changed = change_password(&server, &token, PASSWORD).await;
    assert_eq!(changed.status(), 204);
    assert_eq!(server.sign_in("ann@example.com", PASSWORD).await, 401);
    assert_eq!(
        server
            .sign_in("ann@example.com", "marmalade on a bicycle")
            .await,
        200
    );
}

/// L1: a change needs the current password (`PUT /api/me/password`).
#[tokio::test]
async fn asvs_v5_6_2_3() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for (body, status, code) in [
        (
            json!({"new_password": "marmalade on a bicycle"}),
            422,
            "invalid_members",
        ),
        (
            json!({"current_password": "violet kettle pirate", "new_password": "marmalade on a bicycle"}),
            403,
            "invalid_credentials",
        ),
    ] {
        let request = server
            .request(Method::PUT, "/api/me/password")
            .bearer_auth(&token);
        refused(
            request.json(&body).send().await.expect("an answer"),
            status,
            code,
        )
        .await;
    }
    assert_eq!(server.sign_in("ann@example.com", PASSWORD).await, 200);
}

/// L1: the passwords that are tried first are refused (`Blocklist`).
#[tokio::test]
async fn asvs_v5_6_2_4() {
    let server = behind_tls();
    for password in [
        "password12345678",
        "Sunshine-Sunshine",
        "iloveyou princess",
        "1234567890123456",
        "qwertyuiopasdfgh",
    ] {
        let (status, reason) = register(&server, password).await;
        assert!(
            status == 422 && ["common", "repetitive"].contains(&&*reason),
            "{password}: {reason}"
        );
    }
}

/// L1: no characters are demanded (`PasswordPolicy`).
#[tokio::test]
async fn asvs_v5_6_2_5() {
    let server = behind_tls();
    for password in [
        "onlylowercaseletters",
        "ONLY CAPITALS HERE",
        "839104726105903847160",
        "ñandú über żółw łódź",
    ] {
        assert_eq!(register(&server, password).await.0, 202, "{password}");
    }
}

/// L1: fields for passwords are such, and filled by managers (the page).
#[tokio::test]
async fn asvs_v5_6_2_6() {
    let page = behind_tls();
    let page = super::send(&page, Method::GET, "/", &[])
        .await
        .text()
        .await
        .expect("text");
    let fields: Vec<_> = page
        .split("<input")
        .skip(1)
        .map(|rest| rest.split('>').next().expect("a tag"))
        .collect();
    let passwords: Vec<_> = fields
        .iter()
        .filter(|field| field.contains("-password\""))
        .collect();
    assert!(passwords.len() >= 4, "{fields:?}");
    for field in passwords {
        let filled = ["current", "new"].map(|which| format!("autocomplete=\"{which}-password\""));
        assert!(
            field.contains("type=\"password\"") && filled.iter().any(|kind| field.contains(kind)),
            "{field}"
        );
    }
}

/// L1: passwords can be pasted (the page).
#[tokio::test]
async fn asvs_v5_6_2_7() {
    let server = behind_tls();
    for path in ["/", "/assets/app.js"] {
        let text = super::send(&server, Method::GET, path, &[])
            .await
            .text()
            .await
            .expect("text");
        assert!(
            !text.contains("onpaste") && !text.contains("\"paste\""),
            "{path}"
        );
    }
}

/// L1: a password is verified to its last character, as it was typed (`PasswordHasher`).
#[tokio::test]
async fn asvs_v5_6_2_8() {
    let server = behind_tls();
    let long = format!("{} {}", "violet kettle parade ".repeat(4), "a");
    assert!(long.len() > 80);
    let body = json!({"email": "ann@example.com", "password": long});
    assert_eq!(server.post("/api/auth/register", body).await.status(), 202);
    for other in [
        long.replace(" a", " b"),
        long[..72].to_owned(),
        format!("{long} "),
        long.to_uppercase(),
    ] {
        assert_eq!(
            server.sign_in("ann@example.com", &other).await,
            401,
            "{other:?}"
        );
    }
    assert_eq!(server.sign_in("ann@example.com", &long).await, 200);
}

/// L2: 64 characters and more are taken (`PasswordPolicy`).
#[tokio::test]
async fn asvs_v5_6_2_9() {
    let server = behind_tls();
    let long: String = (0..64)
        .filter_map(|n| char::from_u32(0x1f600 + n))
        .collect();
    assert_eq!(register(&server, &long).await.0, 202);
    assert_eq!(server.sign_in("ann.miller@example.com", &long).await, 200);
    assert_eq!(
        register(&server, &"x y".repeat(400)).await,
        (422, "too_long".to_owned())
    );
}

/// L2: what is known of the account is refused (`PasswordPolicy`).
#[tokio::test]
async fn asvs_v5_6_2_11() {
    let server = behind_tls();
    for password in [
        "ann miller 2026!!",
        "rampart rampart 9",
        "my miller is here",
    ] {
        let refused = register(&server, password).await;
        assert_eq!(refused, (422, "context".to_owned()), "{password}");
    }
}

/// L2: leaked passwords are refused (`BreachFile`).
#[tokio::test]
async fn asvs_v5_6_2_12() {
    let list = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(list.path(), format!("{LEAKED}:3\n")).expect("written");
    let server = Server::start_with(&[(
        "PASSWORD_BREACH_FILE",
        list.path().to_str().expect("a path"),
    )]);
    assert_eq!(
        register(&server, "marmalade on a bicycle").await,
        (422, "breached".to_owned())
    );
    assert_eq!(register(&server, "marmalade on a tricycle").await.0, 202);
}

/// SHA-1 of `marmalade on a bicycle`.
const LEAKED: &str = "B9C3A9736A95F2B4BD957183FD1A1DBD0E1E86AB";

/// L1: guessing is stopped for one address, and for one account (`rate_limit`, `LoginGuard`).
#[tokio::test]
async fn asvs_v5_6_3_1() {
    let server = Server::start_with(&[
        ("LIMIT_LOGIN_IP", "5/15m"),
        ("LIMIT_LOGIN_ACCOUNT", "5/15m"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    server.register("ann@example.com").await;
    let guess = async |email: String, address: String| {
        let body = json!({"email": email, "password": "violet kettle pirate"});
        let request = server
            .request(Method::POST, "/api/auth/login")
            .header("x-forwarded-for", address);
        request
            .json(&body)
            .send()
            .await
            .expect("an answer")
            .status()
    };
    let mut told = Vec::new();
    for number in 0..8 {
        told.push(
            guess(
                format!("user{number}@example.com"),
                "203.0.113.1".to_owned(),
            )
            .await,
        );
    }
    assert_eq!(
        told[7],
        StatusCode::TOO_MANY_REQUESTS,
        "one address, many accounts"
    );
    told.clear();
    for number in 0..8 {
        told.push(guess("ann@example.com".to_owned(), format!("198.51.100.{number}")).await);
    }
    assert_eq!(
        told[7],
        StatusCode::TOO_MANY_REQUESTS,
        "many addresses, one account"
    );
}

/// L1: there is no account that nobody made (the migrations).
#[tokio::test]
async fn asvs_v5_6_3_2() {
    let server = behind_tls();
    for email in [
        "admin",
        "admin@example.com",
        "root@localhost",
        "admin@localhost",
    ] {
        for password in ["admin", "password", "changeme", "rampart"] {
            let status = server.sign_in(email, password).await;
            assert!([401, 422].contains(&status.as_u16()), "{email}: {status}");
        }
    }
    let admin = server.admin(&[]).await;
    let users = json_of(server.get("/api/admin/users", &admin).await).await;
    assert_eq!(users["items"].as_array().map(Vec::len), Some(1), "{users}");
}

/// L3: answers do not tell which accounts there are (`LoginHasher`, handlers).
#[tokio::test]
async fn asvs_v5_6_3_8() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let mut seen: Vec<Vec<(u16, String)>> = Vec::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let mut said = Vec::new();
        for (path, body) in [
            (
                "/api/auth/login",
                json!({"email": email, "password": "violet kettle pirate"}),
            ),
            (
                "/api/auth/register",
                json!({"email": email, "password": PASSWORD}),
            ),
            ("/api/auth/password/forgot", json!({"email": email})),
        ] {
            let answer = server.post(path, body).await;
            let status = answer.status().as_u16();
            let mut body = json_of(answer).await;
            body["request_id"] = "".into();
            said.push((status, body.to_string()));
        }
        seen.push(said);
    }
    assert_eq!(seen[0], seen[1]);
}

/// L1: a token of a mail is random, works once, and for a while (one-time tokens).
#[tokio::test]
async fn asvs_v5_6_4_1() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let body = json!({"email": "ann@example.com"});
    assert_eq!(
        server
            .post("/api/auth/password/forgot", body)
            .await
            .status(),
        202
    );
    let mail = server.mail("ann@example.com", |mail| mail.contains("token="));
    let token: String = mail
        .split("token=")
        .nth(1)
        .expect("a link")
        .replace("=\r\n", "")
        .trim_start_matches("3D")
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    assert!(token.len() >= 22, "128 bits at least: {token}");
    let set = json!({"token": token, "new_password": "marmalade on a bicycle"});
    assert_eq!(
        server
            .post("/api/auth/password/reset", set.clone())
            .await
            .status(),
        204
    );
    refused(
        server.post("/api/auth/password/reset", set).await,
        400,
        "token_used_or_expired",
    )
    .await;
}
