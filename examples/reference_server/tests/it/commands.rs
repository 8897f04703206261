//! The commands and the configuration.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use crate::server::{PASSWORD, Server, binary};

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    binary()
        .args(arguments)
        .envs(settings.iter().copied())
        .output()
        .expect("the command runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_generated_secret_is_long_enough_and_never_the_same() {
    let first = run(&["gen-secret"], &[]);
    let second = run(&["gen-secret"], &[]);
    assert!(first.status.success());
    assert_eq!(stdout(&first).trim().len(), 64);
    assert_ne!(first.stdout, second.stdout);
    assert_eq!(
        stdout(&run(
            &["gen-secret", "--bytes", "32", "--format", "hex"],
            &[]
        ))
        .trim()
        .len(),
        64
    );
    assert!(stdout(&run(&["gen-secret", "--format", "env", "--name", "X"], &[])).starts_with("X="));
    assert_eq!(
        run(&["gen-secret", "--bytes", "8"], &[]).status.code(),
        Some(2)
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    let path = path.to_str().expect("UTF-8");
    assert!(run(&["gen-secret", "--out", path], &[]).status.success());
    assert_eq!(
        std::fs::metadata(path)
            .expect("a file")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let again = run(&["gen-secret", "--out", path], &[]);
    assert_eq!(
        again.status.code(),
        Some(1),
        "an existing file is never overwritten"
    );
}

#[test]
fn a_migration_can_be_looked_at_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8");
    let migrate = |arguments: &[&str]| {
        let output = run(
            &[&["migrate"], arguments].concat(),
            &[("RAMPART_DATA_DIR", data)],
        );
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let pending = migrate(&["--dry-run"]);
    assert!(
        pending.starts_with("would run 0001 users and images\n"),
        "{pending}"
    );
    assert!(
        !folder.path().join("rampart.db").exists(),
        "nothing was made"
    );
    assert!(migrate(&[]).ends_with("is up to date\n"));
    assert!(migrate(&["--dry-run"]).ends_with("is up to date\n"));
}

#[test]
fn every_wrong_setting_is_reported_at_once_without_its_secret() {
    let output = run(
        &["check"],
        &[
            ("RAMPART_ENV", "production"),
            ("RAMPART_LISTNE", "0.0.0.0:80"),
            ("SECRET_KEY", "canary-short"),
            ("DATABASE_URL", "mysql://app:canary@db/app"),
            (
                "CORS_ORIGINS",
                "https://app.example.com/,http://localhost:5173",
            ),
            ("TRUSTED_PROXIES", "proxy"),
            ("LIMIT_API", "300 per minute"),
            ("BCRYPT_COST", "4"),
            ("PASSWORD_BLOCKLIST_FILE", "/nowhere/words"),
            ("PASSWORD_BREACH_FILE", "/nowhere/leaked"),
            ("ACCESS_TTL", "2d"),
            ("REDIS_URL", "redis://x"),
        ],
    );
    assert_eq!(output.status.code(), Some(78));
    let text = stderr(&output);
    for expected in [
        "RAMPART_LISTNE: is not a setting; did you mean RAMPART_LISTEN?",
        "RAMPART_LISTEN: is required in production",
        "RAMPART_DATA_DIR: is required in production",
        "RAMPART_PUBLIC_URL: is required in production",
        "SECRET_KEY: the secret is too weak: it is shorter than 32 bytes",
        "PASSWORD_PEPPER: is required in production",
        "DATABASE_URL: is not a URL that this build can use",
        "CORS_ORIGINS: CORS_ORIGINS[0] \"https://app.example.com/\"",
        "CORS_ORIGINS: CORS_ORIGINS[1] \"http://localhost:5173\": a loopback origin",
        "TRUSTED_PROXIES: trusted proxy 0 \"proxy\"",
        "LIMIT_API: \"300 per minute\" cannot be read; write COUNT/PERIOD",
        "BCRYPT_COST: \"4\" cannot be read; write a number from 10 to 15",
        "PASSWORD_BLOCKLIST_FILE: /nowhere/words cannot be read (No such file",
        "PASSWORD_BREACH_FILE: /nowhere/leaked: the list of leaked passwords cannot be read; write",
        "an access lifetime of 172800s",
        if cfg!(feature = "redis") {
            "REDIS_URL: names another machine without TLS; write rediss://"
        } else {
            "REDIS_URL: this build keeps limits in its own process"
        },
    ] {
        assert!(text.contains(expected), "{expected:?} in:\n{text}");
    }
    assert!(!text.contains("canary"), "{text}");
    let flag = run(&["check", "--limit-api", "lots"], &[("LIMIT_API", "1/1s")]);
    assert!(
        stderr(&flag).contains("LIMIT_API: \"lots\" cannot be read"),
        "a flag wins: {}",
        stderr(&flag)
    );
    let json = run(&["check", "--json"], &[("BCRYPT_COST", "4")]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(
        (&json["ok"], &json["problems"][0]["name"]),
        (&false.into(), &"BCRYPT_COST".into())
    );
}

#[test]
fn defaults_are_usable_and_production_is_with_everything_set() {
    assert!(run(&["check"], &[]).status.success());
    let secret = stdout(&run(&["gen-secret"], &[])).trim().to_owned();
    let pepper = stdout(&run(&["gen-secret"], &[])).trim().to_owned();
    let output = run(
        &["check"],
        &[
            ("RAMPART_ENV", "production"),
            ("RAMPART_LISTEN", "0.0.0.0:8080"),
            ("RAMPART_PUBLIC_URL", "https://api.example.com"),
            ("RAMPART_DATA_DIR", "/var/lib/rampart"),
            ("SECRET_KEY", &secret),
            ("PASSWORD_PEPPER", &pepper),
            ("CORS_ORIGINS", "https://app.example.com"),
            ("BCRYPT_COST", "12"),
        ],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let settings = [("SECRET_KEY", &*secret), ("PASSWORD_PEPPER", &*secret)];
    let output = run(&["check"], &settings);
    assert!(stderr(&output).contains("PASSWORD_PEPPER: repeats a SECRET_KEY"));
    let settings = [
        ("PASSWORD_PEPPER", &*pepper),
        ("PASSWORD_PEPPER_PREVIOUS", &*pepper),
    ];
    let output = run(&["check"], &settings);
    assert!(stderr(&output).contains("PASSWORD_PEPPER_PREVIOUS: repeats a pepper"));
}

#[test]
fn a_secret_may_come_from_a_file_but_not_from_two_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    std::fs::write(&path, stdout(&run(&["gen-secret"], &[]))).expect("written");
    let path = path.to_str().expect("UTF-8");
    assert!(
        run(&["check"], &[("SECRET_KEY_FILE", path)])
            .status
            .success()
    );
    let both = run(
        &["check"],
        &[("SECRET_KEY_FILE", path), ("SECRET_KEY", "x")],
    );
    assert!(
        stderr(&both).contains("SECRET_KEY: is set, and SECRET_KEY_FILE too"),
        "{}",
        stderr(&both)
    );
    let secret = stdout(&run(&["gen-secret"], &[])).trim().to_owned();
    let repeated = run(
        &["check"],
        &[("SECRET_KEY", &secret), ("SECRET_KEY_PREVIOUS", &secret)],
    );
    assert!(
        stderr(&repeated).contains("SECRET_KEY_PREVIOUS: repeats SECRET_KEY"),
        "{}",
        stderr(&repeated)
    );
    let memory = run(&["check"], &[("DATABASE_URL", "sqlite://:memory:")]);
    assert_eq!(memory.status.code(), Some(78));
    let missing = run(&["check"], &[("SECRET_KEY_FILE", "/nonexistent")]);
    assert_eq!(missing.status.code(), Some(78));
}

#[test]
fn the_order_of_the_layers_can_be_read() {
    let output = run(&["explain"], &[]);
    let text = stdout(&output);
    assert!(
        output.status.success()
            && text.contains("every request, outermost first")
            && text.contains(" 6  csrf"),
        "{text}"
    );
    let json = run(&["explain", "--json"], &[]);
    assert!(
        serde_json::from_slice::<serde_json::Value>(&json.stdout)
            .expect("JSON")
            .is_object()
    );
    for command in ["serve", "gen-secret", "check", "explain"] {
        assert!(run(&[command, "--help"], &[]).status.success(), "{command}");
    }
    assert_eq!(run(&["nonsense"], &[]).status.code(), Some(2));
}

#[tokio::test]
async fn what_the_server_writes_only_its_owner_can_read() {
    let server = Server::start();
    server.register("ann@example.com").await;
    let mode = |name: &str| {
        std::fs::metadata(server.data.path().join(name))
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    for file in [
        "secret-key",
        "rampart.db",
        "rampart.db-wal",
        "rampart.db-shm",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!(mode("objects"), 0o700);
}

#[test]
fn a_cost_is_found_that_stays_within_the_target() {
    // A wide target on a busy machine, and one that nothing can keep.
    for (target, within) in [("3000", true), ("1", false)] {
        let output = run(
            &["password", "calibrate", "--target-ms", target, "--json"],
            &[],
        );
        assert!(output.status.success(), "{}", stderr(&output));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let cost = found["cost"].as_u64().expect("a number");
        let measured = found["measured_ms"].as_f64().expect("a number");
        let table = found["table"].as_array().expect("a list");
        assert_eq!(table.len(), 6);
        assert!(table[0]["ms"].as_f64() < table[5]["ms"].as_f64());
        if within {
            assert!((10..=15).contains(&cost) && measured <= 3_000.0, "{found}");
        } else {
            assert_eq!(cost, 10, "the least that is safe");
        }
    }
    let text = stdout(&run(&["password", "calibrate", "--target-ms", "1"], &[]));
    assert!(
        text.contains("BCRYPT_COST=10 takes") && text.contains("is over 1 ms"),
        "{text}"
    );
    assert_eq!(
        run(&["password", "calibrate", "--target-ms", "0"], &[])
            .status
            .code(),
        Some(2)
    );
}

#[tokio::test]
async fn an_administrator_is_added_beside_a_running_server() {
    let server = Server::start();
    let add = |email: &str, password: &str| server.add_admin(email, password, &[]);
    for (email, password, told) in [
        ("no address", PASSWORD, "this is not a mail address"),
        ("root@example.com", "short", "fewer than 15 characters"),
        (
            "root@example.com",
            "root root root root",
            "made of your address",
        ),
    ] {
        let output = add(email, password);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    let added = add("Root@example.com", PASSWORD);
    assert_eq!(
        stdout(&added),
        "root@example.com is an administrator\n",
        "{}",
        stderr(&added)
    );
    let session = server.login("root@example.com").await;
    assert_eq!(session["user"]["role"], "admin");
    let again = add("root@example.com", "another kettle parade");
    assert!(
        stderr(&again).contains("it was not changed"),
        "{}",
        stderr(&again)
    );
    server.login("root@example.com").await;
}

#[tokio::test]
async fn a_terminal_that_hangs_up_stops_no_server() {
    let server = Server::start();
    server.signal("HUP");
    crate::server::within(5, async || server.log().contains("hung up")).await;
    server.register("ann@example.com").await;
    server.login("ann@example.com").await;
}
