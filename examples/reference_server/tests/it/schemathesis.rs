//! Another reader of the description, which asks thousands of odd things.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::operators::document;
use crate::server::Server;
use crate::services::skipped;

/// Who asks, as the description calls it, and the fields that prove it.
enum Caller {
    Bearer(String),
    Cookie(String),
}

impl Caller {
    fn scheme(&self) -> &'static str {
        match self {
            Self::Bearer(_) => "bearerAuth",
            Self::Cookie(_) => "cookieAuth",
        }
    }

    fn fields(&self) -> Vec<String> {
        match self {
            Self::Bearer(token) => vec![format!("Authorization: Bearer {token}")],
            // As a page of the server itself sends it.
            Self::Cookie(token) => vec![
                format!("Cookie: __Host-access={token}"),
                "Origin: http://localhost:8080".to_owned(),
                "Sec-Fetch-Site: same-origin".to_owned(),
            ],
        }
    }
}

/// Asks a server, and expects nothing that is not described.
fn ask(server: &Server, caller: &Caller, which: &[&str]) {
    // One way to sign in at a time, as it must be.
    let mut document = document();
    let scheme = caller.scheme();
    document["components"]["securitySchemes"]
        .as_object_mut()
        .expect("schemes")
        .retain(|name, _| name == scheme);
    let paths = document["paths"].as_object_mut().expect("paths");
    for methods in paths.values_mut() {
        for operation in methods.as_object_mut().expect("methods").values_mut() {
            if operation["security"].is_array() {
                operation["security"] = json!([{scheme: []}]);
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, document.to_string()).expect("written");
    let mut command = Command::new("schemathesis");
    command.current_dir(folder.path()).arg("run").arg(&path);
    command.args(["--url", &server.url]).args(which);
    for field in caller.fields() {
        command.args(["-H", &field]);
    }
    command
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
        .args(["--phases", "coverage,fuzzing", "-n", "25", "--workers", "2", "--seed", "1"]);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let log = server.log();
    let failed: Vec<_> = log.lines().filter(|line| line.contains("failed")).collect();
    assert!(output.status.success(), "{said}\n{}", failed.join("\n"));
}

fn is_here() -> bool {
    let found = Command::new("schemathesis")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let here = found.is_ok_and(|status| status.success());
    if !here {
        skipped("schemathesis");
    }
    here
}

const UNLIMITED: [(&str, &str); 3] = [
    ("LIMIT_API", "1000000/1m"),
    ("LIMIT_LOGIN_IP", "1000000/1m"),
    ("LIMIT_LOGIN_ACCOUNT", "1000000/1m"),
];

/// What ends the session that it works with.
const LAST: [&str; 6] = [
    "--exclude-path",
    "/api/auth/logout",
    "--exclude-name",
    "DELETE /api/me",
    "--exclude-path-regex",
    "admin/incidents/.*actions",
];

#[tokio::test]
async fn nothing_is_found_that_is_not_described() {
    if !is_here() {
        return;
    }
    let server = Server::start_with(&UNLIMITED);
    let admin = Caller::Bearer(server.admin(&[]).await);
    ask(&server, &admin, &LAST);
    // Then it may do its worst to itself.
    for last in [
        &["--include-path-regex", "admin/incidents/.*actions"][..],
        &["--include-path", "/api/auth/logout"],
        &["--include-name", "DELETE /api/me"],
    ] {
        ask(&server, &admin, last);
    }
}

#[tokio::test]
async fn nothing_is_found_with_cookies_on_postgres_either() {
    if !is_here() {
        return;
    }
    let Some(url) = crate::postgres::database("described") else {
        return;
    };
    let database = ("DATABASE_URL", &*url);
    let settings: Vec<_> = UNLIMITED.into_iter().chain([database]).collect();
    let server = Server::start_with(&settings);
    let admin = Caller::Cookie(server.admin(&[database]).await);
    let mut request = server.request(reqwest::Method::PATCH, "/api/me");
    for field in admin.fields() {
        let (name, value) = field.split_once(": ").expect("a field");
        request = request.header(name.to_owned(), value.to_owned());
    }
    let change = request.json(&json!({"display_name": "Root"})).send().await;
    assert_eq!(change.expect("an answer").status(), 200, "it is signed in");
    ask(&server, &admin, &LAST);
}
