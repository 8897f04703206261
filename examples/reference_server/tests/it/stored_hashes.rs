//! Password hashes as they come to be in the table, and go.

use std::cell::Cell;
use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, refused, text};

/// Writes a stored hash as somebody who moved accounts here would have.
fn plant(server: &Server, hash: &str) -> bool {
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                  db.execute('UPDATE users SET password_hash = ?', (sys.argv[2],)); db.commit()";
    let mut python = Command::new("python3");
    let database = server.data.path().join("rampart.db");
    let done = python.args(["-c", script]).arg(database).arg(hash).status();
    done.is_ok_and(|status| status.success())
}

/// Reads the stored hash.
fn planted(server: &Server) -> String {
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                  print(*db.execute('SELECT password_hash FROM users').fetchone())";
    let mut python = Command::new("python3");
    let database = server.data.path().join("rampart.db");
    let output = python
        .args(["-c", script])
        .arg(database)
        .output()
        .expect("it was there");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

#[tokio::test]
async fn accounts_from_other_systems_sign_in_and_get_a_better_hash() {
    let server = Server::start_with(&[
        ("LIMIT_LOGIN_IP", "1000/1m"),
        ("LIMIT_LOGIN_ACCOUNT", "1000/1m"),
    ]);
    server.register("ann@example.com").await;
    for foreign in [
        "$2b$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK",
        "$2a$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK",
        "$2y$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK",
        "$2x$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK",
        "{bcrypt}$2a$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK",
        "$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$P8gPKp01i2HVSsZoO7YyXXiAiUURzHS",
        "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$Vj.KdcAPUEpDtmBdCgAnX/M49ZJCt.q",
        "bcrypt_sha256$$2b$04$n79VH.0Q2TMWmt3Oqt9ukuS/6PT8/28L4yz0ZjJTDfa16UsVNO6gW",
        "bcrypt$$2b$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK",
    ] {
        if !plant(&server, foreign) {
            return crate::services::skipped("python3");
        }
        let wrong = json!({"email": "ann@example.com", "password": "violet kettle charade", "delivery": "body"});
        refused(
            server.post("/api/auth/login", wrong).await,
            401,
            "invalid_credentials",
        )
        .await;
        assert_eq!(planted(&server), foreign, "only its owner replaces it");
        server.login("ann@example.com").await;
        let better = planted(&server);
        assert!(
            better.starts_with("$bcrypt-hmac-sha384$v=1,k=") && better.contains(",t=2b,r=10$"),
            "{foreign} became {better}"
        );
        server.login("ann@example.com").await;
        assert_eq!(planted(&server), better, "once");
    }
    // A better hash that cannot be stored is no reason to refuse anybody.
    let outdated = "$2b$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK";
    assert!(plant(&server, outdated));
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                  db.execute(\"CREATE TRIGGER stop BEFORE UPDATE OF password_hash ON users BEGIN SELECT RAISE(ABORT, 'no'); END\")";
    let mut python = Command::new("python3");
    let database = server.data.path().join("rampart.db");
    let done = python.args(["-c", script]).arg(&database).status();
    assert!(done.expect("it was there").success());
    server.login("ann@example.com").await;
    assert_eq!(planted(&server), outdated);
    let script = script.replace("CREATE TRIGGER stop BEFORE UPDATE OF password_hash ON users BEGIN SELECT RAISE(ABORT, 'no'); END", "DROP TRIGGER stop");
    let done = Command::new("python3")
        .args(["-c", &script])
        .arg(&database)
        .status();
    assert!(done.expect("it was there").success());
    // Hours of work, written by somebody who can write to the table.
    let costly = "$2b$31$n79VH.0Q2TMWmt3Oqt9ukuMtd1JXeM0BuVg72u1AjlHVi6ZSGhR/6";
    assert!(plant(&server, costly));
    let right = json!({"email": "ann@example.com", "password": PASSWORD, "delivery": "body"});
    refused(
        server.post("/api/auth/login", right).await,
        401,
        "invalid_credentials",
    )
    .await;
    assert!(
        server.log().contains("hash_cost_refused"),
        "{}",
        server.log()
    );
}

#[tokio::test]
async fn a_pepper_is_replaced_as_people_sign_in() {
    let (first, second) = (
        "x7Kq2mVw9pRt4sYb6nCd8fGh1jLz3aQe5uIo0vBn",
        "Zt5Yh8Wq1Lr4Nf7Pk0Sd3Gj6Vb9Mx2Cc5Ae8Ui1Op",
    );
    let mut server = Server::start_with(&[("PASSWORD_PEPPER", first)]);
    server.register("ann@example.com").await;
    server.register("bob@example.com").await;
    server.login("ann@example.com").await;
    server.restart_with(&[
        ("PASSWORD_PEPPER", second),
        ("PASSWORD_PEPPER_PREVIOUS", first),
    ]);
    server.login("ann@example.com").await;
    server.restart_with(&[("PASSWORD_PEPPER", second)]);
    server.login("ann@example.com").await;
    // He has not signed in meanwhile; the log says why he cannot.
    let right = json!({"email": "bob@example.com", "password": PASSWORD, "delivery": "body"});
    refused(
        server.post("/api/auth/login", right).await,
        401,
        "invalid_credentials",
    )
    .await;
    assert!(
        server.log().contains("hash_pepper_unknown"),
        "{}",
        server.log()
    );
}

/// A sign-in that replaces an outdated hash must not bring back a password that
/// is changed at the same time. Twenty rounds, or as many as
/// `RAMPART_TEST_ROUNDS` says.
#[tokio::test]
async fn a_changed_password_stays_changed_whoever_signs_in_meanwhile() {
    let rounds = std::env::var("RAMPART_TEST_ROUNDS");
    let rounds = rounds.map_or(20, |text| text.parse().expect("a number"));
    let settings = [
        ("LIMIT_LOGIN_IP", "100000/1m"),
        ("LIMIT_LOGIN_ACCOUNT", "100000/1m"),
        ("LIMIT_API", "100000/1m"),
    ];
    let server = Server::start_with(&settings);
    let mut token = server.token("ann@example.com").await;
    let mut sides = [
        (
            PASSWORD,
            "$2b$04$n79VH.0Q2TMWmt3Oqt9uku8S0.kbl9RF1l7HgLy4wsDUY3jagvzeK",
        ),
        (
            "orange canoe lantern",
            "$2b$04$n79VH.0Q2TMWmt3Oqt9ukuLRXmP5V4/D1BGWjOsZZwu70GpEgfo9e",
        ),
    ];
    let login = async |password: &str| {
        let body = json!({"email": "ann@example.com", "password": password, "delivery": "body"});
        server.post("/api/auth/login", body).await
    };
    for _ in 0..rounds {
        let [(old, outdated), (new, _)] = sides;
        if !plant(&server, outdated) {
            return crate::services::skipped("python3");
        }
        let change = server
            .request(Method::PUT, "/api/me/password")
            .bearer_auth(&token);
        let change = change
            .json(&json!({"current_password": old, "new_password": new}))
            .send();
        // Again and again, so that some read the old hash and write after the new one.
        let done = Cell::new(false);
        let change = async {
            let changed = change.await;
            done.set(true);
            changed
        };
        let sign_in = async || {
            while !done.get() {
                login(old).await;
            }
        };
        let (changed, ..) = tokio::join!(change, sign_in(), sign_in(), sign_in());
        let status = changed.expect("an answer").status();
        // The sign-in may have replaced the hash first: then it is to be tried again.
        let (now, before) = match status {
            StatusCode::NO_CONTENT => (new, old),
            StatusCode::CONFLICT => (old, new),
            other => panic!("{other}"),
        };
        refused(login(before).await, 401, "invalid_credentials").await;
        let answer = login(now).await;
        assert_eq!(answer.status(), StatusCode::OK, "{now} after {status}");
        let session: Value = answer.json().await.expect("JSON");
        token = text(&session, "access_token");
        if now == new {
            sides.reverse();
        }
    }
}
