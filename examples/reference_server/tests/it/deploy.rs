//! `check --deploy` and `check --url`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

#[cfg(feature = "probe")]
use crate::server::Server;
use crate::server::binary;

/// A configuration that nothing is wrong with, but that it has no mail server here.
struct Good {
    folder: tempfile::TempDir,
}

impl Good {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("set");
        for name in ["secret", "pepper"] {
            let path = folder.path().join(name);
            let made = binary()
                .args(["gen-secret", "--out"])
                .arg(path)
                .status()
                .expect("it runs");
            assert!(made.success());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Runs the check with other settings; an empty value takes one away.
    fn check(&self, others: &[(&str, &str)]) -> (Option<i32>, Value) {
        let data = self.folder.path().to_string_lossy().into_owned();
        let (secret, pepper) = (self.path("secret"), self.path("pepper"));
        let output = binary()
            .args(["check", "--deploy", "--json"])
            .env("RAMPART_ENV", "production")
            .env("RAMPART_DATA_DIR", data)
            .env("RAMPART_LISTEN", "127.0.0.1:8080")
            .env("RAMPART_PUBLIC_URL", "https://api.example.com")
            .env("CORS_ORIGINS", "https://app.example.com")
            .env("TRUSTED_PROXIES", "10.1.0.0/16")
            .env("SECRET_KEY_FILE", secret)
            .env("PASSWORD_PEPPER_FILE", pepper)
            .env("BCRYPT_COST", "12")
            .env("SECURITY_CONTACT", "mailto:security@example.com")
            .env(
                "SMTP_URL",
                if cfg!(feature = "smtp") {
                    "smtps://mail.example.com"
                } else {
                    ""
                },
            )
            .env("MAIL_FROM", "rampart@example.com")
            .envs(others.iter().copied())
            .output()
            .expect("it runs");
        let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code(), found)
    }
}

fn ids(found: &Value) -> Vec<&str> {
    found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["id"].as_str())
        .collect()
}

/// What the good configuration is told all the same: it is of one machine, and without
/// the feature it has no mail.
fn expected() -> Vec<&'static str> {
    if cfg!(feature = "smtp") {
        vec!["RP028"]
    } else {
        vec!["RP027", "RP028"]
    }
}

#[test]
fn nothing_is_wrong_with_a_good_configuration() {
    let (status, found) = Good::new().check(&[]);
    assert_eq!((status, ids(&found)), (Some(0), expected()), "{found}");
    assert!(
        found["rules"].as_u64().is_some_and(|rules| rules >= 30),
        "{found}"
    );
}

#[test]
fn each_seeded_fault_is_found_and_explained() {
    let good = Good::new();
    let open = good.folder.path().join("open-secret");
    std::fs::copy(good.path("secret"), &open).expect("copied");
    std::fs::set_permissions(&open, Permissions::from_mode(0o644)).expect("set");
    let open = open.to_string_lossy().into_owned();
    let secret = std::fs::read_to_string(good.path("secret")).expect("a secret");
    let other = String::from_utf8(binary().arg("gen-secret").output().expect("it runs").stdout)
        .expect("text");
    let stale = good.folder.path().join("last-restore-ok");
    let faults: &[(&str, &[(&str, &str)])] = &[
        ("RP001", &[("RAMPART_ENV", "dev")]),
        ("RP002", &[("RAMPART_ENV", "dev"), ("SECRET_KEY_FILE", "")]),
        (
            "RP003",
            &[("SECRET_KEY_FILE", ""), ("SECRET_KEY", secret.trim())],
        ),
        (
            "RP004",
            &[("RAMPART_ENV", "dev"), ("PASSWORD_PEPPER_FILE", "")],
        ),
        ("RP005", &[("SECRET_KEY_PREVIOUS", other.trim())]),
        ("RP006", &[("SECRET_KEY_FILE", &open)]),
        ("RP007", &[("ACCESS_TTL", "1h")]),
        ("RP008", &[("REFRESH_ABSOLUTE", "365d")]),
        ("RP009", &[("REFRESH_IDLE", "60d")]),
        ("RP010", &[("REFRESH_GRACE", "60s")]),
        (
            "RP011",
            &[
                ("RAMPART_ENV", "dev"),
                ("RAMPART_PUBLIC_URL", "http://localhost:8080"),
            ],
        ),
        (
            "RP012",
            &[
                ("RAMPART_ENV", "dev"),
                ("CORS_ORIGINS", "http://localhost:5173"),
            ],
        ),
        ("RP014", &[("TRUSTED_PROXIES", "")]),
        ("RP015", &[("TRUSTED_PROXIES", "0.0.0.0/1")]),
        ("RP017", &[("LIMIT_LOGIN_IP", "1000/1m")]),
        ("RP018", &[("LIMIT_LOGIN_ACCOUNT", "1000/1m")]),
        ("RP019", &[("LIMIT_API", "100000/1m")]),
        ("RP021", &[("BCRYPT_COST", "15")]),
        ("RP022", &[("PASSWORD_MIN_CHARS", "8")]),
        ("RP023", &[("UPLOAD_MAX_BYTES", "500MiB")]),
        ("RP024", &[("UPLOAD_MAX_PIXELS", "1000000000")]),
        ("RP025", &[("UPLOAD_QUOTA_BYTES", "20480MiB")]),
        ("RP027", &[("SMTP_URL", "")]),
        ("RP036", &[("RUST_LOG", "debug")]),
        ("RP042", &[("SECURITY_CONTACT", "")]),
    ];
    for (id, settings) in faults {
        let (_, found) = good.check(settings);
        assert!(ids(&found).contains(id), "{id}: {found}");
        let findings = found["findings"].as_array().expect("findings");
        for finding in findings {
            for member in ["found", "why", "fix", "asvs"] {
                assert!(
                    finding[member]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{finding}"
                );
            }
        }
        let error = findings.iter().any(|finding| finding["level"] == "error");
        assert_eq!(found["ok"], !error, "{found}");
        assert!(!found.to_string().contains(secret.trim()), "{id}");
    }
    std::fs::write(&stale, "").expect("written");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(10 * 24 * 60 * 60);
    std::fs::File::open(&stale)
        .and_then(|file| file.set_modified(old))
        .expect("set");
    assert!(ids(&good.check(&[]).1).contains(&"RP033"));
}

#[test]
fn a_finding_can_be_excused_until_a_day_with_a_reason() {
    let good = Good::new();
    let check = |allow: &str| good.check(&[("ACCESS_TTL", "1h"), ("RAMPART_CHECK_ALLOW", allow)]);
    assert_eq!(check("").0, Some(1));
    let (status, found) = check("RP007 until 2999-01-01: the app of last year needs it");
    assert_eq!(status, Some(0), "{found}");
    let excused = found["findings"]
        .as_array()
        .and_then(|all| all.iter().find(|finding| finding["id"] == "RP007"));
    assert_eq!(
        excused.expect("still told")["excused"],
        "until 2999-01-01: the app of last year needs it"
    );
    assert_eq!(
        check("RP007 until 2020-01-01: it was needed").0,
        Some(1),
        "its day has come"
    );
    let output = binary()
        .args(["check", "--deploy"])
        .env("RAMPART_CHECK_ALLOW", "RP007: for ever")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("write RP014 until 2027-01-01: REASON")
    );
}

#[test]
fn a_database_that_is_damaged_or_was_changed_is_found() {
    let good = Good::new();
    std::fs::write(good.folder.path().join("rampart.db"), "no database").expect("written");
    let mode = Permissions::from_mode(0o600);
    std::fs::set_permissions(good.folder.path().join("rampart.db"), mode).expect("set");
    let (status, found) = good.check(&[]);
    assert_eq!((status, ids(&found)[0]), (Some(1), "RP030"), "{found}");
    assert!(
        !Path::new(&good.path("audit-head")).exists(),
        "nothing is made"
    );
}

#[cfg(feature = "probe")]
#[tokio::test]
async fn a_stranger_finds_nothing_at_the_server_as_it_is() {
    let server = Server::start();
    let output = server.command(&["check", "--url", &server.url, "--json"], &[]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), ids(&found)),
        (Some(0), vec![]),
        "{found}"
    );
    let nobody = server.command(&["check", "--url", "http://127.0.0.1:9"], &[]);
    assert_eq!(nobody.status.code(), Some(1));
    let wrong = server.command(&["check", "--url", "ftp://example.com"], &[]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("write https://HOST"));
}

/// A server that does everything wrong.
#[cfg(feature = "probe")]
#[tokio::test]
async fn a_stranger_finds_what_is_wrong() {
    use axum::Router;
    use axum::extract::Request;
    use axum::response::{IntoResponse as _, Response};
    use http::{HeaderValue, Method, header};
    use std::sync::atomic::{AtomicU32, Ordering};

    static ASKED: AtomicU32 = AtomicU32::new(0);

    async fn wrong(request: Request) -> Response {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let mut response = (
            http::StatusCode::OK,
            "thread 'main' panicked at /src/main.rs:1",
        )
            .into_response();
        if request.headers().contains_key("x-http-method-override") {
            *response.status_mut() = http::StatusCode::NO_CONTENT;
        }
        let headers = response.headers_mut();
        headers.insert(
            "access-control-allow-origin",
            origin.unwrap_or(HeaderValue::from_static("*")),
        );
        headers.insert("server", HeaderValue::from_static("wrong/1.0"));
        headers.insert(
            "date",
            HeaderValue::from_static("Thu, 01 Jan 2015 00:00:00 GMT"),
        );
        // Every address that somebody claims has a limit of its own.
        let claimed = [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
        ];
        let left = match claimed
            .iter()
            .any(|name| request.headers().contains_key(*name))
        {
            true => 99,
            false => 99 - ASKED.fetch_add(1, Ordering::SeqCst) % 50,
        };
        let left = format!("\"all\";r={left};t=1");
        headers.insert("ratelimit", left.parse().expect("a value"));
        if request.method() == Method::POST {
            headers.insert("set-cookie", HeaderValue::from_static("session=1; Path=/"));
        }
        response
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(wrong)).await });
    let output = tokio::task::spawn_blocking(move || {
        binary().args(["check", "--json", "--url", &url]).output()
    })
    .await;
    let output = output.expect("it ends").expect("it runs");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(1));
    let mut ids = ids(&found);
    ids.sort_unstable();
    ids.dedup();
    let all: Vec<_> = (102..=115)
        .filter(|number| *number != 103)
        .map(|number| format!("RP{number}"))
        .collect();
    assert_eq!(ids, all, "all but what needs TLS: {found}");
}
