//! Authorization.

use reqwest::Method;
use serde_json::json;

use super::{behind_tls, json_of, send};
use crate::server::{png, refused, text};

const ADMIN: &[(&str, &str)] = &[
    ("GET", "/api/admin/users"),
    ("GET", "/api/admin/audit"),
    ("GET", "/api/admin/audit/verify"),
    ("GET", "/api/admin/incidents"),
    ("POST", "/api/admin/incidents"),
    ("POST", "/api/admin/users/x/disable"),
    ("POST", "/api/admin/users/x/enable"),
    ("POST", "/api/admin/users/x/revoke"),
    ("POST", "/api/admin/users/x/force-reset"),
    ("POST", "/api/admin/incidents/x/actions"),
];

/// L1: each function is for who may use it (`RequireLayer`).
#[tokio::test]
async fn asvs_v5_8_2_1() {
    let server = behind_tls();
    let user = server.token("ann@example.com").await;
    let admin = server.admin(&[]).await;
    for (method, path) in ADMIN {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        assert_eq!(
            send(&server, method.clone(), path, &[]).await.status(),
            401,
            "{path}"
        );
        let bearer = format!("Bearer {user}");
        let answer = send(&server, method.clone(), path, &[("authorization", &bearer)]).await;
        refused(answer, 403, "insufficient_role").await;
        let bearer = format!("Bearer {admin}");
        let answer = send(&server, method, path, &[("authorization", &bearer)]).await;
        assert!(
            ![401, 403].contains(&answer.status().as_u16()),
            "{path}: {}",
            answer.status()
        );
    }
    let bearer = format!("Bearer {admin}");
    let unlisted = send(
        &server,
        Method::GET,
        "/api/admin/everything",
        &[("authorization", &bearer)],
    )
    .await;
    assert_eq!(unlisted.status(), 404);
}

/// L1: each object is for its owner, and looks absent to others (queries by owner).
#[tokio::test]
async fn asvs_v5_8_2_2() {
    let server = behind_tls();
    let (ann, bob) = (
        server.token("ann@example.com").await,
        server.token("bob@example.com").await,
    );
    let stored = json_of(
        server
            .upload(&ann, "a.png", "image/png", png(8, 8, 0))
            .await,
    )
    .await;
    let own = format!("/api/images/{}", text(&stored, "id"));
    let none = "/api/images/00000000-0000-7000-8000-000000000000";
    for (method, tail) in [
        (Method::GET, ""),
        (Method::GET, "/content"),
        (Method::DELETE, ""),
    ] {
        let mut seen = Vec::new();
        for path in [own.as_str(), none] {
            let request = server
                .request(method.clone(), &format!("{path}{tail}"))
                .bearer_auth(&bob);
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            let mut problem = json_of(answer).await;
            problem["request_id"] = "".into();
            seen.push((status, problem));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0].0, 404);
    }
    assert_eq!(server.get(&own, &ann).await.status(), 200);
}

/// L2: each member is for who may change it (`deny_unknown_fields`).
#[tokio::test]
async fn asvs_v5_8_2_3() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for member in ["role", "email", "disabled_at", "id", "created_at", "avatar"] {
        let request = server.request(Method::PATCH, "/api/me").bearer_auth(&token);
        let answer = request
            .json(&json!({"display_name": "Ann", member: "admin"}))
            .send()
            .await;
        refused(answer.expect("an answer"), 422, "invalid_members").await;
    }
    let me = json_of(server.get("/api/me", &token).await).await;
    assert_eq!(me["role"], "user");
    assert!(me.get("password_hash").is_none());
}

/// L1: rules hold on the server (`jwt`, `RequireLayer`).
#[tokio::test]
async fn asvs_v5_8_3_1() {
    let server = behind_tls();
    for headers in [
        [("x-user-id", "1"), ("x-role", "admin")],
        [
            ("x-original-url", "/healthz"),
            ("x-rewrite-url", "/healthz"),
        ],
        [
            ("x-http-method-override", "GET"),
            ("referer", "https://api.example.com/admin"),
        ],
    ] {
        let answer = send(&server, Method::GET, "/api/admin/users", &headers).await;
        assert_eq!(answer.status(), 401, "{headers:?}");
    }
}

/// L3: what changes for an account holds at once (epochs).
#[tokio::test]
async fn asvs_v5_8_3_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    assert!(
        server
            .command(
                &["users", "force-reset", "--user", "ann@example.com", "--yes"],
                &[]
            )
            .status
            .success()
    );
    crate::server::within(3, async || {
        server.get("/api/me", &token).await.status() == 401
    })
    .await;
}
