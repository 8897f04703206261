//! A server and its commands where something around them is not as it should be.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use http::StatusCode;
use serde_json::{Value, json};

use crate::operating::{json_of, stderr};
use crate::server::{PASSWORD, Server, binary, text};

/// A server that writes its log into a pipe which nobody reads any more.
#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing() {
    use std::os::unix::process::CommandExt as _;
    let data = tempfile::tempdir().expect("a folder");
    let settings = |command: &mut std::process::Command| {
        command
            .env("RAMPART_LISTEN", "127.0.0.1:0")
            .env("RAMPART_ADMIN_LISTEN", "127.0.0.1:0")
            .env("RAMPART_DATA_DIR", data.path())
            .env("BCRYPT_COST", "10");
    };
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let mut command = binary();
    settings(&mut command);
    let mut server = command
        .stdout(Stdio::piped())
        .stderr(full)
        .process_group(0)
        .spawn()
        .expect("it starts");
    let out = BufReader::new(server.stdout.take().expect("piped"));
    let url = out.lines().map_while(Result::ok).find_map(|line| {
        Some(
            line.strip_prefix("page ")?
                .trim()
                .trim_end_matches('/')
                .to_owned(),
        )
    });
    let url = url.expect("it says where it is");
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        let request = client.post(format!("{url}{path}")).json(&body);
        request.send().await.expect("an answer")
    };
    let account = json!({"email": "ann@example.com", "password": PASSWORD, "delivery": "body"});
    let mut register = account.clone();
    register
        .as_object_mut()
        .expect("an object")
        .remove("delivery");
    assert_eq!(
        post("/api/auth/register", register).await.status(),
        StatusCode::ACCEPTED
    );
    let session = post("/api/auth/login", account)
        .await
        .json::<Value>()
        .await
        .expect("JSON");
    let token = text(&session, "access_token");
    let me = async || {
        let request = client.get(format!("{url}/api/me")).bearer_auth(&token);
        request.send().await.expect("an answer").status()
    };
    assert_eq!(me().await, StatusCode::OK);
    let run = |arguments: &[&str]| {
        let mut command = binary();
        settings(&mut command);
        command.args(arguments).output().expect("it runs")
    };
    let keys = json_of(&run(&["keys", "list", "--json"]));
    let kid = text(&keys["keys"][0], "kid");
    assert!(run(&["keys", "revoke", &kid, "--yes"]).status.success());
    crate::server::within(3, async || me().await == StatusCode::UNAUTHORIZED).await;
    let told = std::process::Command::new("kill")
        .arg(server.id().to_string())
        .status();
    assert!(told.expect("kill runs").success());
    assert!(server.wait().expect("it ends").success());
}

#[test]
fn what_could_not_be_written_is_no_success() {
    let server = Server::start();
    for command in [
        &["gen-secret"][..],
        &["keys", "list"],
        &["audit", "tail"],
        &["audit", "verify", "--json"],
        &["openapi"],
        &["explain"],
        &["backup"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let output = binary()
            .args(command)
            .env("RAMPART_DATA_DIR", server.data.path())
            .stdout(full)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(
            stderr(&output).contains("standard output: "),
            "{command:?}: {}",
            stderr(&output)
        );
    }
}

#[tokio::test]
async fn a_command_with_another_secret_does_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, crate::attacks::SECRET).expect("written");
    let settings = [("SECRET_KEY_FILE", key.to_str().expect("UTF-8"))];
    let server = Server::start_with(&settings);
    let token = server.token("ann@example.com").await;
    let other = [("SECRET_KEY", "p8Zr3Lq6Yt1Wn9Kx4Hs7Vd2Bg5Jm0Fc-RaUeTiOoEyQ")];
    for command in [
        &["keys", "list"][..],
        &["keys", "rotate"],
        &[
            "incident",
            "respond",
            "--scenario",
            "signing-key-leak",
            "--yes",
        ],
        &[
            "incident",
            "respond",
            "--scenario",
            "signing-key-leak",
            "--dry-run",
        ],
        &["users", "force-reset", "--user", "ann@example.com"],
        &["sessions", "revoke", "--all", "--yes"],
    ] {
        for settings in [&[][..], &other] {
            let output = server.command(command, settings);
            assert_eq!(output.status.code(), Some(78), "{command:?}: {output:?}");
            assert!(
                stderr(&output).starts_with("SECRET_KEY: is not the one (fingerprint "),
                "{}",
                stderr(&output)
            );
        }
    }
    for made in ["secret-key", "bcrypt-cost"] {
        assert!(!server.data.path().join(made).exists(), "{made} was made");
    }
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
    assert!(
        server
            .command(&["keys", "rotate"], &settings)
            .status
            .success()
    );
}
