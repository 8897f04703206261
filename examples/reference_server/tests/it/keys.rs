//! Keys of access tokens: rotated, revoked and replaced while the server runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, refused, text, within};

const FAST: &[(&str, &str)] = &[("LIMIT_API", "1000000/1s"), ("LIMIT_LOGIN_IP", "1000/1s")];

/// How long something may take that takes two seconds at most.
const PATIENCE: Duration = Duration::from_secs(20);

fn header(token: &str) -> Value {
    let header = token.split('.').next().expect("a header");
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    serde_json::from_slice(&header).expect("JSON")
}

fn kid(token: &str) -> String {
    text(&header(token), "kid")
}

async fn refresh(server: &Server, refresh_token: &str) -> Value {
    let body = json!({"refresh_token": refresh_token});
    let answer = server.post("/api/auth/refresh", body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.expect("JSON")
}

/// Asks again until an answer has a status, for as long as anybody would wait.
async fn until(server: &Server, token: &str, status: u16) -> reqwest::Response {
    let start = Instant::now();
    loop {
        let answer = server.get("/api/me", token).await;
        if answer.status() == status {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "still {}", answer.status());
    }
}

fn json_of(output: &std::process::Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_refuses_nobody_in_either_process() {
    let server = Server::start_with(FAST);
    let twin = server.twin(FAST);
    let asked = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for index in 0..4 {
        let email = format!("worker{index}@example.org");
        server.register(&email).await;
        let mut session = server.login(&email).await;
        let (asked, stop) = (Arc::clone(&asked), Arc::clone(&stop));
        // Half of them get their tokens from one process, half from the other,
        // and each is shown first where it was not made.
        let mut urls = [server.url.clone(), twin.url.clone()];
        urls.rotate_left(index % 2);
        workers.push(tokio::spawn(async move {
            let client = reqwest::Client::new();
            let mut kids = vec![kid(&text(&session, "access_token"))];
            while !stop.load(Ordering::Relaxed) {
                let token = text(&session, "access_token");
                for _ in 0..4 {
                    for url in urls.iter().rev() {
                        let answer = client.get(format!("{url}/api/me")).bearer_auth(&token);
                        let answer = answer.send().await.expect("an answer");
                        assert_eq!(answer.status(), StatusCode::OK, "signed by {}", kid(&token));
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
                let body = json!({"refresh_token": text(&session, "refresh_token")});
                let answer = client
                    .post(format!("{}/api/auth/refresh", urls[0]))
                    .json(&body);
                let answer = answer.send().await.expect("an answer");
                assert_eq!(answer.status(), StatusCode::OK);
                session = answer.json().await.expect("JSON");
                let now = kid(&text(&session, "access_token"));
                if kids.last() != Some(&now) {
                    kids.push(now);
                }
            }
            kids
        }));
    }
    let mut rotated = Vec::new();
    for round in 1..=2 {
        while asked.load(Ordering::Relaxed) < round * 1_500
            && !workers.iter().any(tokio::task::JoinHandle::is_finished)
        {
            tokio::task::yield_now().await;
        }
        let printed = json_of(&server.command(&["keys", "rotate", "--json"], &[]));
        let new = text(&printed, "kid");
        // Until the new key signs, and a good while after.
        let start = Instant::now();
        loop {
            let listed = json_of(&server.command(&["keys", "list", "--json"], &[]));
            let keys = listed["keys"].as_array().expect("a list").clone();
            let active: Vec<_> = keys.iter().filter(|key| key["state"] == "active").collect();
            assert_eq!(active.len(), 1, "exactly one signs: {listed}");
            if active[0]["kid"] == new {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{listed}");
        }
        rotated.push(new);
    }
    let target = asked.load(Ordering::Relaxed).max(4_000) + 1_000;
    while asked.load(Ordering::Relaxed) < target
        && !workers.iter().any(tokio::task::JoinHandle::is_finished)
    {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        let kids = worker.await.expect("nobody was refused");
        assert_eq!(kids[1..], rotated, "each worker saw each key");
    }
}

#[tokio::test]
async fn tokens_of_a_revoked_key_are_refreshed_and_nobody_signs_in_again() {
    let server = Server::start_with(FAST);
    server.register("ada@example.org").await;
    let session = server.login("ada@example.org").await;
    let token = text(&session, "access_token");

    let unknown = server.command(&["keys", "revoke", "nothing"], &[]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains(&kid(&token)),
        "it names the keys"
    );

    let printed = json_of(&server.command(&["keys", "revoke", &kid(&token), "--json"], &[]));
    assert_eq!(printed["revoked"], kid(&token));
    let answer = until(&server, &token, 401).await;
    let challenge = answer.headers()["www-authenticate"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    let problem = refused(answer, 401, "signing_key_revoked").await;
    assert_eq!(problem["action"], "refresh");

    let renewed = refresh(&server, &text(&session, "refresh_token")).await;
    let token = text(&renewed, "access_token");
    assert_eq!(kid(&token), text(&printed, "successor"));
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
    let again = server.command(&["keys", "revoke", &text(&printed, "revoked")], &[]);
    assert!(again.status.success(), "twice is once");
}

/// Puts a text where a link points to, as container platforms do: into a new
/// folder, and the link is exchanged.
fn swap(folder: &Path, version: u32, text: &str) {
    let name = format!("v{version}");
    fs::create_dir(folder.join(&name)).expect("a folder");
    fs::write(folder.join(&name).join("key"), text).expect("a file");
    std::os::unix::fs::symlink(&name, folder.join("next")).expect("a link");
    fs::rename(folder.join("next"), folder.join("data")).expect("exchanged");
}

#[tokio::test]
async fn a_secret_in_a_file_is_replaced_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = |seed: &str| format!("{seed}-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi");
    swap(folder.path(), 1, &secret("first"));
    let path = folder.path().join("data/key");
    let path = path.to_str().expect("UTF-8");
    let server = Server::start_with(&[("SECRET_KEY_FILE", path), FAST[0], FAST[1]]);
    server.register("ada@example.org").await;
    let session = server.login("ada@example.org").await;
    let old = text(&session, "access_token");

    // What cannot be used changes nothing.
    swap(folder.path(), 2, "changeme");
    let ready = async || {
        let answer = server.request(Method::GET, "/readyz").send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        text(&answer.json().await.expect("JSON"), "status")
    };
    within(10, async || ready().await == "degraded").await;
    swap(folder.path(), 3, &secret("second"));
    let start = Instant::now();
    let mut session = session;
    loop {
        assert_eq!(
            server.get("/api/me", &old).await.status(),
            StatusCode::OK,
            "never refused"
        );
        session = refresh(&server, &text(&session, "refresh_token")).await;
        let token = text(&session, "access_token");
        assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
        if kid(&token) != kid(&old) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the file is not read again");
    }
    within(10, async || ready().await == "ready").await;
}

#[tokio::test]
async fn an_asymmetric_key_is_published_and_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let jwk = |key: &str| {
        let (d, x) = key.split_once(' ').expect("two halves");
        format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{d}","x":"{x}"}}"#)
    };
    // RFC 8037 A.1, and RFC 8032 §7.1 test 2.
    let first = jwk(
        "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    );
    let second = jwk(
        "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
    );
    swap(folder.path(), 1, &first);
    let path = folder.path().join("data/key");
    let path = path.to_str().expect("UTF-8").to_owned();
    let server = Server::start_with(&[("SIGNING_KEY_FILE", &path), FAST[0], FAST[1]]);
    let token = server.token("ada@example.org").await;
    assert_eq!(header(&token)["alg"], "EdDSA");
    assert_eq!(kid(&token), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

    let published = async || {
        let answer = server.get("/.well-known/jwks.json", "").await;
        assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
        assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
        let tag = answer.headers()["etag"].to_str().expect("text").to_owned();
        let set: Value = answer.json().await.expect("JSON");
        (tag, set["keys"].as_array().expect("a list").clone())
    };
    let (tag, keys) = published().await;
    assert_eq!(keys.len(), 1);
    let names: Vec<_> = keys[0]
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        names,
        ["alg", "crv", "kid", "kty", "use", "x"],
        "public members only"
    );
    let conditional = server
        .request(Method::GET, "/.well-known/jwks.json")
        .header("if-none-match", tag);
    assert_eq!(
        conditional.send().await.expect("an answer").status(),
        StatusCode::NOT_MODIFIED
    );

    let refusal = server.command(&["keys", "rotate"], &[("SIGNING_KEY_FILE", &path)]);
    assert_eq!(refusal.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refusal.stderr).contains("SIGNING_KEY_FILE"));

    swap(folder.path(), 2, &second);
    let start = Instant::now();
    while published().await.1.len() < 2 {
        assert!(start.elapsed() < PATIENCE, "the file is not read again");
    }
    let later = server.login("ada@example.org").await;
    let later = text(&later, "access_token");
    assert_eq!(kid(&later), kid(&token), "the new one is published first");
    assert_eq!(server.get("/api/me", &token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_secret_publishes_nothing_and_can_be_revoked_by_its_value() {
    let secret = "kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi";
    let other = "pX8c-2LmQ6rTz0BvNs4WkJy9HdGf3Ea7-uIoPlKj";
    let mut server = Server::start_with(&[("SECRET_KEY", secret)]);
    let published: Value = server
        .get("/.well-known/jwks.json", "")
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(published, json!({"keys": []}));
    server.register("ada@example.org").await;
    let session = server.login("ada@example.org").await;
    // The incident: another secret, and the old one is not believed.
    let incident = [("SECRET_KEY", other), ("SECRET_KEY_REVOKED", secret)];
    server.restart_with(&[incident[0], incident[1], ("SECRET_KEY_PREVIOUS", secret)]);
    let answer = server.get("/api/me", &text(&session, "access_token")).await;
    refused(answer, 401, "signing_key_revoked").await;
    let renewed = refresh(&server, &text(&session, "refresh_token")).await;
    let answer = server.get("/api/me", &text(&renewed, "access_token")).await;
    assert_eq!(answer.status(), StatusCode::OK, "nobody signs in again");

    // Not previous any more: sessions end, and a forgery learns nothing.
    server.restart_with(&incident);
    let old = text(&session, "access_token");
    refused(
        server.get("/api/me", &old).await,
        401,
        "signing_key_revoked",
    )
    .await;
    let (input, _) = old.rsplit_once('.').expect("a token");
    let forged = format!("{input}.{}", "A".repeat(43));
    refused(server.get("/api/me", &forged).await, 401, "token_invalid").await;
    let body = json!({"refresh_token": text(&session, "refresh_token")});
    let answer = server.post("/api/auth/refresh", body).await;
    refused(answer, 401, "refresh_invalid").await;

    let all = server.command(
        &["keys", "list"],
        &[("SECRET_KEY", other), ("SECRET_KEY_REVOKED", other)],
    );
    assert_eq!(all.status.code(), Some(1));
    let error = String::from_utf8_lossy(&all.stderr).into_owned();
    assert!(
        error.contains("every key that signs") && !error.contains(other),
        "{error}"
    );
}

#[tokio::test]
async fn a_stale_file_does_not_bring_a_revoked_key_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let secret = made("secret", crate::attacks::SECRET);
    let settings = [("SECRET_KEY_FILE", &*secret)];
    let mut server = Server::start_with(&settings);
    server.register("ann@example.com").await;
    let session = server.login("ann@example.com").await;
    let token = text(&session, "access_token");
    let leaked = kid(&token);
    let revoked =
        json_of(&server.command(&["keys", "revoke", &leaked, "--yes", "--json"], &settings));
    assert_eq!(revoked["revoked"], leaked.as_str());
    let refused_at = async |url: &str| {
        let client = reqwest::Client::new();
        let answer = client
            .get(format!("{url}/api/me"))
            .bearer_auth(&token)
            .send()
            .await;
        refused(answer.expect("an answer"), 401, "signing_key_revoked").await;
    };
    until(&server, &token, 401).await;
    refused_at(&server.url).await;
    // Another machine still has the file, and whoever restores it writes it again.
    let twin = server.twin(&settings);
    refused_at(&twin.url).await;
    made("secret", crate::attacks::SECRET);
    server.restart_with(&settings);
    refused_at(&server.url).await;
    // What the same secret forges in the name of that key opens nothing either.
    let forged = crate::attacks::keys();
    let subject = text(&session["user"], "id");
    let forged = forged.token().claim("sub", subject).sign();
    assert_eq!(kid(&forged), leaked);
    assert_eq!(
        server.get("/api/me", &forged).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let renewed = refresh(&server, &text(&session, "refresh_token")).await;
    let renewed = text(&renewed, "access_token");
    assert_ne!(kid(&renewed), leaked);
    assert_eq!(
        server.get("/api/me", &renewed).await.status(),
        StatusCode::OK
    );
}
