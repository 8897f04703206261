//! Copies, and whether they can be restored.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::server::{PASSWORD, Server, png};

fn json_of(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn drill(server: &Server, from: &Path) -> (Option<i32>, Value) {
    let output = server.command(
        &[
            "restore-drill",
            "--from",
            from.to_str().expect("UTF-8"),
            "--json",
        ],
        &[],
    );
    (output.status.code(), json_of(&output))
}

/// A copy of a server with something in it.
async fn copy(server: &Server) -> PathBuf {
    let token = server.token("ann@example.com").await;
    server
        .upload(&token, "a.png", "image/png", png(1, 1, 100))
        .await;
    let output = server.command(&["backup", "--json"], &[]);
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(json_of(&output)["file"].as_str().expect("a path"))
}

fn manifest(copy: &Path) -> PathBuf {
    PathBuf::from(format!("{}.manifest.json", copy.display()))
}

#[tokio::test]
async fn a_copy_of_a_running_server_can_be_restored_and_signed_in_to() {
    let server = Server::start();
    let path = copy(&server).await;
    for path in [path.clone(), manifest(&path)] {
        let mode = std::fs::metadata(&path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let folder = path.parent().expect("a folder");
    assert_eq!(
        std::fs::metadata(folder)
            .expect("a folder")
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    // It is a moment of its own: what comes later is not in it.
    server.register("bob@example.com").await;
    let output = server.command(&["restore-drill", "--json"], &[]);
    let report = json_of(&output);
    assert!(output.status.success() && report["ok"] == true, "{report}");
    let steps: Vec<_> = report["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| step["step"].as_str())
        .collect();
    let expected = [
        "checksum", "restore", "digests", "schema", "audit", "sign-in",
    ]
    .map(Some);
    assert_eq!(steps, expected);
    assert!(server.data.path().join("last-restore-ok").exists());
    let manifest = std::fs::read_to_string(manifest(&path)).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(
        (
            &manifest["tables"]["users"]["rows"],
            &manifest["tables"]["images"]["rows"]
        ),
        (&1.into(), &1.into())
    );
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        200,
        "the server went on"
    );
}

#[tokio::test]
async fn a_copy_with_another_byte_fails_at_its_checksum() {
    let server = Server::start();
    let path = copy(&server).await;
    let mut bytes = std::fs::read(&path).expect("a copy");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let (status, report) = drill(&server, &path);
    assert_eq!(
        (status, &report["failed"]),
        (Some(1), &"checksum".into()),
        "{report}"
    );
}

/// Changes a copy, and its checksum with it, as somebody could who has both.
async fn forge(path: &Path, statement: &'static str) {
    let mut copy = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .expect("a copy");
    sqlx::query(statement)
        .execute(&mut copy)
        .await
        .expect("changed");
    copy.close().await.expect("closed");
    let output = std::process::Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("it runs");
    let digest = String::from_utf8(output.stdout).expect("text");
    let text = std::fs::read_to_string(manifest(path)).expect("a manifest");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    document["sha256"] = digest.split(' ').next().expect("a digest").into();
    std::fs::write(manifest(path), document.to_string()).expect("written");
}

#[tokio::test]
async fn a_copy_without_a_row_fails_and_its_table_is_named() {
    let server = Server::start();
    let path = copy(&server).await;
    forge(&path, "DELETE FROM images").await;
    let (status, report) = drill(&server, &path);
    assert_eq!(
        (status, &report["failed"]),
        (Some(1), &"digests".into()),
        "{report}"
    );
    assert_eq!(
        report["steps"][2]["found"]["other"],
        serde_json::json!(["images"])
    );
}

#[tokio::test]
async fn a_copy_that_is_cut_or_missing_is_told() {
    let server = Server::start();
    let none = server.command(&["restore-drill"], &[]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("run `backup` first"));
    let path = copy(&server).await;
    let bytes = std::fs::read(&path).expect("a copy");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    let (status, report) = drill(&server, &path);
    assert_eq!(
        (status, &report["failed"]),
        (Some(1), &"checksum".into()),
        "{report}"
    );
    std::fs::remove_file(manifest(&path)).expect("removed");
    let output = server.command(
        &["restore-drill", "--from", path.to_str().expect("UTF-8")],
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
}
