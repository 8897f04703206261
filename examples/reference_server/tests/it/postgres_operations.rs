//! What operators do, on Postgres as on SQLite.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::postgres::database;
use crate::server::{PASSWORD, Server, text};

#[tokio::test]
async fn operations_are_in_postgres_as_they_are_in_sqlite() {
    let Some(url) = database("operations") else {
        return;
    };
    let postgres = [("DATABASE_URL", &*url)];
    let server = Server::start_with(&postgres);
    let admin = server.admin(&postgres).await;
    let token = server.token("ann@example.com").await;
    let elsewhere = server.twin(&postgres);
    let forgotten = server
        .post(
            "/api/auth/password/forgot",
            json!({"email": "ann@example.com"}),
        )
        .await;
    assert_eq!(forgotten.status(), StatusCode::ACCEPTED);
    let mail = server.mail("ann@example.com", |mail| mail.contains("#reset"));
    let link = mail
        .lines()
        .find_map(|line| line.split_once("#reset?token="));
    let body = json!({"token": link.expect("a link").1, "new_password": "orange kettle parade"});
    let reset = server.post("/api/auth/password/reset", body).await;
    assert_eq!(reset.status(), StatusCode::NO_CONTENT);
    let users: Value = server
        .get("/api/admin/users", &admin)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(users["items"].as_array().map(Vec::len), Some(2), "{users}");

    let opened = server
        .post_as(&admin, "/api/admin/incidents", json!({"title": "odd"}))
        .await;
    let id = text(&opened.json().await.expect("JSON"), "id");
    let path = format!("/api/admin/incidents/{id}/actions");
    let act = async |body: Value| server.post_as(&admin, &path, body).await.status();
    assert_eq!(act(json!({"action": "read_only"})).await, StatusCode::OK);
    // The other process hears of it from the database.
    let client = Client::new();
    crate::server::within(2, async || {
        let body = json!({"email": "bob@example.com", "password": PASSWORD});
        let asked = client
            .post(format!("{}/api/auth/register", elsewhere.url))
            .json(&body);
        let answer = asked.send().await.expect("an answer");
        answer.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(
        act(json!({"action": "read_only", "on": false})).await,
        StatusCode::OK
    );
    for scenario in ["signing-key-leak", "db-dump-leak", "admin-account"] {
        let arguments = ["incident", "respond", "--scenario", scenario, "--yes"];
        let response = server.command(&[&arguments[..], &["--json"]].concat(), &postgres);
        assert!(response.status.success(), "{response:?}");
    }
    let report = server.command(&["incident", "report", &id], &postgres);
    assert!(report.status.success(), "{report:?}");
    assert_eq!(
        server.get("/api/me", &token).await.status(),
        StatusCode::UNAUTHORIZED
    );
    server.mail("ann@example.com", |mail| {
        mail.contains("Please set a new password")
    });

    let verified = server.command(&["audit", "verify"], &postgres);
    assert!(verified.status.success(), "{verified:?}");
    let change = |statement: &str| {
        let output = std::process::Command::new("psql")
            .args(["-v", "ON_ERROR_STOP=1", "-qd", &url, "-c", statement])
            .output()
            .expect("psql runs");
        output.status.success()
    };
    assert!(
        !change("UPDATE audit SET actor = 'nobody' WHERE seq = 2"),
        "append-only"
    );
    assert!(!change("TRUNCATE audit"), "append-only");
    assert!(change(
        "ALTER TABLE audit DISABLE TRIGGER ALL; UPDATE audit SET actor = 'nobody' WHERE seq = 2"
    ));
    let broken = server.command(&["audit", "verify"], &postgres);
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("row 2 was changed"));
}
