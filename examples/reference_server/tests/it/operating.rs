//! Commands that end what others have: they are meant, or they do nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Output, Stdio};

use http::StatusCode;
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, binary, refused, text};

/// What concerns everybody.
const GRAVE: &[&[&str]] = &[
    &["sessions", "revoke", "--all"],
    &["sessions", "revoke", "--before", "2100-01-01T00:00:00Z"],
    &["users", "force-reset", "--all"],
    &["incident", "respond", "--scenario", "db-dump-leak"],
    &["incident", "respond", "--scenario", "signing-key-leak"],
    &["incident", "notify", "--template", "breach"],
];

/// What concerns one account, or takes nothing from anybody.
const LIGHT: &[&[&str]] = &[
    &["keys", "rotate"],
    &["keys", "revoke", "KID"],
    &["users", "enable", "ann@example.com"],
    &["sessions", "revoke", "--sid", "SID"],
    &["sessions", "revoke", "--user", "ann@example.com"],
    &["users", "disable", "ann@example.com"],
    &["incident", "open", "--title", "a drill"],
];

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("JSON: {output:?}"))
}

/// What the audit log says that operators did.
fn done(server: &Server) -> usize {
    let rows = server.command(&["audit", "tail", "-n", "10000"], &[]);
    let rows = String::from_utf8_lossy(&rows.stdout).into_owned();
    rows.lines()
        .filter(|row| row.contains("authz_admin"))
        .count()
}

/// The command with the names of this server's key and session.
fn named<'a>(command: &[&'a str], kid: &'a str, sid: &'a str) -> Vec<&'a str> {
    let name = |word: &&'a str| match *word {
        "KID" => kid,
        "SID" => sid,
        word => word,
    };
    command.iter().map(name).collect()
}

#[tokio::test]
async fn what_concerns_everybody_is_not_done_where_nobody_answers() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let sid = server.get("/api/auth/sessions", &token).await;
    let sid = text(&sid.json::<Value>().await.expect("JSON")[0], "sid");
    let keys = json_of(&server.command(&["keys", "list", "--json"], &[]));
    let kid = text(&keys["keys"][0], "kid");
    let opened = server.command(&["incident", "open", "--title", "something", "--json"], &[]);
    text(&json_of(&opened), "id");

    let before = done(&server);
    for command in GRAVE.iter().chain(LIGHT) {
        let command = named(command, &kid, &sid);
        let rehearsed = server.command(&[&command[..], &["--dry-run", "--json"]].concat(), &[]);
        assert!(rehearsed.status.success(), "{command:?}: {rehearsed:?}");
        let rehearsed = json_of(&rehearsed);
        assert_eq!(rehearsed["dry_run"], true, "{command:?}");
        assert!(text(&rehearsed, "would").len() > 10, "{rehearsed}");
    }
    for command in GRAVE {
        let command = named(command, &kid, &sid);
        let silent = binary()
            .args(&command)
            .env("RAMPART_DATA_DIR", server.data.path())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert_eq!(silent.status.code(), Some(1), "{command:?}");
        assert!(
            stderr(&silent).contains("nothing was changed: nobody answered; add --yes"),
            "{command:?}: {}",
            stderr(&silent)
        );
    }
    assert_eq!(done(&server), before, "nothing was done");
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);

    for command in LIGHT.iter().chain(GRAVE) {
        let command = named(command, &kid, &sid);
        let told = [
            "--yes",
            "--json",
            "--actor",
            "night watch",
            "--reason",
            "a test",
        ];
        let output = server.command(&[&command[..], &told].concat(), &[]);
        assert!(output.status.success(), "{command:?}: {output:?}");
        json_of(&output);
    }
    let rows = server.command(&["audit", "tail", "-n", "10000", "--json"], &[]);
    let rows = String::from_utf8_lossy(&rows.stdout).into_owned();
    for action in [
        "rotate_key",
        "revoke_key",
        "revoke_everyone",
        "revoke_before",
        "force_reset_everyone",
        "notify",
    ] {
        let told = rows.lines().any(|row| {
            let row: Value = serde_json::from_str(row).expect("JSON");
            row["detail"]["action"] == action
                && row["detail"]["operator"] == "night watch"
                && row["detail"]["reason"] == "a test"
        });
        assert!(told, "{action} in {rows}");
    }
}

#[test]
fn an_answer_may_take_its_time() {
    let server = Server::start();
    let reset = |answer: &str| {
        let mut child = binary()
            .args(["users", "force-reset", "--all"])
            .env("RAMPART_DATA_DIR", server.data.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut asked = BufReader::new(child.stderr.take().expect("piped"));
        let mut question = String::new();
        asked.read_line(&mut question).expect("a question");
        assert!(question.ends_with("? [y/N]\n"), "{question}");
        // Longer than a program needs that has its answer ready.
        std::thread::park_timeout(std::time::Duration::from_millis(400));
        let mut input = child.stdin.take().expect("piped");
        input.write_all(answer.as_bytes()).expect("written");
        drop(input);
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut asked, &mut rest).expect("text");
        (child.wait_with_output().expect("it ends").status, rest)
    };
    let (status, told) = reset("n\n");
    assert_eq!((status.code(), &*told), (Some(1), "nothing was changed\n"));
    let (status, told) = reset("yes\n");
    assert!(status.success(), "{told}");
}

#[tokio::test]
async fn only_sessions_that_are_older_are_ended() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let revoke = |before: &str| {
        let command = ["sessions", "revoke", "--before", before, "--yes", "--json"];
        server.command(&command, &[])
    };
    let none = json_of(&revoke("2020-01-01T00:00:00Z"));
    assert_eq!(none["sessions"], 0, "{none}");
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
    let one = json_of(&revoke("2100-01-01T00:00:00+02:00"));
    assert_eq!(
        (&one["sessions"], &one["reason"]),
        (&json!(1), &json!("security_incident")),
        "{one}"
    );
    crate::server::within(2, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    assert_eq!(revoke("yesterday").status.code(), Some(2));
}

#[test]
fn what_looks_for_a_database_makes_none() {
    for command in [
        &["audit", "verify"][..],
        &["audit", "tail"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "revoke", "KID"],
        &["incident", "list"],
        &["incident", "report", "x"],
        &[
            "incident",
            "respond",
            "--scenario",
            "db-dump-leak",
            "--dry-run",
        ],
        &["sessions", "revoke", "--all", "--yes"],
        &["users", "disable", "ann@example.com"],
        &["backup"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("elsewhere");
        let output = binary()
            .args(command)
            .env("RAMPART_DATA_DIR", &data)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(78), "{command:?}: {output:?}");
        let told = stderr(&output);
        assert!(
            told.starts_with("RAMPART_DATA_DIR: there is no database at "),
            "{command:?}: {told}"
        );
        assert!(!data.exists(), "{command:?} made something");
    }
}

#[tokio::test]
async fn no_password_is_taken_away_while_no_mail_can_leave() {
    let secret = |name: &'static str| (name, "Wc7Tq0v4m2ZJ9xLh5dYb8RkPf1GsNu3EaQiKo6VtXwM");
    let settings = [
        ("RAMPART_ENV", "production"),
        ("RAMPART_LISTEN", "127.0.0.1:0"),
        ("RAMPART_PUBLIC_URL", "https://api.example.com"),
        ("CORS_ORIGINS", "https://app.example.com"),
        secret("SECRET_KEY"),
        (
            "PASSWORD_PEPPER",
            "p8Zr3Lq6Yt1Wn9Kx4Hs7Vd2Bg5Jm0Fc-RaUeTiOoEyQ",
        ),
        ("BCRYPT_COST", "10"),
    ];
    let server = Server::start_with(&settings);
    let admin = server.admin(&settings).await;
    let token = server.token("ann@example.com").await;
    for command in [
        &["users", "force-reset", "--all"][..],
        &["users", "force-reset", "--user", "ann@example.com"],
        &["incident", "respond", "--scenario", "db-dump-leak"],
        &["incident", "respond", "--scenario", "admin-account"],
    ] {
        let output = server.command(&[command, &["--yes"]].concat(), &settings);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let told = stderr(&output);
        assert!(
            told.contains("no mail can leave") && told.contains("set SMTP_URL"),
            "{told}"
        );
    }
    let incident = server
        .post_as(&admin, "/api/admin/incidents", json!({"title": "a leak"}))
        .await;
    let id = text(&incident.json().await.expect("JSON"), "id");
    for action in ["notify", "force_reset"] {
        let path = format!("/api/admin/incidents/{id}/actions");
        let body = match action {
            "notify" => json!({"action": action, "template": "breach"}),
            _ => json!({"action": action}),
        };
        let answer = server.post_as(&admin, &path, body).await;
        refused(answer, 409, "no_mail").await;
    }
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::OK
    );

    // What must not wait does not: a key that leaked is revoked, and what is missing is said.
    let leak = [
        "incident",
        "respond",
        "--scenario",
        "signing-key-leak",
        "--yes",
        "--json",
    ];
    let response = server.command(&leak, &settings);
    assert_eq!(response.status.code(), Some(1));
    let response = json_of(&response);
    let failed: Vec<_> = response["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter(|step| step["ok"] == false)
        .collect();
    assert_eq!(failed.len(), 1, "{response}");
    assert_eq!(failed[0]["step"], "notify");
    assert!(text(&failed[0]["found"], "problem").contains("set SMTP_URL"));
    crate::server::within(2, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[tokio::test]
async fn an_incident_that_is_closed_is_over() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    let opened = server.command(
        &[
            "incident",
            "open",
            "--title",
            "a leak",
            "--scenario",
            "db-dump-leak",
            "--json",
        ],
        &[],
    );
    let opened = json_of(&opened);
    assert_eq!(opened["scenario"], "db-dump-leak");
    let id = text(&opened, "id");
    let report = json_of(&server.command(&["incident", "report", &id, "--json"], &[]));
    assert_eq!(
        report["timeline"].as_array().map(Vec::len),
        Some(2),
        "{report}"
    );
    let closed = json_of(&server.command(&["incident", "close", &id, "--json"], &[]));
    assert_eq!(closed["closed"], true);
    let late = server.command(
        &[
            "incident",
            "notify",
            "--template",
            "breach",
            "--incident",
            &id,
            "--yes",
        ],
        &[],
    );
    assert_eq!(late.status.code(), Some(1));
    assert!(stderr(&late).contains("is closed"), "{}", stderr(&late));
    for (title, code) in [("", 2), ("two\nlines", 2)] {
        let output = server.command(&["incident", "open", "--title", title], &[]);
        assert_eq!(output.status.code(), Some(code));
    }
    let unknown = json!({"title": "x", "scenario": "meteorite"});
    let answer = server
        .post_as(&admin, "/api/admin/incidents", unknown)
        .await;
    refused(answer, 422, "invalid_members").await;
}

#[test]
fn what_cannot_be_used_is_named_with_its_fix() {
    let server = Server::start();
    let taken = server.data.path().join("test.log");
    let taken = taken.to_str().expect("UTF-8");
    for (command, code, told) in [
        (&["check", "--url", "nonsense"][..], 2, "write https://HOST"),
        (
            &["check", "--url", "ftp://example.com"],
            2,
            "write https://HOST",
        ),
        (&["backup", "--to", taken], 1, "test.log cannot be used: "),
        (
            &["restore-drill", "--from", taken],
            1,
            "test.log.manifest.json: No such file or directory (os error 2); a copy is proved by the manifest",
        ),
        (
            &["keys", "revoke", "nobody", "--yes"],
            1,
            "no key is named \"nobody\"; there are ",
        ),
        (
            &["sessions", "revoke", "--sid", "nobody"],
            1,
            "there is no session nobody",
        ),
    ] {
        let output = server.command(command, &[]);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {error}");
        assert!(error.contains(told), "{command:?}: {error}");
    }
}
