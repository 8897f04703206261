//! Everything that a server needs, taken away in turn while people work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, png, text, within};
use crate::services::Service;

/// What people were told, by what was away meanwhile: how often each status came, 0 for
/// no answer at all.
type Told = Arc<Mutex<BTreeMap<(&'static str, u16), u32>>>;

/// What stands before a service, and can be killed while that forgets nothing.
struct Front {
    port: u16,
    to: u16,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    alive: Arc<AtomicBool>,
}

impl Front {
    fn new(to: u16) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let mut front = Self {
            port: free.expect("a port").port(),
            to,
            streams: Arc::default(),
            alive: Arc::default(),
        };
        front.start();
        front
    }

    fn start(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port");
        self.alive = Arc::new(AtomicBool::new(true));
        let (to, streams, alive) = (self.to, Arc::clone(&self.streams), Arc::clone(&self.alive));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !alive.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(service) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                let copy = |stream: &TcpStream| stream.try_clone().expect("cloned");
                streams
                    .lock()
                    .expect("unpoisoned")
                    .extend([copy(&client), copy(&service)]);
                for (mut from, mut to) in [(copy(&client), copy(&service)), (service, client)] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
    }

    fn kill(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
        // Nobody is let in after this one.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        for stream in self.streams.lock().expect("unpoisoned").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// People at work.
#[derive(Clone)]
struct Crowd {
    client: Client,
    urls: Arc<Mutex<Vec<String>>>,
    token: String,
    away: Arc<Mutex<&'static str>>,
    told: Told,
    /// What was acknowledged: a picture's identifier, and its digest.
    kept: Arc<Mutex<HashMap<String, String>>>,
    stop: Arc<AtomicBool>,
}

impl Crowd {
    fn tell(&self, status: u16) {
        let away = *self.away.lock().expect("unpoisoned");
        *self
            .told
            .lock()
            .expect("unpoisoned")
            .entry((away, status))
            .or_default() += 1;
    }

    fn url(&self, number: usize) -> String {
        let urls = self.urls.lock().expect("unpoisoned");
        urls[number % urls.len()].clone()
    }

    /// Uploads pictures that nobody else has, and reads who one is, again and again.
    async fn work(self, worker: usize) {
        for round in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let side = u32::try_from(worker * 1_000 + round % 1_000).expect("small") + 1;
            let file = Part::bytes(png(side % 97 + 1, side / 97 + 1, 200)).file_name("a.png");
            let form = Form::new().part("file", file.mime_str("image/png").expect("a type"));
            let sent = self
                .client
                .post(format!("{}/api/images", self.url(worker + round)));
            match sent.bearer_auth(&self.token).multipart(form).send().await {
                Ok(answer) => {
                    self.tell(answer.status().as_u16());
                    if answer.status() == StatusCode::CREATED
                        && let Ok(image) = answer.json::<Value>().await
                    {
                        let mut kept = self.kept.lock().expect("unpoisoned");
                        kept.insert(text(&image, "id"), text(&image, "sha256"));
                    }
                }
                Err(_) => self.tell(0),
            }
            // Without a token there is nothing to see, whoever is away.
            let nobody = self
                .client
                .get(format!("{}/api/me", self.url(worker + round)))
                .send()
                .await;
            if let Ok(answer) = nobody {
                assert_ne!(answer.status(), StatusCode::OK);
            }
        }
    }

    /// Waits until a picture is kept again.
    async fn recovered(&self) -> Duration {
        let (begun, before) = (Instant::now(), self.kept.lock().expect("unpoisoned").len());
        within(30, async || {
            self.kept.lock().expect("unpoisoned").len() > before + 4
        })
        .await;
        begun.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost_whoever_goes_away() {
    let (Some(mut postgres), Some(mut redis), Some(s3)) =
        (Service::postgres(), Service::redis(), Service::s3())
    else {
        return;
    };
    let url = postgres.postgres_url("postgres");
    let migrated = crate::server::binary()
        .arg("migrate")
        .env("MIGRATOR_DATABASE_URL", &url)
        .output();
    assert!(migrated.expect("it runs").status.success());
    // It keeps everything in memory, so what is killed is what stands before it: to a
    // server that is the same.
    let mut front = Front::new(s3.port);
    let endpoint = format!("http://127.0.0.1:{}", front.port);
    let created = Client::new()
        .put(format!("{endpoint}/outages"))
        .send()
        .await
        .expect("an answer");
    assert!(created.status().is_success());
    let redis_url = redis.redis_url();
    let settings = [
        ("DATABASE_URL", &*url),
        ("REDIS_URL", &*redis_url),
        ("STORAGE_URL", "s3://outages"),
        ("AWS_ENDPOINT_URL", &*endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("LIMIT_API", "1000000/1m"),
    ];
    let mut server = Server::start_with(&settings);
    let other = server.twin(&settings);
    let token = server.token("ann@example.com").await;
    let crowd = Crowd {
        client: Client::builder()
            .timeout(Duration::from_secs(15))
            .build()
            .expect("a client"),
        urls: Arc::new(Mutex::new(vec![server.url.clone(), other.url.clone()])),
        token: token.clone(),
        away: Arc::new(Mutex::new("nobody")),
        told: Told::default(),
        kept: Arc::default(),
        stop: Arc::default(),
    };
    // Signed in at one, known to the other, and refused there once signed out here.
    let session = text(&server.login("ann@example.com").await, "access_token");
    let there = async || {
        let asked = crowd.client.get(format!("{}/api/me", other.url));
        let answer = asked.bearer_auth(&session).send().await;
        answer.expect("an answer").status()
    };
    assert_eq!(there().await, StatusCode::OK);
    let out = server
        .post_as(&session, "/api/auth/logout", json!({}))
        .await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    within(2, async || there().await == StatusCode::UNAUTHORIZED).await;
    let workers: Vec<_> = (0..4)
        .map(|worker| tokio::spawn(crowd.clone().work(worker)))
        .collect();
    crowd.recovered().await;
    let mut report = Vec::new();
    let away = |who| *crowd.away.lock().expect("unpoisoned") = who;
    let some_time = async || tokio::time::sleep(Duration::from_secs(1)).await;

    away("a server");
    server.restart_with(&settings);
    crowd.urls.lock().expect("unpoisoned")[0] = server.url.clone();
    report.push(("a server", crowd.recovered().await));
    away("Postgres");
    postgres.kill();
    some_time().await;
    let ready = crowd
        .client
        .get(format!("{}/readyz", other.url))
        .send()
        .await
        .expect("an answer");
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    postgres.start_again();
    report.push(("Postgres", crowd.recovered().await));
    away("Redis");
    redis.kill();
    some_time().await;
    redis.start_again();
    report.push(("Redis", crowd.recovered().await));
    away("the object store");
    front.kill();
    some_time().await;
    front.start();
    report.push(("the object store", crowd.recovered().await));
    away("nobody");
    crowd.recovered().await;
    crowd.stop.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.expect("nobody saw what was not theirs");
    }

    let told = crowd.told.lock().expect("unpoisoned").clone();
    for ((away, status), count) in &told {
        let allowed = match *away {
            // A connection that was cut, and one that was refused.
            "a server" => matches!(status, 0 | 201),
            _ => matches!(status, 0 | 201 | 503),
        };
        assert!(
            allowed,
            "while {away} was away {count} were told {status}: {told:?}"
        );
    }
    // Whoever was signed in still is, and everything acknowledged is there.
    let kept = crowd.kept.lock().expect("unpoisoned").clone();
    for (id, sha256) in &kept {
        let answer = server
            .get(&format!("/api/images/{id}/content"), &token)
            .await;
        assert_eq!(answer.status(), StatusCode::OK, "{id}");
        assert_eq!(answer.headers()["etag"], format!("\"{sha256}\""), "{id}");
        answer.bytes().await.expect("all of it");
    }
    // Nor is there a record without its object.
    let mut cursor = String::new();
    let mut records = 0;
    loop {
        let page: Value = server
            .get(&format!("/api/images{cursor}"), &token)
            .await
            .json()
            .await
            .expect("JSON");
        for image in page["items"].as_array().expect("items") {
            let path = text(image, "url");
            assert_eq!(
                server.get(&path, &token).await.status(),
                StatusCode::OK,
                "{path}"
            );
            records += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("?cursor={next}"),
            None => break,
        }
    }
    // Two days later the sweeper leaves of the objects those that records name.
    let ask = |statement: &str| {
        let output = std::process::Command::new("psql")
            .args(["-tAqd", &url, "-c", statement])
            .output();
        let output = output.expect("psql runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let named = ask("SELECT DISTINCT object_key FROM images");
    ask("UPDATE objects SET kept_at = kept_at - 172800");
    drop(other);
    server.restart_with(&settings);
    let client = Client::new();
    within(20, async || {
        let listed = client
            .get(format!("{endpoint}/outages?list-type=2&prefix=blobs/"))
            .send()
            .await;
        let text = listed.expect("an answer").text().await.expect("text");
        let keys = text
            .split("<Key>")
            .skip(1)
            .map(|rest| rest.split('<').next().expect("a key").to_owned());
        keys.collect::<BTreeSet<_>>() == named
    })
    .await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "delivery": "body"});
    assert_eq!(
        server.post("/api/auth/login", body).await.status(),
        StatusCode::OK
    );
    let verified = server.command(&["audit", "verify"], &settings);
    assert!(verified.status.success(), "{verified:?}");
    let _ = writeln!(
        std::io::stderr(),
        "outages: {} pictures acknowledged, {records} kept; again after {report:?}; told {told:?}",
        kept.len()
    );
}
