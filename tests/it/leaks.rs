//! Secrets in the tracked files: a scan that finds what people commit by mistake.

use std::path::Path;
use std::process::Command;

/// Names of files that never belong into a repository.
fn is_secret_by_name(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let kept = file == ".env.example" || name.starts_with("tests/it/jwt/fixtures/");
    let secret = file == ".env"
        || file.starts_with(".env.")
        || [".pem", ".key", ".p12", ".dump", ".kdbx"]
            .iter()
            .any(|ending| file.ends_with(ending));
    secret && !kept
}

/// A password that stands for one: it says so, or is a mark of a test.
fn is_an_example(password: &str) -> bool {
    ["canary", "hunter2"].contains(&password.to_ascii_lowercase().as_str())
        || password.bytes().all(|byte| byte.is_ascii_uppercase())
        || password.bytes().all(|byte| byte.is_ascii_digit())
}

/// The password in a URL, if there is one.
fn password_in_url(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("://")?;
    let authority = rest.split(['/', '"', '\'', ' ', '?', '`']).next()?;
    let (userinfo, _) = authority.rsplit_once('@')?;
    let (_, password) = userinfo.split_once(':')?;
    Some(password).filter(|password| !password.is_empty())
}

/// What looks like a secret in a text: the line, and why.
fn secrets(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if is_secret_by_name(name) {
        found.push(format!("{name}: such a file holds secrets"));
    }
    let fixture = name.starts_with("tests/it/jwt/");
    for (index, line) in text.lines().enumerate() {
        let mut say = |what: &str| found.push(format!("{name}:{}: {what}", index + 1));
        // In two pieces: this file is scanned as well.
        if line.contains(concat!("PRIVATE ", "KEY-----")) && line.contains("BEGIN") && !fixture {
            say("a private key");
        }
        if password_in_url(line).is_some_and(|password| !is_an_example(password)) {
            say("a password in a URL");
        }
        for (prefix, length) in [("AKIA", 16), ("ghp_", 36), ("xoxb-", 20), ("sk_live_", 20)] {
            let token = line.split_once(prefix).map_or("", |(_, rest)| rest);
            let run = token.bytes().take_while(u8::is_ascii_alphanumeric).count();
            if run >= length {
                say("a token of a well-known service");
            }
        }
        let assigned = [
            "SECRET_KEY=",
            "PASSWORD_PEPPER=",
            "SECRET_KEY: ",
            "PASSWORD_PEPPER: ",
        ];
        for value in assigned
            .iter()
            .filter_map(|name| Some(line.split_once(name)?.1))
        {
            let value: String = value
                .trim_matches(['"', '\''])
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect();
            let distinct: std::collections::BTreeSet<_> =
                value.chars().filter(|c| c.is_ascii_uppercase()).collect();
            if value.len() >= 32 && distinct.len() >= 8 {
                say("a secret that could be in use");
            }
        }
    }
    found
}

#[test]
fn no_secret_is_in_a_tracked_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        // A packed crate has no repository.
        return;
    };
    let names = String::from_utf8(listed.stdout).expect("names");
    let mut scanned = 0;
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // One that was removed, and is not committed yet.
        let Ok(bytes) = std::fs::read(root.join(name)) else {
            continue;
        };
        let found = secrets(name, &String::from_utf8_lossy(&bytes));
        assert!(found.is_empty(), "{found:#?}");
        scanned += 1;
    }
    assert!(scanned > 200, "{scanned} files");
}

#[test]
fn planted_secrets_are_found() {
    let random = "q3WbV9xLrT0kPzYc7HnEa5mJ2sUdGf8XoRi1QwAe4MlKtNvB";
    for (name, text) in [
        (".env", "A=1"),
        ("deploy/.env.production", ""),
        ("server.key", ""),
        ("backup.dump", ""),
        ("notes.md", concat!("-----BEGIN ", "PRIVATE ", "KEY-----")),
        (
            "a.rs",
            concat!("let url = \"postgres://app", ":s3cret@db/app\";"),
        ),
        ("a.yml", concat!("url: redis://", ":p4ss@cache")),
        (
            "a.sh",
            concat!("export AWS_ACCESS_KEY_ID=AK", "IAIOSFODNN7EXAMPLE"),
        ),
        ("a.toml", &format!("SECRET_KEY={random}")),
        ("a.yaml", &format!("  PASSWORD_PEPPER: \"{random}\"")),
    ] {
        assert_eq!(secrets(name, text).len(), 1, "{name}: {text}");
    }
    for (name, text) in [
        (
            ".env.example",
            "SECRET_KEY=replace-me-with-the-output-of-gen-secret-and-keep-it-to-yourself",
        ),
        ("a.md", "postgres://USER:PASSWORD@HOST/DATABASE"),
        ("a.md", "http://localhost:5173/a@b"),
        ("a.md", "set SECRET_KEY_FILE to the output of `gen-secret`"),
    ] {
        assert_eq!(secrets(name, text), Vec::<String>::new(), "{name}");
    }
}
