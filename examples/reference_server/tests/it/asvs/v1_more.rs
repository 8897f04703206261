//! What is written into other languages, files that are more than they seem, and the code
//! itself.

use std::path::Path;

use reqwest::Method;
use serde_json::json;

use super::{behind_tls, json_of, send};
use crate::server::{PASSWORD, png, refused, text};

/// A file of the repository.
pub(super) fn of_the_repository(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The scripts of the page.
pub(super) fn scripts() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/assets");
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let scripts = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "js"));
    scripts
        .map(|file| std::fs::read_to_string(file.path()).expect("text"))
        .collect()
}

/// L1: a link has only what a URL may have, and leads where the configuration says (`mail`).
#[tokio::test]
async fn asvs_v5_1_2_2() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    for _ in 0..3 {
        let request = server
            .request(Method::POST, "/api/auth/password/forgot")
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example");
        let answer = request
            .json(&json!({"email": "ann@example.com"}))
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), 202);
    }
    let outbox = server.data.path().join("outbox");
    let mails = || {
        let files = std::fs::read_dir(&outbox).into_iter().flatten().flatten();
        let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        texts
            .filter(|text| text.contains("token="))
            .collect::<Vec<_>>()
    };
    crate::server::within(10, async || mails().len() == 3).await;
    for mail in mails() {
        assert!(!mail.contains("evil.example"), "{mail}");
        let (before, rest) = mail.split_once("token=").expect("a link");
        assert!(
            before.ends_with("https://api.example.com/#reset?"),
            "{before}"
        );
        let token: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(token.len() == 43 && token.chars().all(plain), "{token}");
    }
}

/// L1: what a client wrote is a string in JSON, and text on the page (`serde_json`, the page).
#[tokio::test]
async fn asvs_v5_1_2_3() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let name = "\"}</script><script>alert(1)</script>\u{2028}.";
    let change = server
        .request(Method::PATCH, "/api/me")
        .bearer_auth(&token)
        .json(&json!({"display_name": name}));
    let answer = change.send().await.expect("an answer");
    if answer.status() == 200 {
        let me = json_of(server.get("/api/me", &token).await).await;
        assert_eq!(me["display_name"], name);
    } else {
        refused(answer, 422, "invalid_display_name").await;
    }
    assert!(scripts().contains(".textContent = "));
    for interpreted in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
    ] {
        assert!(!scripts().contains(interpreted), "{interpreted}");
    }
}

/// L2: a vector graphic, which can hold scripts, is not taken (`upload`).
#[tokio::test]
async fn asvs_v5_1_3_4() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    for media_type in ["image/svg+xml", "image/png"] {
        let answer = server
            .upload(&token, "a.svg", media_type, svg.to_vec())
            .await;
        assert_eq!(answer.status(), 415, "{media_type}");
    }
    let answer = server
        .upload(&token, "a.png", "image/png", svg.to_vec())
        .await;
    assert_eq!(answer.status(), 415);
}

/// L2: memory is safe: no code of ours is `unsafe` (the compiler).
#[tokio::test]
async fn asvs_v5_1_4_1() {
    let manifest = of_the_repository("Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""), "{manifest}");
    assert!(
        of_the_repository("examples/reference_server/Cargo.toml")
            .contains("[lints]\nworkspace = true")
    );
}

/// L1: what the server takes is documented, and the documents are true (OpenAPI).
#[tokio::test]
async fn asvs_v5_2_1_1() {
    let server = behind_tls();
    let admin = server.admin(&[]).await;
    let document = crate::operators::document();
    let title = &document["components"]["schemas"]["Opening"]["properties"]["title"];
    let most = title["maxLength"].as_u64().expect("a bound");
    for (length, status) in [(most, 201), (most + 1, 422)] {
        let title = "x".repeat(usize::try_from(length).expect("small"));
        let answer = server
            .post_as(&admin, "/api/admin/incidents", json!({"title": title}))
            .await;
        assert_eq!(answer.status(), status, "{length}");
    }
}

/// L2: what belongs together is done whole, once (transactions).
#[tokio::test(flavor = "multi_thread")]
async fn asvs_v5_2_3_3() {
    let server = behind_tls();
    server.register("ann@example.com").await;
    let token = server.reset_token("ann@example.com").await;
    let attempts = (0..8).map(|number| {
        let body =
            json!({"token": token, "new_password": format!("orange kettle parade {number}")});
        let request = server
            .request(Method::POST, "/api/auth/password/reset")
            .json(&body);
        tokio::spawn(request.send())
    });
    let mut done = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        let answer = attempt.await.expect("no panic").expect("an answer");
        done += u32::from(answer.status() == 204);
    }
    assert_eq!(done, 1);
}

/// L1: what is text is put on the page as text (the page).
#[tokio::test]
async fn asvs_v5_3_2_2() {
    let scripts = scripts();
    for interpreted in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "createContextualFragment",
        "DOMParser",
    ] {
        assert!(!scripts.contains(interpreted), "{interpreted}");
    }
}

/// L2: archives are not taken, so none is unpacked (`upload`).
#[tokio::test]
async fn asvs_v5_5_2_3() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let zip = [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &[0; 200]].concat();
    for (name, media_type) in [("a.zip", "application/zip"), ("a.png", "image/png")] {
        let answer = server.upload(&token, name, media_type, zip.clone()).await;
        assert_eq!(answer.status(), 415, "{name}");
    }
}

/// L2: names in downloads are the server's, not the client's (`Content-Disposition`).
#[tokio::test]
async fn asvs_v5_5_4_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let answer = server
        .upload(&token, "holiday.png", "image/png", png(2, 2, 100))
        .await;
    let id = text(&json_of(answer).await, "id");
    let content = server
        .get(&format!("/api/images/{id}/content"), &token)
        .await;
    let disposition = content.headers()["content-disposition"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert_eq!(disposition, format!("inline; filename=\"{id}.png\""));
}

/// L1: how guessing is stopped is documented, and locks no owner out (`LoginGuard`, `explain`).
#[tokio::test]
async fn asvs_v5_6_1_1() {
    let settings = [
        ("LIMIT_LOGIN_IP", "1000/15m"),
        ("LIMIT_LOGIN_ACCOUNT", "5/15m"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = crate::server::Server::start_with(&settings);
    server.register("ann@example.com").await;
    let attempt = async |password: &str, cookie: &str, address: &str| {
        let request = server
            .request(Method::POST, "/api/auth/login")
            .header("x-forwarded-for", address)
            .header("cookie", cookie);
        let body = json!({"email": "ann@example.com", "password": password});
        request.json(&body).send().await.expect("an answer")
    };
    let owner = attempt(PASSWORD, "", "192.0.2.1").await;
    let cookies = owner.headers().get_all("set-cookie").iter();
    let device = cookies
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .find(|cookie| cookie.starts_with("__Host-device="))
        .expect("a device")
        .to_owned();
    for number in 0..8 {
        attempt(
            "not the password at all",
            "",
            &format!("198.51.100.{number}"),
        )
        .await;
    }
    assert_eq!(attempt(PASSWORD, "", "203.0.113.1").await.status(), 429);
    assert_eq!(attempt(PASSWORD, &device, "192.0.2.1").await.status(), 200);
    let explained = server.command(&["explain"], &settings);
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(
        explained.contains("login-account") && explained.contains("5/15m"),
        "{explained}"
    );
}

/// L1: nobody is asked for hints or secret questions (the interface).
#[tokio::test]
async fn asvs_v5_6_4_2() {
    let document = crate::operators::document().to_string().to_lowercase();
    let page = of_the_repository("examples/reference_server/web/index.html").to_lowercase();
    for word in [
        "password_hint",
        "secret_question",
        "security_question",
        "maiden",
    ] {
        assert!(!document.contains(word) && !page.contains(word), "{word}");
    }
}

/// L1: who may call what is documented, and the documents are true (OpenAPI).
#[tokio::test]
async fn asvs_v5_8_1_1() {
    let server = behind_tls();
    let document = crate::operators::document();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let path = path
                .replace("{id}", "00000000-0000-0000-0000-000000000000")
                .replace("{sid}", "x");
            let method: Method = method.to_uppercase().parse().expect("a method");
            let answer = send(&server, method.clone(), &path, &[]).await;
            let guarded = operation["security"]
                .as_array()
                .is_some_and(|list| !list.is_empty());
            let status = answer.status().as_u16();
            let code = json_of_problem(answer).await;
            assert_eq!(
                code == "token_missing",
                guarded,
                "{method} {path}: {status} {code}"
            );
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked}");
}

async fn json_of_problem(answer: reqwest::Response) -> String {
    let text = answer.text().await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// L2: signing out is in sight of everybody who is signed in (the page).
#[tokio::test]
async fn asvs_v5_7_4_4() {
    let page = of_the_repository("examples/reference_server/web/index.html");
    let header = page
        .split_once("<header")
        .and_then(|(_, rest)| rest.split_once("</header>"));
    let (header, _) = header.expect("a header");
    assert!(
        header.contains("id=\"sign-out\">Sign out</button>"),
        "{header}"
    );
}

/// L1: what is handed to other programs is no command (`pg_dump`, without a shell).
#[cfg(feature = "postgres")]
#[tokio::test]
async fn asvs_v5_1_2_5() {
    let Some(url) = crate::postgres::database("commands") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("made");
    let to = folder
        .path()
        .join(format!("x; touch {}; #", made.display()).replace('/', "%"));
    let hostile = folder.path().join("$(touch made)");
    for to in [to, hostile] {
        let output = crate::server::binary()
            .args(["backup", "--to"])
            .arg(&to)
            .current_dir(folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RAMPART_DATA_DIR", folder.path().join("data"))
            .env("DATABASE_URL", &url)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
    }
    assert!(!made.exists());
}

/// L2: what an account may keep is bounded, as configured (quota).
#[tokio::test]
async fn asvs_v5_2_3_2() {
    let server = crate::server::Server::start_with(&[("UPLOAD_QUOTA_BYTES", "1KiB")]);
    let token = server.token("ann@example.com").await;
    let mut statuses = Vec::new();
    for size in [600, 601] {
        let answer = server
            .upload(&token, "a.png", "image/png", png(2, 2, size))
            .await;
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [201, 507]);
}
