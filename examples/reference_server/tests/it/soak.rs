//! Everything that people do, over and over: memory stays where it was.
//!
//! `RAMPART_TEST_SOAK=20000` makes it that many rounds instead of a few hundred, and the
//! table it prints tells how memory went.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, text};

const WORKERS: usize = 8;

/// How much more memory the server may take at the end than after a tenth of the rounds, in
/// KiB: its allocator gives back late.
const GROWTH: u64 = 48 * 1024;

struct Person {
    client: Client,
    url: String,
    email: String,
    session: Value,
    told: BTreeMap<u16, u32>,
}

impl Person {
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        token: bool,
        body: Option<Value>,
    ) -> Value {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if token {
            request = request.bearer_auth(text(&self.session, "access_token"));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.note(request).await
    }

    async fn note(&mut self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.expect("an answer");
        *self.told.entry(answer.status().as_u16()).or_default() += 1;
        let bytes = answer.bytes().await.expect("a body");
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    async fn sign_in(&mut self, password: &str) -> Value {
        let body = json!({"email": self.email, "password": password, "delivery": "body"});
        self.send(Method::POST, "/api/auth/login", false, Some(body))
            .await
    }

    async fn round(&mut self, number: usize) {
        if number.is_multiple_of(25) {
            let ended = self
                .send(Method::POST, "/api/auth/logout", true, None)
                .await;
            assert!(ended.is_null(), "{ended}");
            loop {
                let session = self.sign_in(PASSWORD).await;
                if session["access_token"].is_string() {
                    self.session = session;
                    break;
                }
            }
            self.sign_in("not the password at all").await;
            let forgot = json!({"email": "nobody@example.com"});
            self.send(
                Method::POST,
                "/api/auth/password/forgot",
                false,
                Some(forgot),
            )
            .await;
        }
        let refresh = json!({"refresh_token": text(&self.session, "refresh_token")});
        let session = self
            .send(Method::POST, "/api/auth/refresh", false, Some(refresh))
            .await;
        if session["access_token"].is_string() {
            self.session = session;
        }
        self.send(Method::GET, "/api/me", true, None).await;
        let name = json!({"display_name": format!("round {number}")});
        self.send(Method::PATCH, "/api/me", true, Some(name)).await;
        let picture = png(8, 8, 20_000 + number % 1_000);
        let part = Part::bytes(picture)
            .file_name("a.png")
            .mime_str("image/png")
            .expect("a type");
        let upload = self
            .client
            .post(format!("{}/api/images", self.url))
            .bearer_auth(text(&self.session, "access_token"))
            .multipart(Form::new().part("file", part));
        let image = self.note(upload).await;
        self.send(Method::GET, "/api/images", true, None).await;
        if let Some(id) = image["id"].as_str() {
            self.send(
                Method::GET,
                &format!("/api/images/{id}/content"),
                true,
                None,
            )
            .await;
            self.send(Method::DELETE, &format!("/api/images/{id}"), true, None)
                .await;
        }
        let forged = self
            .client
            .get(format!("{}/api/me", self.url))
            .bearer_auth("a.b.c");
        self.note(forged).await;
        self.send(Method::GET, &format!("/nothing/{number}"), false, None)
            .await;
        let large = json!({"display_name": "x".repeat(20_000)});
        self.send(Method::PATCH, "/api/me", true, Some(large)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_where_it_was() {
    let rounds = std::env::var("RAMPART_TEST_SOAK")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let rounds: usize = rounds.unwrap_or(200);
    let server = Server::start_with(&[
        ("LIMIT_API", "1000000/1s"),
        ("LIMIT_LOGIN_IP", "1000000/1s"),
        ("LIMIT_LOGIN_ACCOUNT", "1000000/1s"),
    ]);
    let (begun, next) = (Instant::now(), Arc::new(AtomicUsize::new(1)));
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        let email = format!("worker{index}@example.com");
        server.register(&email).await;
        let mut person = Person {
            client: Client::new(),
            url: server.url.clone(),
            session: server.login(&email).await,
            email,
            told: BTreeMap::new(),
        };
        let next = Arc::clone(&next);
        workers.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > rounds {
                    return person.told;
                }
                person.round(number).await;
            }
        }));
    }
    let mut samples = Vec::new();
    for tenth in 1..=10 {
        while next.load(Ordering::Relaxed) < rounds * tenth / 10 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        samples.push(server.resident_kib());
    }
    let mut told: BTreeMap<u16, u32> = BTreeMap::new();
    for worker in workers {
        for (status, count) in worker.await.expect("no panic") {
            *told.entry(status).or_default() += count;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let requests: u32 = told.values().sum();
    eprintln!(
        "soak: {requests} requests in {seconds:.0} s; told {told:?}; KiB at each tenth: {samples:?}"
    );
    let failed: u32 = told
        .iter()
        .filter(|(status, _)| **status >= 500 && **status != 503)
        .map(|(_, count)| count)
        .sum();
    assert_eq!(failed, 0, "{told:?}");
    let grown = samples[9].saturating_sub(samples[0]);
    assert!(grown < GROWTH, "{grown} KiB: {samples:?}");
}
