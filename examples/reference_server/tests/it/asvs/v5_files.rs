//! File handling.

use reqwest::Method;
use serde_json::Value;

use super::{behind_tls, json_of, send};
use crate::server::{Server, png, refused, text};

/// L2: which files are taken is documented, and true (`/.well-known/upload-policy`).
#[tokio::test]
async fn asvs_v5_5_1_1() {
    let server = Server::start_with(&[
        ("UPLOAD_MAX_BYTES", "100KiB"),
        ("UPLOAD_MAX_PIXELS", "10000"),
    ]);
    let policy = json_of(send(&server, Method::GET, "/.well-known/upload-policy", &[]).await).await;
    let said = policy.to_string();
    assert!(
        said.contains("102400") && said.contains("10000") && said.contains("image/png"),
        "{policy}"
    );
    let token = server.token("ann@example.com").await;
    let large = server
        .upload(&token, "a.png", "image/png", png(8, 8, 110_000))
        .await;
    assert_eq!(large.status(), 413);
    let wide = server
        .upload(&token, "a.png", "image/png", png(101, 100, 0))
        .await;
    assert_eq!(wide.status(), 422);
}

/// L1: a file that is too large is refused without harm (`upload`).
#[tokio::test]
async fn asvs_v5_5_2_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let before = server.resident_kib();
    for _ in 0..3 {
        let answer = server
            .upload(&token, "a.png", "image/png", png(8, 8, 7 << 20))
            .await;
        refused(answer, 413, "body_too_large").await;
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB");
    let list: Value = json_of(server.get("/api/images", &token).await).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(0), "{list}");
}

/// L1: extension, declared type and content agree (`upload`).
#[tokio::test]
async fn asvs_v5_5_2_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let picture = png(8, 8, 0);
    let page = b"<!doctype html><script>alert(1)</script>".to_vec();
    for (name, kind, bytes, status) in [
        ("a.png", "image/png", &picture, 201),
        ("a.html", "image/png", &picture, 415),
        ("a.gif", "image/png", &picture, 415),
        ("a.png", "text/html", &picture, 415),
        ("a.png", "image/jpeg", &picture, 415),
        ("a.png", "image/png", &page, 415),
        (
            "a.svg",
            "image/svg+xml",
            &b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            415,
        ),
        ("a.png.exe", "image/png", &picture, 422),
    ] {
        let answer = server.upload(&token, name, kind, bytes.clone()).await;
        assert_eq!(answer.status().as_u16(), status, "{name} {kind}");
    }
}

/// L3: what one account may keep is bounded (quota).
#[tokio::test]
async fn asvs_v5_5_2_4() {
    let server = Server::start_with(&[("UPLOAD_QUOTA_BYTES", "100KiB")]);
    let token = server.token("ann@example.com").await;
    let first = server
        .upload(&token, "a.png", "image/png", png(8, 8, 60_000))
        .await;
    assert_eq!(first.status(), 201);
    let second = server
        .upload(&token, "b.png", "image/png", png(9, 9, 60_000))
        .await;
    refused(second, 507, "quota_exceeded").await;
}

/// L3: a picture of too many pixels is refused by its header (`upload`).
#[tokio::test]
async fn asvs_v5_5_2_6() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    // The header of a bomb: its size stands in the first chunk.
    let mut bomb = png(8, 8, 0);
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let answer = server.upload(&token, "a.png", "image/png", bomb).await;
    refused(answer, 422, "too_many_pixels").await;
}

/// L1: what was uploaded is never run (an object store, a sandbox).
#[tokio::test]
async fn asvs_v5_5_3_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for name in ["a.php", "a.php.png.php", "a.jsp", ".htaccess", "a.cgi"] {
        let answer = server.upload(&token, name, "image/png", png(8, 8, 0)).await;
        assert!(
            [415, 422].contains(&answer.status().as_u16()),
            "{name}: {}",
            answer.status()
        );
    }
}

/// L1: names of files are made by the server (an object has the name of its content).
#[tokio::test]
async fn asvs_v5_5_3_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for name in [
        "../../etc/cron.d/x.png",
        "..\\..\\x.png",
        "/etc/passwd.png",
        "con.png",
    ] {
        let answer = server.upload(&token, name, "image/png", png(8, 8, 0)).await;
        let status = answer.status().as_u16();
        assert!([201, 400, 422].contains(&status), "{name}: {status}");
    }
    let plain = server
        .upload(&token, "holiday.png", "image/png", png(8, 8, 0))
        .await;
    assert_eq!(plain.status(), 201);
    let mut stored = 0;
    let objects = server.data.path().join("objects");
    let mut folders = vec![objects];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            assert!(
                !name.contains("holiday") && !name.contains("passwd") && !name.contains("cron"),
                "{name}"
            );
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The digest of its content, or a number while it arrives.
            let made = [36, 64].contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
            assert!(made, "{name}");
            stored += 1;
        }
    }
    assert!(stored > 0);
}

/// L2: names in downloads are quoted (`Content-Disposition` by RFC 6266).
#[tokio::test]
async fn asvs_v5_5_4_1() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    let stored = server
        .upload(&token, "Größe.png", "image/png", png(8, 8, 0))
        .await;
    let stored = json_of(stored).await;
    let shown = server.get(&text(&stored, "url"), &token).await;
    let all: Vec<_> = shown
        .headers()
        .get_all("content-disposition")
        .iter()
        .collect();
    assert_eq!(all.len(), 1);
    let value = all[0].to_str().expect("ASCII, whatever the name was");
    assert!(
        value.starts_with("inline; filename=\"") && !value.contains(['\r', '\n']),
        "{value}"
    );
}
