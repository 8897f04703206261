//! Lines to browsers and to other services, and what is known of them.

use super::v1_more::of_the_repository;
use super::v10_keys::check;
use super::{behind_tls, json_of};
#[cfg(feature = "postgres")]
use crate::attacks::SECRET;
use crate::server::{Server, binary};

/// L1: old versions of TLS are off where it is ended (`deploy/nginx`).
#[tokio::test]
async fn asvs_v5_12_1_1() {
    let nginx = of_the_repository("examples/reference_server/deploy/nginx/rampart.conf");
    let protocols = nginx
        .lines()
        .find_map(|line| line.trim().strip_prefix("ssl_protocols "));
    assert_eq!(protocols.map(str::trim), Some("TLSv1.2 TLSv1.3;"));
}

/// L1: in production browsers come by TLS only (the configuration).
#[tokio::test]
async fn asvs_v5_12_2_1() {
    let url = ("RAMPART_PUBLIC_URL", "http://api.example.com");
    let (status, told) = check(&[("RAMPART_ENV", "production"), url]);
    assert_eq!(status, Some(78));
    assert!(
        told.contains("RAMPART_PUBLIC_URL: \"http://api.example.com\" is not https"),
        "{told}"
    );
}

/// L2: lines to other machines are encrypted (the configuration).
#[tokio::test]
async fn asvs_v5_12_3_1() {
    for (name, url) in [
        (
            "DATABASE_URL",
            "postgres://rampart_app@db.example.com/rampart?sslmode=disable",
        ),
        ("REDIS_URL", "redis://redis.example.com"),
        ("SMTP_URL", "smtp://mail.example.com"),
    ] {
        let (status, told) = check(&[(name, url)]);
        assert_eq!(status, Some(78), "{name}: {told}");
        assert!(told.starts_with(&format!("{name}: ")), "{told}");
    }
}

/// L2: and the other side proves who it is (the configuration).
#[tokio::test]
async fn asvs_v5_12_3_2() {
    for (name, url) in [
        (
            "DATABASE_URL",
            "postgres://rampart_app@db.example.com/rampart?sslmode=require",
        ),
        ("REDIS_URL", "rediss://redis.example.com/#insecure"),
    ] {
        assert_eq!(check(&[(name, url)]).0, Some(78), "{name}");
    }
}

/// L2: no other service is asked with a default or short password (the configuration).
#[tokio::test]
async fn asvs_v5_13_2_3() {
    for password in ["postgres", "changeme", "rampart"] {
        let url = format!(
            "{}//rampart_app:{password}@db.example.com/rampart?sslmode=verify-full",
            "postgres:"
        );
        let (_, told) = check(&[("RAMPART_ENV", "production"), ("DATABASE_URL", &url)]);
        assert!(told.contains("DATABASE_URL: the password in it"), "{told}");
    }
}

/// L2: secrets are in files of their owner, not in the source (`secrets`).
#[tokio::test]
async fn asvs_v5_13_3_1() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start();
    for name in ["secret-key", "password-pepper"] {
        let file = std::fs::metadata(server.data.path().join(name)).expect(name);
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let example = of_the_repository("examples/reference_server/deploy/.env.example");
    let value = example
        .lines()
        .find_map(|line| line.strip_prefix("SECRET_KEY="));
    assert_eq!(
        check(&[("SECRET_KEY", value.expect("an example"))]).0,
        Some(78)
    );
}

/// L2: what is somebody's own is kept by no cache on the way (`Cache-Control`).
#[tokio::test]
async fn asvs_v5_14_3_2() {
    let server = behind_tls();
    let token = server.token("ann@example.com").await;
    for path in ["/api/me", "/api/auth/sessions", "/api/images"] {
        let answer = server.get(path, &token).await;
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        drop(json_of(answer).await);
    }
}

/// L2: the page keeps nothing in the storage of the browser (the page).
#[tokio::test]
async fn asvs_v5_14_3_3() {
    let scripts = super::v1_more::scripts();
    for storage in [
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "document.cookie",
        "caches.",
    ] {
        assert!(!scripts.contains(storage), "{storage}");
    }
}

/// L2: a server works as a role that may do its work only, or not at all (the start).
#[cfg(feature = "postgres")]
#[tokio::test]
async fn asvs_v5_13_2_2() {
    let Some(url) = crate::postgres::database("privileged") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let output = binary()
        .env("RAMPART_ENV", "production")
        .env("RAMPART_LISTEN", "127.0.0.1:0")
        .env("RAMPART_ADMIN_LISTEN", "127.0.0.1:0")
        .env("RAMPART_DATA_DIR", folder.path().join("data"))
        .env("RAMPART_PUBLIC_URL", "https://api.example.com")
        .env("CORS_ORIGINS", "https://app.example.com")
        .env("SECRET_KEY", SECRET)
        .env(
            "PASSWORD_PEPPER",
            "p8Zr3Lq6Yt1Wn9Kx4Hs7Vd2Bg5Jm0Fc-RaUeTiOoEyQ",
        )
        .env("BCRYPT_COST", "10")
        .env("DATABASE_URL", url)
        // It ends by itself, or is ended.
        .arg("serve")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut server = output.expect("it starts");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let status = loop {
        match server.try_wait().expect("a child") {
            Some(status) => break status.code(),
            None if std::time::Instant::now() > deadline => {
                server.kill().expect("killed");
                server.wait().expect("it ends");
                break None;
            }
            None => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    };
    assert_eq!(status, Some(1), "it serves as a superuser");
}

/// L1: no other cryptography than that of one reviewed library is linked (`deny.toml`).
#[tokio::test]
async fn asvs_v5_11_3_2() {
    let deny = of_the_repository(".cargo/deny.toml");
    for name in ["openssl-sys", "native-tls"] {
        assert!(deny.contains(&format!("{{ crate = \"{name}\"")), "{name}");
    }
    let lock = of_the_repository("Cargo.lock");
    for name in ["openssl-sys", "native-tls", "rc4", "des"] {
        assert!(!lock.contains(&format!("name = \"{name}\"\n")), "{name}");
    }
}

/// L2: who asks another server goes nowhere else because it says so (`check --url`).
#[tokio::test(flavor = "multi_thread")]
async fn asvs_v5_15_3_2() {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    let inside = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = inside.local_addr().expect("an address");
    let outside = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", outside.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut client in outside.incoming().flatten() {
            let _ = client.read(&mut [0; 4_096]);
            let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n";
            let _ =
                client.write_all(format!("{head}Location: http://{address}/\r\n\r\n").as_bytes());
        }
    });
    inside.set_nonblocking(true).expect("set");
    let output = binary().args(["check", "--url", &url]).output();
    assert!(output.expect("it runs").status.code().is_some());
    assert!(inside.accept().is_err(), "it followed");
}
