//! Incidents: from the command line, over HTTP, and on paper.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, refused, text, within};

#[test]
fn the_drill_proves_every_step_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    let output = crate::server::binary()
        .args(["incident", "drill", "--json"])
        .env("TMPDIR", temporary.path())
        .output()
        .expect("the command runs");
    let drill: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && drill["ok"] == true, "{drill}");
    let steps = drill["steps"].as_array().expect("steps");
    assert!(
        steps
            .iter()
            .all(|step| step["ok"] == true && step["seconds"].is_f64()),
        "{drill}"
    );
    for scenario in [
        "signing-key-leak",
        "db-dump-leak",
        "pepper-leak",
        "admin-account",
    ] {
        let fresh = format!("{scenario}: a fresh sign-in works");
        assert!(
            steps.iter().any(|step| step["step"] == fresh.as_str()),
            "{scenario}"
        );
    }
    assert_eq!(
        std::fs::read_dir(temporary.path())
            .expect("a folder")
            .count(),
        0
    );
}

#[tokio::test]
async fn a_leaked_dump_ends_every_password_while_the_server_runs() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    server.register("bob@example.com").await;
    let arguments = ["incident", "respond", "--scenario", "db-dump-leak"];
    let rehearsed = server.command(&[&arguments[..], &["--dry-run", "--json"]].concat(), &[]);
    let rehearsed: Value = serde_json::from_slice(&rehearsed.stdout).expect("JSON");
    assert_eq!(
        (&rehearsed["accounts"], &rehearsed["dry_run"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(
        server.get("/api/me", &token).await.status(),
        StatusCode::OK,
        "nothing was done"
    );

    let done = server.command(&[&arguments[..], &["--yes", "--json"]].concat(), &[]);
    let response: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert!(
        done.status.success() && response["ok"] == true,
        "{response}"
    );
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::UNAUTHORIZED
    );
    for email in ["ann@example.com", "bob@example.com"] {
        let mail = server.mail(email, |mail| mail.contains("Please set a new password"));
        assert!(
            !mail.contains("token="),
            "a breach mail opens nothing: {mail}"
        );
    }
    within(2, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;

    let report = server.command(&["incident", "report", &text(&response, "incident")], &[]);
    let report = String::from_utf8(report.stdout).expect("text");
    assert!(
        report.contains("old password is refused | proved"),
        "{report}"
    );
    assert!(
        report.contains("Nothing: every step was proved."),
        "{report}"
    );
    let again = server.command(
        &[
            "incident",
            "notify",
            "--template",
            "breach",
            "--yes",
            "--json",
        ],
        &[],
    );
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(
        (&again["sent"], &again["queued"]),
        (&json!(2), &json!(0)),
        "nobody is told twice"
    );
    let wrong = server.command(
        &["incident", "notify", "--template", "breech", "--yes"],
        &[],
    );
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("breach, signed-out, all-clear"));
}

#[tokio::test]
async fn a_pepper_that_was_not_replaced_is_not_proved() {
    let server = Server::start();
    let done = server.command(
        &[
            "incident",
            "respond",
            "--scenario",
            "pepper-leak",
            "--yes",
            "--json",
        ],
        &[],
    );
    let response: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        (done.status.code(), &response["ok"]),
        (Some(1), &json!(false)),
        "{response}"
    );
    let report = server.command(&["incident", "report", &text(&response, "incident")], &[]);
    assert!(String::from_utf8_lossy(&report.stdout).contains("## Not proved\n\n- check\\_pepper"));
}

#[tokio::test]
async fn administrators_act_on_accounts_and_the_owners_notice() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    let token = server.token("ann@example.com").await;
    let users: Value = server
        .get("/api/admin/users", &admin)
        .await
        .json()
        .await
        .expect("JSON");
    let ann = users["items"]
        .as_array()
        .and_then(|users| users.iter().find(|user| user["email"] == "ann@example.com"));
    let id = text(ann.expect("an account"), "id");
    assert!(!users.to_string().contains("$2b$"), "{users}");
    let act = async |what: &str| {
        server
            .post_as(
                &admin,
                &format!("/api/admin/users/{id}/{what}"),
                json!({"reason": "test"}),
            )
            .await
    };

    assert_eq!(act("revoke").await.status(), StatusCode::ACCEPTED);
    within(2, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    assert_eq!(act("disable").await.status(), StatusCode::ACCEPTED);
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(act("enable").await.status(), StatusCode::ACCEPTED);
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::OK
    );
    assert_eq!(act("force-reset").await.status(), StatusCode::ACCEPTED);
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::UNAUTHORIZED
    );
    server.mail("ann@example.com", |mail| mail.contains("#reset"));

    refused(
        server
            .post_as(&admin, "/api/admin/users/nobody/disable", json!({}))
            .await,
        404,
        "not_found",
    )
    .await;
    refused(
        server
            .post_as(
                &admin,
                &format!("/api/admin/users/{id}/disable"),
                json!({"why": 1}),
            )
            .await,
        422,
        "invalid_members",
    )
    .await;
    let users: Value = server
        .get("/api/admin/users", &admin)
        .await
        .json()
        .await
        .expect("JSON");
    let own = users["items"]
        .as_array()
        .and_then(|users| users.iter().find(|user| user["role"] == "admin"));
    let own = format!(
        "/api/admin/users/{}/disable",
        text(own.expect("an account"), "id")
    );
    refused(
        server.post_as(&admin, &own, json!({})).await,
        409,
        "own_account",
    )
    .await;
}

#[tokio::test]
async fn an_incident_over_http_switches_read_only_rotates_keys_and_signs_everybody_out() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    let token = server.token("ann@example.com").await;
    let uploaded = server
        .upload(&token, "a.png", "image/png", png(1, 1, 100))
        .await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    refused(
        server
            .post_as(&admin, "/api/admin/incidents", json!({"title": " "}))
            .await,
        422,
        "invalid_title",
    )
    .await;
    let opened = server
        .post_as(
            &admin,
            "/api/admin/incidents",
            json!({"title": "something odd"}),
        )
        .await;
    assert_eq!(opened.status(), StatusCode::CREATED);
    let id = text(&opened.json().await.expect("JSON"), "id");
    let path = format!("/api/admin/incidents/{id}/actions");
    let act = async |body: Value| server.post_as(&admin, &path, body).await;

    assert_eq!(
        act(json!({"action": "read_only"})).await.status(),
        StatusCode::OK
    );
    refused(act(json!({"action": "read_only"})).await, 409, "conflict").await;
    let blocked = server
        .upload(&token, "b.png", "image/png", png(2, 1, 100))
        .await;
    assert_eq!(blocked.headers()["retry-after"], "60");
    refused(blocked, 503, "read_only").await;
    let new = json!({"email": "bob@example.com", "password": PASSWORD});
    refused(
        server.post("/api/auth/register", new).await,
        503,
        "read_only",
    )
    .await;
    let rename = server
        .request(Method::PATCH, "/api/me")
        .bearer_auth(&token)
        .json(&json!({"display_name": "Ann"}));
    refused(rename.send().await.expect("an answer"), 503, "read_only").await;
    assert_eq!(
        server.get("/api/images", &token).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::OK,
        "signing in changes nothing of theirs"
    );
    assert_eq!(
        act(json!({"action": "read_only", "on": false}))
            .await
            .status(),
        StatusCode::OK
    );
    let uploaded = server
        .upload(&token, "b.png", "image/png", png(2, 1, 100))
        .await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);

    assert_eq!(
        act(json!({"action": "rotate_key"})).await.status(),
        StatusCode::OK
    );
    refused(
        act(json!({"action": "revoke_key", "kid": "none"})).await,
        404,
        "not_found",
    )
    .await;
    refused(
        act(json!({"action": "destroy"})).await,
        422,
        "invalid_members",
    )
    .await;
    let told: Value = act(json!({"action": "notify", "template": "signed-out"}))
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(told["outcome"]["mails"], 2, "{told}");
    let shown: Value = server
        .get(&format!("/api/admin/incidents/{id}"), &admin)
        .await
        .json()
        .await
        .expect("JSON");
    assert!(
        shown["timeline"]
            .as_array()
            .is_some_and(|rows| rows.len() > 8),
        "{shown}"
    );
    assert_eq!(
        act(json!({"action": "revoke_everyone", "reason": "to be safe"}))
            .await
            .status(),
        StatusCode::OK
    );
    within(2, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    refused(
        server.get("/api/admin/incidents", &admin).await,
        401,
        "reauthentication_required",
    )
    .await;

    let admin = text(&server.login("admin@example.com").await, "access_token");
    let act = async |body: Value| server.post_as(&admin, &path, body).await;
    assert_eq!(
        act(json!({"action": "close"})).await.status(),
        StatusCode::OK
    );
    refused(
        act(json!({"action": "rotate_key"})).await,
        409,
        "incident_closed",
    )
    .await;
    refused(
        server
            .post_as(
                &admin,
                "/api/admin/incidents/none/actions",
                json!({"action": "close"}),
            )
            .await,
        404,
        "not_found",
    )
    .await;
}
