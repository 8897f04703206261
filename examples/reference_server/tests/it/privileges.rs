//! A Postgres with the roles that it should have in production.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use reqwest::StatusCode;
use serde_json::Value;

use crate::server::{PASSWORD, Server, binary, png, text};
use crate::services::Service;

/// A server of its own: roles belong to all its databases.
struct Cluster(Service);

impl Cluster {
    fn start() -> Option<Self> {
        let cluster = Self(Service::postgres()?);
        let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/postgres/roles.sql");
        let admin = cluster.0.postgres_url("postgres");
        let made = Command::new("psql")
            .args(["-qd", &admin, "-v", "ON_ERROR_STOP=1", "-f", roles])
            .output();
        let made = made.expect("psql runs");
        assert!(made.status.success(), "{made:?}");
        let migrated = binary()
            .arg("migrate")
            .env("MIGRATOR_DATABASE_URL", cluster.url("rampart_migrator"))
            .output()
            .expect("the command runs");
        assert!(migrated.status.success(), "{migrated:?}");
        Some(cluster)
    }

    fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/rampart", self.0.port)
    }

    fn run(&self, role: &str, statement: &str) -> Output {
        let output = Command::new("psql")
            .args([
                "-tAqd",
                &self.url(role),
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                statement,
            ])
            .output();
        output.expect("psql runs")
    }
}

#[tokio::test]
async fn the_role_of_a_server_can_do_its_work_and_nothing_else() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let settings = [("DATABASE_URL", &*cluster.url("rampart_app"))];
    let server = Server::start_with(&settings);
    assert!(!server.log().contains("roles.sql"), "{}", server.log());
    let ann = server.token("ann@example.com").await;
    let bob = server.token("bob@example.com").await;
    let mut images = Vec::new();
    for token in [&ann, &bob] {
        let uploaded = server
            .upload(token, "a.png", "image/png", png(2, 2, 100))
            .await;
        assert_eq!(uploaded.status(), StatusCode::CREATED);
        images.push(text(&uploaded.json().await.expect("JSON"), "id"));
    }
    let listed: Value = server
        .get("/api/images", &ann)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(
        listed["items"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    let foreign = server
        .get(&format!("/api/images/{}", images[1]), &ann)
        .await;
    assert_eq!(foreign.status(), StatusCode::NOT_FOUND);
    // The same bytes are one object, which stays as long as one of them has it.
    let path = format!("/api/images/{}", images[0]);
    let gone = server
        .request(reqwest::Method::DELETE, &path)
        .bearer_auth(&ann)
        .send()
        .await
        .expect("an answer");
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let kept = server
        .get(&format!("/api/images/{}/content", images[1]), &bob)
        .await;
    assert_eq!(kept.status(), StatusCode::OK);

    for statement in [
        "CREATE TABLE rampart.more (id int)",
        "CREATE TABLE public.more (id int)",
        "CREATE TEMP TABLE more (id int)",
        "CREATE SCHEMA more",
        "CREATE EXTENSION pgcrypto",
        "CREATE ROLE more",
        "CREATE DATABASE more",
        "ALTER TABLE users ADD COLUMN more int",
        "DROP TABLE users",
        "TRUNCATE users",
        "SET ROLE rampart_owner",
        "COPY users TO '/tmp/users'",
        "COPY users FROM PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DELETE FROM audit_head",
        "ALTER TABLE images DISABLE ROW LEVEL SECURITY",
        "INSERT INTO _sqlx_migrations SELECT * FROM _sqlx_migrations",
    ] {
        let refused = cluster.run("rampart_app", statement);
        assert!(!refused.status.success(), "{statement}");
    }
    let seen = |statement: &str| {
        String::from_utf8(cluster.run("rampart_app", statement).stdout).expect("text")
    };
    assert_eq!(
        seen("SELECT count(*) FROM images").trim(),
        "0",
        "nobody in particular has no pictures"
    );
    let admin = cluster.0.postgres_url("rampart");
    let all = Command::new("psql")
        .args(["-tAqd", &admin, "-c", "SELECT count(*) FROM rampart.images"])
        .output();
    assert_eq!(
        String::from_utf8_lossy(&all.expect("psql runs").stdout).trim(),
        "1"
    );

    for (role, excess) in [("rampart_app", false), ("rampart", true)] {
        let url = format!("{}?options=-csearch_path%3Drampart", cluster.url(role));
        let output = server.command(&["check", "--deploy", "--json"], &[("DATABASE_URL", &url)]);
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let found = found["findings"].to_string();
        assert_eq!(found.contains("RP029"), excess, "{role}: {found}");
        // Several machines would count, and keep pictures, each for itself.
        assert!(
            found.contains("RP016") && found.contains("RP026"),
            "{found}"
        );
    }

    let ops = [("DATABASE_URL", &*cluster.url("rampart_ops"))];
    let disabled = server.command(&["users", "disable", "bob@example.com"], &ops);
    assert!(disabled.status.success(), "{disabled:?}");
    assert_eq!(
        server.sign_in("bob@example.com", PASSWORD).await,
        StatusCode::UNAUTHORIZED
    );
    let verified = server.command(&["audit", "verify"], &ops);
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn in_production_a_role_that_may_do_more_is_refused() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let data = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700)).expect("set");
    let secrets: Vec<_> = (0..2)
        .map(|_| {
            String::from_utf8(binary().arg("gen-secret").output().expect("it runs").stdout)
                .expect("text")
        })
        .collect();
    for (role, told) in [
        ("rampart", "is a superuser"),
        ("rampart_migrator", "owns tables"),
        ("rampart_drill", "ignores row security"),
        ("rampart_backup", "ignores row security"),
    ] {
        let output = binary()
            .env("RAMPART_ENV", "production")
            .env("RAMPART_DATA_DIR", data.path())
            .env("RAMPART_LISTEN", "127.0.0.1:0")
            .env("RAMPART_ADMIN_LISTEN", "127.0.0.1:0")
            .env("RAMPART_PUBLIC_URL", "https://api.example.com")
            .env("CORS_ORIGINS", "https://app.example.com")
            .env("BCRYPT_COST", "10")
            .env("SECRET_KEY", secrets[0].trim())
            .env("PASSWORD_PEPPER", secrets[1].trim())
            .env(
                "DATABASE_URL",
                format!("{}?options=-csearch_path%3Drampart", cluster.url(role)),
            )
            .output()
            .expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{role}");
        assert!(
            said.contains(told) || role == "rampart_backup" && said.contains("denied"),
            "{role}: {said}"
        );
    }
}

#[tokio::test]
async fn a_dump_by_the_role_for_that_can_be_restored_with_its_grants() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let settings = [("DATABASE_URL", &*cluster.url("rampart_app"))];
    let server = Server::start_with(&settings);
    let token = server.token("ann@example.com").await;
    server
        .upload(&token, "a.png", "image/png", png(2, 2, 100))
        .await;
    let urls = (
        cluster.url("rampart_backup"),
        cluster.url("rampart_drill"),
        cluster.url("rampart_app"),
    );
    let roles = [
        ("DATABASE_URL", &*urls.2),
        ("BACKUP_DATABASE_URL", &urls.0),
        ("DRILL_DATABASE_URL", &urls.1),
    ];
    let as_app = server.command(&["backup"], &settings);
    assert_eq!(
        as_app.status.code(),
        Some(1),
        "the server's own role does not see all rows"
    );
    let copied = server.command(&["backup", "--json"], &roles);
    assert!(copied.status.success(), "{copied:?}");
    let drill = || {
        let output = server.command(&["restore-drill", "--json"], &roles);
        let report = serde_json::from_slice::<Value>(&output.stdout);
        (
            output.status.code(),
            report.unwrap_or_else(|_| panic!("{output:?}")),
        )
    };
    let (status, report) = drill();
    assert_eq!(status, Some(0), "{report}");
    let steps: Vec<_> = report["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| step["step"].as_str())
        .collect();
    let expected = [
        "checksum", "restore", "digests", "grants", "schema", "audit", "sign-in", "drop",
    ]
    .map(Some);
    assert_eq!(steps, expected);
    let left = cluster.run(
        "rampart_app",
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'rampart_drill%'",
    );
    assert_eq!(String::from_utf8_lossy(&left.stdout).trim(), "0");

    let opened = cluster.run(
        "rampart_migrator",
        "ALTER TABLE rampart.images NO FORCE ROW LEVEL SECURITY",
    );
    assert!(opened.status.success(), "{opened:?}");
    // A later second: the newest one is taken.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert!(server.command(&["backup"], &roles).status.success());
    let (status, report) = drill();
    assert_eq!(
        (status, &report["failed"]),
        (Some(1), &"grants".into()),
        "{report}"
    );
}
