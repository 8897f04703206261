//! As it should be in production: roles with passwords, on a line that is encrypted.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::Value;

use crate::database_tls::Encrypted;
use crate::server::{Server, png};

/// Nobody gets in without a password, or without encryption, but whoever made all this.
const HBA: &str = "local all all trust\nhost all rampart 127.0.0.1/32 trust\n\
                   hostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl all all 127.0.0.1/32 reject\n";

/// The passwords of the roles begin with it; nothing that is written may.
const CANARY: &str = "CANARYm4Vt8Qz";

#[tokio::test(flavor = "multi_thread")]
async fn roles_with_passwords_on_an_encrypted_line_are_all_that_a_server_needs() {
    let Some(database) = Encrypted::start(HBA) else {
        return;
    };
    let admin = database.service.postgres_url("postgres");
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/postgres/roles.sql");
    let made = Command::new("psql")
        .args(["-qd", &admin, "-v", "ON_ERROR_STOP=1", "-f", roles])
        .output()
        .expect("psql runs");
    assert!(made.status.success(), "{made:?}");
    let password = |role: &str| format!("{CANARY}-{role}-7xK2");
    for role in ["app", "migrator", "backup", "ops", "drill"] {
        database.run(&format!(
            "ALTER ROLE rampart_{role} PASSWORD '{}'",
            password(role)
        ));
    }
    let url = |role: &str| {
        let user = format!("rampart_{role}:{}", password(role));
        database.url(&user, "rampart", &database.authority)
    };
    let (app, migrator, backup, ops) = (url("app"), url("migrator"), url("backup"), url("ops"));
    let settings = [
        ("RAMPART_ENV", "production"),
        ("RAMPART_LISTEN", "127.0.0.1:0"),
        ("RAMPART_PUBLIC_URL", "https://api.example.com"),
        ("CORS_ORIGINS", "https://app.example.com"),
        ("SECRET_KEY", crate::attacks::SECRET),
        (
            "PASSWORD_PEPPER",
            "p8Zr3Lq6Yt1Wn9Kx4Hs7Vd2Bg5Jm0Fc-RaUeTiOoEyQ",
        ),
        ("BCRYPT_COST", "10"),
        ("RUST_LOG", "trace"),
        ("DATABASE_URL", &app),
    ];
    let with = |more: &[(&'static str, &str)]| {
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let known = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        known.chain(more).collect::<Vec<_>>()
    };
    // Commands are run beside a server that may not start yet, so they get a folder first.
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str], settings: &[(&'static str, String)]| {
        let mut command = crate::server::binary();
        command
            .args(arguments)
            .env("RAMPART_DATA_DIR", folder.path().join("data"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let settings = settings.iter().map(|(name, value)| (*name, value));
        let output = command.envs(settings).output().expect("it runs");
        let told = [&output.stdout[..], &output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(!told.contains(CANARY), "{arguments:?}: {told}");
        (output.status.code(), told)
    };
    // Not its own tables' owner: without a migration there is nothing to work with.
    let (status, told) = run(&["serve"], &with(&[]));
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("run `reference-server migrate`"), "{told}");
    let (status, told) = run(&["migrate"], &with(&[("MIGRATOR_DATABASE_URL", &migrator)]));
    assert_eq!(status, Some(0), "{told}");
    // The same password on a line that is not encrypted opens nothing.
    let bare = format!(
        "{}//rampart_app:{}@127.0.0.1:{}/rampart?sslmode=disable",
        "postgres:",
        password("app"),
        database.service.port
    );
    let (status, told) = run(&["serve"], &with(&[("DATABASE_URL", &bare)]));
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("cannot be reached"), "{told}");
    // Who may do more than the work of a server is not let to do it.
    let (status, told) = run(&["serve"], &with(&[("DATABASE_URL", &migrator)]));
    assert_eq!(status, Some(1), "{told}");

    let server = Server::start_with(&settings);
    let token = server.token("ann@example.com").await;
    let uploaded = server
        .upload(&token, "a.png", "image/png", png(2, 2, 100))
        .await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let lines = "SELECT count(*), bool_and(ssl), min(version) >= 'TLSv1.2' FROM pg_stat_ssl JOIN pg_stat_activity \
                 USING (pid) WHERE usename = 'rampart_app'";
    let lines = database.run(lines);
    assert!(
        lines.ends_with("|t|t") && !lines.starts_with("0|"),
        "{lines}"
    );

    let (status, told) = run(
        &["audit", "verify", "--json"],
        &with(&[("DATABASE_URL", &ops)]),
    );
    assert_eq!(status, Some(0), "{told}");
    let verdict: Value =
        serde_json::from_str(told.lines().next().unwrap_or_default()).expect("JSON");
    assert_eq!(verdict["proved"], true, "{told}");
    let (status, told) = run(
        &["sessions", "revoke", "--all", "--yes"],
        &with(&[("DATABASE_URL", &ops)]),
    );
    assert_eq!(status, Some(0), "{told}");
    crate::server::within(2, async || {
        server.get("/api/me", &token).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    let (status, told) = run(&["backup"], &with(&[("BACKUP_DATABASE_URL", &backup)]));
    assert_eq!(status, Some(0), "{told}");
    let drill = format!("rampart_drill:{}", password("drill"));
    let maker = database.url(&drill, "postgres", &database.authority);
    let (status, told) = run(
        &["restore-drill", "--json"],
        &with(&[("DRILL_DATABASE_URL", &maker)]),
    );
    assert_eq!(status, Some(0), "{told}");
    assert!(!server.log().contains(CANARY), "the log tells a password");
}
