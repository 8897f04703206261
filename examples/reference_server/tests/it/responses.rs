//! Responses to incidents that are cut off, given twice, or to be told about.

use std::process::Stdio;

use http::StatusCode;
use serde_json::{Value, json};

use crate::server::{Server, binary, refused, text, within};

fn json_of(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("JSON: {output:?}"))
}

fn respond(server: &Server, scenario: &str) -> Value {
    let command = [
        "incident",
        "respond",
        "--scenario",
        scenario,
        "--yes",
        "--json",
    ];
    json_of(&server.command(&command, &[]))
}

fn report(server: &Server, id: &str) -> String {
    let output = server.command(&["incident", "report", id], &[]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_response_that_was_given_is_not_given_again() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let first = respond(&server, "signing-key-leak");
    let id = text(&first, "incident");
    within(2, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    let again = server.login("ann@example.com").await;
    let again = text(&again, "access_token");
    let keys = || json_of(&server.command(&["keys", "list", "--json"], &[]));
    let before = keys();
    let second = respond(&server, "signing-key-leak");
    assert_eq!(keys(), before, "the new key stays");
    assert_eq!(
        (&second["incident"], &second["before"]),
        (&json!(id), &json!(true)),
        "{second}"
    );
    assert_eq!(server.get("/api/me", &again).await.status(), StatusCode::OK);
    let told = report(&server, &id);
    assert!(
        told.contains("Nothing: every step was proved.") && told.contains("## By hand"),
        "{told}"
    );
    // Once more, if it happened once more.
    assert!(
        server
            .command(&["incident", "close", &id], &[])
            .status
            .success()
    );
    assert_ne!(text(&respond(&server, "signing-key-leak"), "incident"), id);
}

#[tokio::test]
async fn a_response_that_was_cut_off_says_so_and_goes_on() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let mut child = binary()
        .args(["incident", "respond", "--scenario", "db-dump-leak", "--yes"])
        .env("RAMPART_DATA_DIR", server.data.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let incidents = || json_of(&server.command(&["incident", "list", "--json"], &[]));
    let opened = async || incidents()["incidents"][0]["id"].is_string();
    within(10, opened).await;
    child.kill().expect("killed");
    child.wait().expect("it ends");
    let id = text(&incidents()["incidents"][0], "id");
    let told = report(&server, &id);
    let cut_off = told.contains("(never reached)") || told.contains("No proof was attempted");
    assert!(cut_off && !told.contains("every step was proved"), "{told}");
    let done = respond(&server, "db-dump-leak");
    assert_eq!(
        (&done["incident"], &done["ok"]),
        (&json!(id), &json!(true)),
        "{done}"
    );
    let told = report(&server, &id);
    assert!(!told.contains("(never reached)"), "{told}");
}

#[tokio::test]
async fn every_key_that_is_believed_is_revoked_when_one_leaked() {
    let server = Server::start();
    server.register("ann@example.com").await;
    for _ in 0..2 {
        assert!(server.command(&["keys", "rotate"], &[]).status.success());
    }
    let response = respond(&server, "signing-key-leak");
    let step = response["steps"].as_array().expect("steps").iter();
    let step = step
        .clone()
        .find(|step| step["step"] == "revoke_key")
        .expect("a step");
    assert_eq!(
        step["found"]["kids"].as_array().map(Vec::len),
        Some(3),
        "{step}"
    );
    let keys = json_of(&server.command(&["keys", "list", "--json"], &[]));
    let states: Vec<_> = keys["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| text(key, "state"))
        .collect();
    assert_eq!(
        states.iter().filter(|state| *state == "active").count(),
        1,
        "{keys}"
    );
    assert_eq!(
        states
            .iter()
            .filter(|state| *state == "compromised")
            .count(),
        3,
        "{keys}"
    );
}

#[tokio::test]
async fn people_are_told_what_happened_and_not_something_else() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    server.register("ann@example.com").await;
    let open = async |body: Value| {
        let opened = server.post_as(&admin, "/api/admin/incidents", body).await;
        text(&opened.json().await.expect("JSON"), "id")
    };
    let notify = async |id: &str| {
        let path = format!("/api/admin/incidents/{id}/actions");
        server
            .post_as(&admin, &path, json!({"action": "notify"}))
            .await
    };
    let unnamed = open(json!({"title": "something"})).await;
    let told: Value = notify(&unnamed).await.json().await.expect("JSON");
    assert_eq!(told["outcome"]["template"], "signed-out", "{told}");
    for stray in [
        json!({"action": "rotate_key", "kid": "zzz"}),
        json!({"action": "force_reset", "template": "breach"}),
        json!({"action": "close", "on": true}),
    ] {
        let path = format!("/api/admin/incidents/{unnamed}/actions");
        let answer = server.post_as(&admin, &path, stray).await;
        refused(answer, 422, "invalid_members").await;
    }
    let leak = open(json!({"title": "a key", "scenario": "signing-key-leak"})).await;
    assert_eq!(notify(&leak).await.status(), StatusCode::OK);
    server.mail("ann@example.com", |mail| mail.contains("sign in again"));
    let outbox = std::fs::read_dir(server.data.path().join("outbox")).expect("a folder");
    let mails = outbox
        .flatten()
        .filter_map(|mail| std::fs::read_to_string(mail.path()).ok());
    assert!(
        !mails
            .into_iter()
            .any(|mail| mail.contains("may have read data"))
    );
    let resumed = server.command(
        &[
            "incident",
            "notify",
            "--template",
            "breach",
            "--incident",
            &leak,
            "--resume",
            "--yes",
        ],
        &[],
    );
    assert_eq!(
        resumed.status.code(),
        Some(1),
        "nobody was told of a breach"
    );
}

#[tokio::test]
async fn read_only_is_not_forgotten() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    let path = "/api/admin/incidents";
    let opened = server
        .post_as(&admin, path, json!({"title": "a leak"}))
        .await;
    let id = text(&opened.json().await.expect("JSON"), "id");
    let on = server.command(&["incident", "read-only", "on", "--yes", "--json"], &[]);
    assert_eq!(json_of(&on)["read_only"], true);
    within(2, async || {
        let body = json!({"email": "ann@example.com", "password": crate::server::PASSWORD});
        server.post("/api/auth/register", body).await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let closed = server.command(&["incident", "close", &id], &[]);
    assert!(String::from_utf8_lossy(&closed.stdout).contains("read only is still on"));
    let listed = server.command(&["incident", "list"], &[]);
    assert!(String::from_utf8_lossy(&listed.stdout).starts_with("read only is still on"));
    assert!(
        server
            .command(&["incident", "read-only", "off", "--yes"], &[])
            .status
            .success()
    );
    within(2, async || {
        let body = json!({"email": "ann@example.com", "password": crate::server::PASSWORD});
        server.post("/api/auth/register", body).await.status() == StatusCode::ACCEPTED
    })
    .await;
}
