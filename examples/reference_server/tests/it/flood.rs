//! Many people sign in at once, and everybody else notices nothing.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::server::{PASSWORD, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sign_ins_at_once_are_answered_or_shed_and_the_rest_goes_on() {
    let limits = [
        ("LIMIT_LOGIN_IP", "100000/1m"),
        ("LIMIT_LOGIN_ACCOUNT", "100000/1m"),
        ("LIMIT_API", "100000/1m"),
        ("BCRYPT_COST", "12"),
    ];
    let server = Server::start_with(&limits);
    server.register("ann@example.com").await;
    let client = Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client");
    let logins: Vec<_> = (0..200)
        .map(|number| {
            let (client, url) = (client.clone(), format!("{}/api/auth/login", server.url));
            let password = if number % 2 == 0 {
                PASSWORD
            } else {
                "violet kettle pirate"
            };
            let body =
                json!({"email": "ann@example.com", "password": password, "delivery": "body"});
            tokio::spawn(async move {
                let answer = client
                    .post(url)
                    .json(&body)
                    .send()
                    .await
                    .expect("an answer");
                let waits = answer.headers().contains_key("retry-after");
                (answer.status(), waits)
            })
        })
        .collect();
    // One connection, as a load balancer has it.
    let prober = Client::new();
    let mut late = Vec::new();
    while !logins.iter().all(tokio::task::JoinHandle::is_finished) {
        let begun = Instant::now();
        let answer = prober
            .get(format!("{}/healthz", server.url))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        late.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut told = BTreeMap::new();
    for login in logins {
        let (status, waits) = login.await.expect("it ends");
        let allowed = [
            StatusCode::OK,
            StatusCode::UNAUTHORIZED,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        assert!(allowed.contains(&status), "{status}");
        assert_eq!(waits, status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
        *told.entry(status.as_u16()).or_insert(0) += 1;
    }
    assert!(
        told.contains_key(&200) && told.contains_key(&503),
        "some are answered, some are shed: {told:?}"
    );
    let metrics = Client::new()
        .get(format!("{}/metrics", server.operators))
        .send()
        .await
        .expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let shed = format!("rampart_password_refused_total {}", told[&503]);
    assert!(
        metrics.contains(&shed) && metrics.contains("rampart_password_waiting 0"),
        "{shed} in {metrics}"
    );
    late.sort_unstable();
    let p99 = late[(late.len() * 99 / 100).min(late.len() - 1)];
    let _ = writeln!(
        std::io::stderr(),
        "flood: told {told:?}; /healthz {} times, p99 {p99:?}",
        late.len()
    );
}
