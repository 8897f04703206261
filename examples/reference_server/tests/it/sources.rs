//! Where settings come from, and what is refused wherever that is.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use crate::server::binary;

const EXAMPLE: &str = include_str!("../../deploy/.env.example");

/// Checks the configuration in a folder of its own.
pub(crate) fn check(folder: &Path, settings: &[(&str, &str)]) -> Output {
    let mut command = binary();
    command
        .arg("check")
        .current_dir(folder)
        .envs(settings.iter().copied());
    command.output().expect("it runs")
}

pub(crate) fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_file_beside_a_development_server_says_what_nobody_else_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".env");
    write(&path, "# a comment\nACCESS_TTL=never\n", 0o600);
    let taken = check(folder.path(), &[]);
    assert_eq!(taken.status.code(), Some(78));
    assert!(
        said(&taken).starts_with("ACCESS_TTL: \"never\" cannot be read"),
        "{}",
        said(&taken)
    );
    assert!(
        check(folder.path(), &[("ACCESS_TTL", "5m")])
            .status
            .success(),
        "the environment comes first"
    );

    write(&path, "ACCESS_TTL=5m\n", 0o644);
    assert!(said(&check(folder.path(), &[])).starts_with(".env: can be read by others"));
    write(&path, "this is canary no line\n", 0o600);
    let broken = said(&check(folder.path(), &[]));
    assert!(
        broken.starts_with(".env: has a line") && !broken.contains("canary"),
        "{broken}"
    );
    write(&path, "RAMPART_ENV=production\n", 0o600);
    assert!(said(&check(folder.path(), &[])).contains(".env: cannot be for production"));
    // What is for production is not there at all.
    write(&path, "ACCESS_TTL=never\n", 0o644);
    let production = said(&check(folder.path(), &[("RAMPART_ENV", "production")]));
    assert!(
        !production.contains("ACCESS_TTL") && !production.contains(".env"),
        "{production}"
    );
}

#[test]
fn every_secret_of_the_example_is_refused_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join(".env"), EXAMPLE, 0o600);
    let refused = said(&check(folder.path(), &[]));
    for name in ["SECRET_KEY", "PASSWORD_PEPPER"] {
        assert!(refused.contains(&format!("{name}: ")), "{refused}");
    }
    for line in EXAMPLE
        .lines()
        .filter(|line| line.starts_with("SECRET_KEY=") || line.starts_with("PASSWORD_PEPPER="))
    {
        let (_, value) = line.split_once('=').expect("a value");
        assert!(!refused.contains(value), "{refused}");
        for name in ["SECRET_KEY", "PASSWORD_PEPPER"] {
            assert_eq!(
                check(folder.path(), &[(name, value)]).status.code(),
                Some(78),
                "{name} {value}"
            );
        }
    }
}

#[test]
fn urls_with_passwords_can_be_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("url");
    write(&path, "mysql://app:canary@db/app\n", 0o600);
    let path = path.to_str().expect("UTF-8");
    let output = check(folder.path(), &[("DATABASE_URL_FILE", path)]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        said(&output).starts_with("DATABASE_URL: ") && !said(&output).contains("canary"),
        "{}",
        said(&output)
    );
    let both = check(
        folder.path(),
        &[("DATABASE_URL_FILE", path), ("DATABASE_URL", "sqlite://x")],
    );
    assert!(
        said(&both).contains("DATABASE_URL: is set, and DATABASE_URL_FILE too"),
        "{}",
        said(&both)
    );
    let missing = check(folder.path(), &[("DATABASE_URL_FILE", "/nowhere/url")]);
    assert!(
        said(&missing).starts_with("DATABASE_URL_FILE: /nowhere/url cannot be read"),
        "{}",
        said(&missing)
    );
    write(
        Path::new(path),
        &format!("sqlite://{}/other.db\n", folder.path().display()),
        0o600,
    );
    assert!(
        check(folder.path(), &[("DATABASE_URL_FILE", path)])
            .status
            .success()
    );
}

#[cfg(feature = "s3")]
#[test]
fn a_bucket_on_another_machine_is_not_reached_in_the_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |endpoint: &str| {
        let settings = [
            ("STORAGE_URL", "s3://bucket/prefix"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        check(folder.path(), &settings)
    };
    assert!(said(&check("http://minio.example.com:9000")).contains("without TLS"));
    assert!(check("http://127.0.0.1:9000").status.success());
    assert!(check("https://minio.example.com").status.success());
}

/// Files for deployment cannot be run everywhere; what can be checked here is.
#[test]
fn files_for_deployment_name_settings_that_exist() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let read = |name: &str| std::fs::read_to_string(deploy.join(name)).expect(name);
    let help = binary().arg("--help").output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let compose = read("compose.yaml");
    for name in [
        "RAMPART_PUBLIC_URL",
        "CORS_ORIGINS",
        "TRUSTED_PROXIES",
        "BCRYPT_COST",
        "MAIL_FROM",
        "SECURITY_CONTACT",
    ] {
        assert!(
            compose.contains(&format!("{name}:")) && help.contains(name),
            "{name}"
        );
    }
    // Every secret that something reads comes from a file.
    for rest in compose.split("/run/secrets/").skip(1) {
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let name: String = rest.chars().take_while(|c| named(*c)).collect();
        let file = format!("\n  {name}: {{ file: secrets/{name} }}\n");
        assert!(compose.contains(&file), "{name}");
    }
    // What nginx is in, and what the servers believe.
    assert_eq!(compose.matches("172.30.0.0/24").count(), 2);
    assert!(read("nginx/rampart.conf").contains("X-Forwarded-For $remote_addr;"));
    for file in [
        "compose.yaml",
        "Dockerfile",
        "nginx/rampart.conf",
        "systemd/reference-server.service",
    ] {
        assert!(!read(file).contains("BEGIN PRIVATE KEY"), "{file}");
    }
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.contains("USER 65532") && dockerfile.contains(":nonroot"));
}

#[test]
fn the_folder_of_a_service_manager_is_a_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let credentials = tempfile::tempdir().expect("a folder");
    let directory = credentials.path().to_str().expect("UTF-8").to_owned();
    let check = |more: &[(&str, &str)]| {
        let settings = [&[("CREDENTIALS_DIRECTORY", &*directory)], more].concat();
        check(folder.path(), &settings)
    };
    assert!(check(&[]).status.success(), "it may be empty");
    for name in ["SECRET_KEY", "secret_key"] {
        let path = credentials.path().join(name);
        write(&path, "changeme\n", 0o600);
        let weak = check(&[]);
        assert_eq!(weak.status.code(), Some(78), "{name} is read");
        assert!(said(&weak).starts_with("SECRET_KEY: "), "{}", said(&weak));
        let made = binary().arg("gen-secret").output().expect("it runs");
        std::fs::write(&path, &made.stdout).expect("written");
        assert!(check(&[]).status.success(), "{name} alone is enough");
        let same = String::from_utf8(made.stdout).expect("text");
        assert!(check(&[("SECRET_KEY", same.trim())]).status.success());
        let other = binary().arg("gen-secret").output().expect("it runs");
        let other = String::from_utf8(other.stdout).expect("text");
        let two = check(&[("SECRET_KEY", other.trim())]);
        assert_eq!(two.status.code(), Some(78), "two values are none");
        assert!(said(&two).contains(&directory) && !said(&two).contains(other.trim()));
        std::fs::remove_file(&path).expect("removed");
    }
}

#[test]
fn a_thousand_generated_secrets_are_all_different_and_all_good() {
    let made: Vec<_> = (0..1_000)
        .map(|_| {
            let output = binary().arg("gen-secret").output().expect("it runs");
            let secret = String::from_utf8(output.stdout)
                .expect("text")
                .trim()
                .to_owned();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            assert!(secret.len() == 64 && secret.chars().all(plain), "{secret}");
            secret
        })
        .collect();
    let different: std::collections::BTreeSet<_> = made.iter().collect();
    assert_eq!(different.len(), made.len());
    // Each of a list is judged like the one in use.
    let folder = tempfile::tempdir().expect("a folder");
    for some in made.chunks(250) {
        let checked = check(folder.path(), &[("SECRET_KEY_PREVIOUS", &some.join(","))]);
        assert!(checked.status.success(), "{}", said(&checked));
    }
}
