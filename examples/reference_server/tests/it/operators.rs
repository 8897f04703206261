//! What operators see: the description of the interface, and numbers.

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::server::{PASSWORD, Server, binary, text};

pub(crate) fn document() -> Value {
    let output = binary().arg("openapi").output().expect("the command runs");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Every operation: its method, its path, and what is said about it.
fn operations(document: &Value) -> Vec<(Method, String, &Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            all.push((
                method,
                path.replace("{id}", "none").replace("{sid}", "none"),
                operation,
            ));
        }
    }
    all
}

/// Checks that an answer is one of those that are documented, and has their form.
async fn check_documented(answer: reqwest::Response, operation: &Value, what: &str) -> StatusCode {
    let status = answer.status();
    let documented = &operation["responses"][status.as_str()];
    assert!(documented.is_object(), "{what}: {status} is not documented");
    let kind = answer
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().expect("text").to_owned());
    if let (Some(kind), Some(kinds)) = (kind, documented["content"].as_object()) {
        let essence = kind.split(';').next().unwrap_or_default();
        assert!(
            kinds.contains_key(essence),
            "{what}: {kind} is not documented for {status}"
        );
    }
    if status.is_client_error() || status.is_server_error() {
        let problem: Value = answer.json().await.expect("JSON");
        let code = format!("`{}`", text(&problem, "code"));
        let codes = documented["description"].as_str().unwrap_or_default();
        assert!(codes.contains(&code), "{what}: {code} is not among {codes}");
    }
    status
}

#[tokio::test]
async fn every_operation_is_there_and_refuses_as_its_description_says() {
    let settings = [("LIMIT_API", "100000/1m"), ("LIMIT_LOGIN_IP", "100000/1m")];
    let server = Server::start_with(&settings);
    let document = document();
    let served: Value = Client::new()
        .get(format!("{}/openapi.json", server.operators))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(served, document);
    let user = server.token("ann@example.com").await;
    let admin = server.admin(&[]).await;
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        let ask = async |token: Option<&str>, body: Option<(&str, Vec<u8>)>| {
            let mut request = server.request(method.clone(), &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if let Some((kind, body)) = body {
                request = request.header("content-type", kind).body(body);
            }
            check_documented(request.send().await.expect("an answer"), operation, &what).await
        };
        let signed_in = operation["security"].is_array();
        let for_admins = path.starts_with("/api/admin/");
        if signed_in {
            assert_eq!(ask(None, None).await, StatusCode::UNAUTHORIZED, "{what}");
            assert_eq!(
                ask(Some("no.token.at-all"), None).await,
                StatusCode::UNAUTHORIZED,
                "{what}"
            );
        }
        if for_admins {
            assert_eq!(
                ask(Some(&user), None).await,
                StatusCode::FORBIDDEN,
                "{what}"
            );
        }
        let token = match (for_admins, signed_in) {
            (true, _) => Some(&*admin),
            (false, true) => Some(&*user),
            (false, false) => None,
        };
        let takes = operation["requestBody"]["content"].as_object();
        if takes.is_some_and(|kinds| kinds.contains_key("application/json")) {
            let json = |text: &str| Some(("application/json", text.as_bytes().to_vec()));
            // A route of something that is not there may say that first.
            let mut allowed = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND];
            assert!(allowed.contains(&ask(token, json("{")).await), "{what}");
            allowed[0] = StatusCode::UNPROCESSABLE_ENTITY;
            assert!(
                allowed.contains(&ask(token, json(r#"{"unknown": 1}"#)).await),
                "{what}"
            );
            allowed[0] = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            assert!(
                allowed.contains(&ask(token, Some(("text/plain", b"{}".to_vec()))).await),
                "{what}"
            );
            allowed[0] = StatusCode::PAYLOAD_TOO_LARGE;
            assert!(
                allowed.contains(&ask(token, Some(("application/json", vec![b' '; 20_000]))).await),
                "{what}"
            );
        } else if takes.is_some() {
            ask(token, Some(("text/plain", b"text".to_vec()))).await;
        } else if path != "/api/me" || method != Method::DELETE {
            ask(token, None).await;
        }
        if !matches!(path.as_str(), "/healthz" | "/readyz" | "/")
            && !path.starts_with("/.well-known")
            && method != Method::GET
        {
            let foreign = server
                .request(method.clone(), &path)
                .header("origin", "https://evil.example");
            let refused = foreign.send().await.expect("an answer");
            assert_eq!(
                check_documented(refused, operation, &what).await,
                StatusCode::FORBIDDEN,
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn a_limited_operation_answers_as_its_description_says() {
    let server = Server::start_with(&[("LIMIT_API", "1/15m")]);
    let document = document();
    for (method, path, operation) in operations(&document) {
        if !path.starts_with("/api/") {
            continue;
        }
        let send = async || {
            server
                .request(method.clone(), &path)
                .send()
                .await
                .expect("an answer")
        };
        let mut answer = send().await;
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            answer = send().await;
        }
        for name in operation["responses"]["429"]["headers"]
            .as_object()
            .expect("headers")
            .keys()
        {
            assert!(
                answer.headers().contains_key(name.to_ascii_lowercase()),
                "{method} {path}: {name}"
            );
        }
        let status = check_documented(answer, operation, &format!("{method} {path}")).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{method} {path}");
    }
}

#[tokio::test]
async fn numbers_are_for_operators_and_strangers_do_not_make_them_grow() {
    let server = Server::start();
    let client = Client::new();
    let show = async || {
        let answer = client
            .get(format!("{}/metrics", server.operators))
            .send()
            .await
            .expect("an answer");
        answer.text().await.expect("text")
    };
    let spray = async |round: u32| {
        for number in 0..40 {
            let method =
                Method::from_bytes(format!("M{round}X{number}").as_bytes()).expect("a method");
            for method in [Method::GET, method] {
                let asked = server.request(method, &format!("/r{round}/{number}?q={number}"));
                asked.send().await.expect("an answer");
            }
        }
    };
    spray(0).await;
    let before = show().await.lines().count();
    spray(1).await;
    let shown = show().await;
    assert_eq!(shown.lines().count(), before);
    server.register("ann@example.com").await;
    assert_eq!(
        server
            .sign_in("ann@example.com", "violet kettle pirate")
            .await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        server.sign_in("ann@example.com", PASSWORD).await,
        StatusCode::OK
    );
    let shown = show().await;
    for line in [
        r#"http_server_request_duration_seconds_count{http_request_method="POST",http_route="/api/auth/login",http_response_status_code="401"} 1"#,
        r#"rampart_audit_events_total{event="authn_login_fail"} 1"#,
        r#"rampart_refusals_total{layer="handler",reason="invalid_credentials"} 1"#,
        "rampart_password_hashes_total 3",
        "http_server_active_requests 0",
    ] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
    for path in ["/metrics", "/openapi.json", "/docs"] {
        let there = client
            .get(format!("{}{path}", server.operators))
            .send()
            .await
            .expect("an answer");
        assert_eq!(there.status(), StatusCode::OK, "{path}");
        let elsewhere = client
            .get(format!("{}{path}", server.url))
            .send()
            .await
            .expect("an answer");
        assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND, "{path}");
        let rebound = client
            .get(format!("{}{path}", server.operators))
            .header("host", "evil.example");
        assert_eq!(
            rebound.send().await.expect("an answer").status(),
            StatusCode::MISDIRECTED_REQUEST,
            "{path}"
        );
    }
}

#[tokio::test]
async fn whom_to_tell_about_a_hole_is_published() {
    let server = Server::start_with(&[("SECURITY_CONTACT", "mailto:holes@example.com")]);
    let answer = server
        .request(Method::GET, "/.well-known/security.txt")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    let text = answer.text().await.expect("text");
    assert!(
        text.starts_with("Contact: mailto:holes@example.com\nExpires: 20"),
        "{text}"
    );
    assert!(
        text.ends_with("Canonical: http://localhost:8080/.well-known/security.txt\n"),
        "{text}"
    );
    let output = binary()
        .arg("check")
        .env("SECURITY_CONTACT", "holes@example.com")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(78));
}
