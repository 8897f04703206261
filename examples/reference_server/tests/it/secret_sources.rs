//! Secrets: which are refused, what is told about the others, and what `.env` may say.

use std::path::Path;
use std::process::Output;

use crate::server::binary;
use crate::sources::{check, said, write};

const GOOD: &str = "kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi";

/// Runs a command in a folder of its own.
fn in_folder(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = binary();
    command.args(arguments).current_dir(folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .envs(settings.iter().copied())
        .output()
        .expect("it runs")
}

#[test]
fn secrets_are_judged_and_none_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pepper");
    write(
        &file,
        "p8Zr3Lq6Yt1Wn9Kx4Hs7Vd2Bg5Jm0Fc-RaUeTiOoEyQ\n",
        0o644,
    );
    let path = file.to_str().expect("UTF-8");
    let settings = [
        ("SECRET_KEY", GOOD),
        (
            "SECRET_KEY_PREVIOUS",
            "canary-change-me-please-this-is-no-secret-key,kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi",
        ),
        ("PASSWORD_PEPPER_FILE", path),
        ("REDIS_URL", "rediss://:canary@redis.example.com"),
    ];
    let ask = |more: &[&str], settings: &[(&str, &str)]| {
        in_folder(
            folder.path(),
            &[&["secret", "check"], more].concat(),
            settings,
        )
    };
    let found = ask(&["--json"], &settings);
    assert_eq!(found.status.code(), Some(1));
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    for secret in ["canary", "kQ3v", "p8Zr"] {
        assert!(
            !text.contains(secret) && !said(&found).contains(secret),
            "{text}"
        );
    }
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let of = |index: usize| &found["secrets"][index];
    assert_eq!(
        (&of(0)["name"], &of(0)["bytes"]),
        (&"SECRET_KEY".into(), &40.into())
    );
    assert!(
        of(0)["refused"].is_null() && of(0)["source"] == "environment",
        "{found}"
    );
    for (index, told) in [
        (1, "the secret is too weak: it is a placeholder"),
        (2, "is the same as SECRET_KEY"),
    ] {
        let refused = of(index)["refused"].as_str().unwrap_or_default();
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(of(3)["source"], path);
    let doubt = of(3)["doubt"].as_str().expect("a doubt");
    assert!(
        doubt.starts_with("others on this machine can read"),
        "{doubt}"
    );
    let doubt = of(4)["doubt"].as_str().expect("a doubt");
    assert!(doubt.contains("fewer than 16 characters"), "{doubt}");

    // Only doubts are left.
    let settings = [settings[0], settings[2]];
    assert_eq!(ask(&[], &settings).status.code(), Some(0));
    assert_eq!(ask(&["--strict"], &settings).status.code(), Some(1));
    write(
        &file,
        "p8Zr3Lq6Yt1Wn9Kx4Hs7Vd2Bg5Jm0Fc-RaUeTiOoEyQ\n",
        0o600,
    );
    assert_eq!(ask(&["--strict"], &settings).status.code(), Some(0));
    let missing = ask(&[], &[("RAMPART_ENV", "production"), ("SECRET_KEY", GOOD)]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&missing.stdout)
            .contains("PASSWORD_PEPPER           refused: is required in production")
    );

    // Two places have the same secret if they have the same fingerprint.
    let by_file = in_folder(folder.path(), &["secret", "fingerprint", path], &[]);
    let listed = ask(&["--json"], &settings);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let by_file = String::from_utf8_lossy(&by_file.stdout).trim().to_owned();
    assert_eq!(listed["secrets"][1]["fingerprint"], by_file.as_str());
    assert_eq!(by_file.len(), 8);
    assert_ne!(listed["secrets"][0]["fingerprint"], by_file.as_str());
}

#[test]
fn a_secret_of_words_and_sequences_is_refused_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    for weak in [
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "123456789012345678901234567890123456789012345678",
        "0000-1111-2222-3333-4444-5555-6666-7777-8888-9999",
        "fgr4fe34w2rfTwfe3444234edfewfw4eQfWeWrtfHtgdyhfUkO",
        "admin-postgres-demo-test-development-secret",
        "qwertyuiop-asdfghjkl-zxcvbnm-1234567890",
    ] {
        for name in ["SECRET_KEY", "PASSWORD_PEPPER"] {
            let refused = check(folder.path(), &[(name, weak)]);
            assert_eq!(refused.status.code(), Some(78), "{name}={weak}");
            assert!(
                said(&refused).contains("the secret is too weak"),
                "{}",
                said(&refused)
            );
            assert!(!said(&refused).contains(weak));
        }
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_password_that_another_machine_takes_is_not_guessed() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = |password: &str| {
        let scheme = "postgres:";
        format!("{scheme}//rampart_app:{password}@db.example.com/rampart?sslmode=verify-full")
    };
    let ask = |url: &str| {
        let settings = [("RAMPART_ENV", "production"), ("DATABASE_URL", url)];
        said(&check(folder.path(), &settings))
    };
    for weak in ["", "canary", "canarypassword1", "postgres-password-1234"] {
        let told = ask(&url(weak));
        assert!(told.contains("DATABASE_URL: the password in it"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
    let in_query =
        "postgres://rampart_app@db.example.com/rampart?sslmode=verify-full&password=canary";
    assert!(ask(in_query).contains("DATABASE_URL: the password in it"));
    for good in [
        url("Zm9yIGEgdGVzdCBvbmx5"),
        "postgres://rampart_app@db.example.com/rampart?sslmode=verify-full".to_owned(),
        "postgres:///rampart?host=/run/postgresql".to_owned(),
        url("app").replace("db.example.com", "127.0.0.1"),
    ] {
        assert!(!ask(&good).contains("the password in it"), "{good}");
    }
}

#[test]
fn the_environment_wins_over_the_file_however_it_says_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    write(&key, GOOD, 0o600);
    let path = folder.path().join(".env");
    write(&path, "SECRET_KEY=changeme\nACCESS_TTL=5m\n", 0o600);
    let taken = check(
        folder.path(),
        &[("SECRET_KEY_FILE", key.to_str().expect("UTF-8"))],
    );
    assert!(taken.status.success(), "{}", said(&taken));
    write(&path, "SECRET_KEY_FILE=/nowhere\n", 0o600);
    assert!(
        check(folder.path(), &[("SECRET_KEY", GOOD)])
            .status
            .success()
    );
    let both = format!("SECRET_KEY={GOOD}\nSECRET_KEY_FILE=/nowhere\n");
    write(&path, &both, 0o600);
    assert!(said(&check(folder.path(), &[])).contains("SECRET_KEY_FILE too; keep one of them"));
}

#[test]
fn a_file_of_settings_that_git_would_commit_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = std::process::Command::new("git")
        .args(["init", "--quiet"])
        .arg(folder.path())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no git");
        return;
    }
    write(&folder.path().join(".env"), "ACCESS_TTL=5m\n", 0o600);
    let refused = in_folder(folder.path(), &["check"], &[]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(
        said(&refused).contains(".env: is not ignored by git"),
        "{}",
        said(&refused)
    );
    write(&folder.path().join(".gitignore"), ".env\n", 0o644);
    let taken = in_folder(folder.path(), &["check"], &[]);
    assert!(taken.status.success(), "{}", said(&taken));
}

#[cfg(feature = "redis")]
#[test]
fn processes_that_count_apart_are_not_believed_to_count_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = check(folder.path(), &[("RAMPART_PROCESSES", "2")]);
    assert_eq!(told.status.code(), Some(78));
    assert!(said(&told).contains("RAMPART_PROCESSES: has no effect without REDIS_URL"));
}
