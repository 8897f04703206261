//! Secrets with a mark on them, while the services of a server go away.

use reqwest::StatusCode;
use serde_json::json;

use crate::canary::holding;
use crate::server::{PASSWORD, Server, binary, text};
use crate::services::Service;

/// A password that stands in URLs.
const IN_URLS: &str = "CANARYq8Wz3Lp6Tn";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_when_services_go_away() {
    let Some(mut postgres) = Service::postgres() else {
        return;
    };
    // The database lets everybody in, whatever they say; nobody is at the other ports.
    let database = format!(
        "{}//rampart:{IN_URLS}@127.0.0.1:{}/postgres",
        "postgres:", postgres.port
    );
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = nobody.expect("a port").port();
    let (mails, counts) = (
        format!("{}//rampart:{IN_URLS}@127.0.0.1:{nobody}", "smtp:"),
        format!("{}//:{IN_URLS}@127.0.0.1:{nobody}", "redis:"),
    );
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    let secret = |text: &str| {
        std::fs::write(&key, format!("{text}-9ZxT7mB2nLw8RfY5cHj1DpGsAe0uWzXoVi")).expect("written")
    };
    secret("CANARYone");
    let settings = [
        ("DATABASE_URL", &*database),
        ("SMTP_URL", &*mails),
        ("MAIL_FROM", "rampart@example.com"),
        ("REDIS_URL", &*counts),
        ("RAMPART_PROCESSES", "2"),
        ("SECRET_KEY_FILE", key.to_str().expect("UTF-8")),
        ("RUST_LOG", "trace"),
    ];
    let mut told = String::new();
    let mut run = |server: Option<&Server>, arguments: &[&str]| {
        let mut command = binary();
        command
            .args(arguments)
            .envs(settings)
            .env("BCRYPT_COST", "10");
        command.env(
            "RAMPART_DATA_DIR",
            match server {
                Some(server) => server.data.path().to_owned(),
                None => folder.path().join("data"),
            },
        );
        let output = command.output().expect("it runs");
        told += &String::from_utf8_lossy(&output.stdout);
        told += &String::from_utf8_lossy(&output.stderr);
        output.status.code()
    };
    assert_eq!(run(None, &["serve"]), Some(1), "no tables yet");
    assert_eq!(run(None, &["migrate"]), Some(0));
    let server = Server::start_with(&settings);
    server.register("ann@example.com").await;
    let token = text(&server.login("ann@example.com").await, "access_token");
    let forgot = json!({"email": "ann@example.com"});
    assert_eq!(
        server
            .post("/api/auth/password/forgot", forgot)
            .await
            .status(),
        202
    );
    crate::server::within(10, async || {
        server.log().contains("lettre") || server.log().contains("mail")
    })
    .await;
    server.signal("HUP");
    // Another secret while it runs, and one that cannot be used.
    secret("CANARYtwo");
    crate::server::within(10, async || {
        server
            .log()
            .contains("secrets of the configuration changed")
    })
    .await;
    std::fs::write(&key, "CANARY").expect("written");
    crate::server::within(10, async || {
        server.log().contains("changed settings cannot be used")
    })
    .await;
    postgres.kill();
    for path in ["/api/me", "/api/images", "/readyz"] {
        let answer = server.get(path, &token).await;
        let text = format!(
            "{:?} {}",
            answer.headers().clone(),
            answer.text().await.unwrap_or_default()
        );
        assert!(!text.contains("CANARY"), "{text}");
    }
    let away = server.sign_in("ann@example.com", PASSWORD).await;
    assert_eq!(away, StatusCode::SERVICE_UNAVAILABLE);
    secret("CANARYone");
    for command in [
        &["check", "--deploy"][..],
        &["audit", "verify"],
        &["backup"],
        &["incident", "list"],
        &["secret", "check"],
        &["serve"],
    ] {
        assert_ne!(run(Some(&server), command), None, "{command:?}");
    }
    server.signal("TERM");
    for (what, text) in [("a command", &told), ("the log", &server.log())] {
        let found = text
            .find("CANARY")
            .map(|at| &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
        assert_eq!(found, None, "{what}");
    }
    let files = holding(server.data.path(), "CANARY", &[]);
    assert!(files.is_empty(), "{files:?}");
}
