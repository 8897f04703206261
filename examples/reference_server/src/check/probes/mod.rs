//! Questions to a running server, as a stranger would ask them.

mod about;

use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD,
    CONTENT_SECURITY_POLICY, DATE, ORIGIN, REFERRER_POLICY, SERVER, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use jiff::Timestamp;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use url::Url;

use super::{Finding, Result};
use crate::reader::is_this_machine;
use about::*;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far its clock may be from ours.
const SKEW: Duration = Duration::from_secs(60);

/// Origins that nobody lists.
const HOSTILE: [&str; 8] = [
    "https://evil.example",
    "null",
    "https://evil.example.com",
    "http://localhost.evil.example",
    "https://localhost:5173",
    "http://127.0.0.1:5173",
    "file://",
    "chrome-extension://evil",
];

/// Asks a server.
///
/// # Errors
///
/// If the URL cannot be used, or nobody answers.
pub(super) async fn run(url: &str) -> Result<(Vec<Finding>, usize)> {
    let base = Url::parse(url)?;
    let client = Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .build()?;
    let mut probe = Probe {
        client,
        base,
        findings: Vec::new(),
    };
    probe.transport_and_headers().await?;
    probe.cross_origin().await?;
    probe.methods_and_paths().await?;
    probe.limits().await?;
    probe.answers().await?;
    Ok((probe.findings, COUNT))
}

/// Whether not all of them are the same.
fn falls(left: &[u64]) -> bool {
    left.iter().min() != left.iter().max()
}

struct Probe {
    client: Client,
    base: Url,
    findings: Vec<Finding>,
}

impl Probe {
    fn ask(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        Ok(self.client.request(method, self.base.join(path)?))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        Ok(request
            .send()
            .await
            .map_err(|error| format!("{} does not answer: {error}", self.base))?)
    }

    async fn get(&self, path: &str) -> Result<Response> {
        self.send(self.ask(Method::GET, path)?).await
    }

    fn found(&mut self, (id, level, asvs, why, fix): About, found: impl Into<String>) {
        self.findings.push(Finding {
            id,
            level,
            asvs,
            found: found.into(),
            why,
            fix,
            excused: None,
        });
    }

    async fn transport_and_headers(&mut self) -> Result<()> {
        let local = self.base.host_str().is_some_and(is_this_machine);
        let https = self.base.scheme() == "https";
        if !https && !local {
            self.found(HTTPS, format!("{} is not https", self.base));
        }
        for path in ["/", "/api/me", "/no-such-thing"] {
            let answer = self.get(path).await?;
            let headers = answer.headers();
            for name in [
                CONTENT_SECURITY_POLICY,
                X_CONTENT_TYPE_OPTIONS,
                REFERRER_POLICY,
            ] {
                if !headers.contains_key(&name) {
                    self.found(
                        HEADERS,
                        format!("{path} ({}) has no {name}", answer.status()),
                    );
                }
            }
            let policy = headers
                .get(CONTENT_SECURITY_POLICY)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            if policy.contains("unsafe-inline")
                || policy.contains("unsafe-eval")
                || !policy.contains("frame-ancestors")
            {
                self.found(HEADERS, format!("{path} has the policy {policy:?}"));
            }
            if https {
                let hsts = headers
                    .get(STRICT_TRANSPORT_SECURITY)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default();
                let age = hsts
                    .split(';')
                    .find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u64>().ok());
                if age.unwrap_or_default() < 31_536_000 {
                    self.found(HSTS, format!("{path} has {hsts:?}"));
                }
            }
            for name in [SERVER.as_str(), "x-powered-by", "x-aspnet-version"] {
                if let Some(value) = headers.get(name) {
                    self.found(
                        NAMES,
                        format!("{path} has {name}: {}", value.to_str().unwrap_or("?")),
                    );
                }
            }
            let date = headers.get(DATE).and_then(|value| value.to_str().ok());
            let date = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
            if let Some(date) = date
                && date
                    .timestamp()
                    .duration_since(Timestamp::now())
                    .unsigned_abs()
                    > SKEW
            {
                self.found(CLOCK, format!("its clock says {date}"));
            }
        }
        Ok(())
    }

    async fn cross_origin(&mut self) -> Result<()> {
        for origin in HOSTILE {
            let actual = self.ask(Method::GET, "/api/me")?.header(ORIGIN, origin);
            let preflight = self
                .ask(Method::OPTIONS, "/api/me")?
                .header(ORIGIN, origin)
                .header(ACCESS_CONTROL_REQUEST_METHOD, "DELETE");
            for (what, request) in [("an answer", actual), ("a preflight", preflight)] {
                let answer = self.send(request).await?;
                if let Some(allowed) = answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN) {
                    let credentials = answer
                        .headers()
                        .contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS);
                    let found = format!(
                        "{what} lets {origin} read: {allowed:?}, credentials: {credentials}"
                    );
                    self.found(CORS, found);
                }
            }
        }
        let forged = self
            .ask(Method::POST, "/api/auth/logout")?
            .header(ORIGIN, "https://evil.example")
            .header("sec-fetch-site", "cross-site");
        let answer = self.send(forged).await?;
        if answer.status() != StatusCode::FORBIDDEN {
            self.found(
                CROSS_SITE,
                format!(
                    "POST /api/auth/logout from https://evil.example is answered {}",
                    answer.status()
                ),
            );
        }
        Ok(())
    }

    async fn methods_and_paths(&mut self) -> Result<()> {
        for path in ["/", "/api/me", "/healthz"] {
            let answer = self.send(self.ask(Method::TRACE, path)?).await?;
            if answer.status().is_success() {
                self.found(
                    TRACE,
                    format!("TRACE {path} is answered {}", answer.status()),
                );
            }
        }
        for path in [
            "/metrics",
            "/docs",
            "/openapi.json",
            "/.git/HEAD",
            "/.env",
            "/debug/pprof/",
            "/actuator/env",
            "/server-status",
        ] {
            let answer = self.get(path).await?;
            if answer.status().is_success() {
                self.found(HIDDEN, format!("{path} is answered {}", answer.status()));
            }
        }
        for name in [
            "x-http-method-override",
            "x-method-override",
            "x-http-method",
        ] {
            let answer = self
                .send(self.ask(Method::GET, "/healthz")?.header(name, "DELETE"))
                .await?;
            if answer.status() != StatusCode::OK {
                self.found(
                    OVERRIDE,
                    format!(
                        "GET /healthz with {name}: DELETE is answered {}",
                        answer.status()
                    ),
                );
            }
        }
        Ok(())
    }

    /// What four requests at once are told of what is left, each with an address of its
    /// own in a header.
    async fn left(&self, name: Option<&str>) -> Result<Vec<u64>> {
        let asked = (1..=4).map(async |number| {
            let mut request = self.ask(Method::GET, "/api/me")?;
            if let Some(name) = name {
                let prefix = if name == "forwarded" { "for=" } else { "" };
                request = request.header(name, format!("{prefix}198.51.100.{number}"));
            }
            let answer = self.send(request).await?;
            let field = answer
                .headers()
                .get("ratelimit")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            Ok::<_, Box<dyn std::error::Error>>(remaining(field))
        });
        let left = futures_util::future::try_join_all(asked).await?;
        Ok(left.into_iter().flatten().collect())
    }

    /// Whether a made-up address has a limit of its own.
    async fn limits(&mut self) -> Result<()> {
        // All at once, so that nothing comes back meanwhile. A limit that does not go down
        // by itself, because it is so high, tells nothing.
        if !falls(&self.left(None).await?) {
            return Ok(());
        }
        for name in [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
        ] {
            // One of its own is full each time; one that is shared goes down.
            let all = self.left(Some(name)).await?;
            if all.len() == 4 && !falls(&all) {
                self.found(
                    SPOOFED,
                    format!("with other addresses in {name} the limit does not go down: {all:?}"),
                );
            }
        }
        Ok(())
    }

    async fn answers(&mut self) -> Result<()> {
        let broken = self
            .ask(Method::POST, "/api/auth/login")?
            .header("content-type", "application/json")
            .body("{");
        let answer = self.send(broken).await?;
        let kind = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let status = answer.status();
        let text = answer.text().await?;
        let telling = [
            "panicked",
            "stack backtrace",
            ".rs:",
            "/src/",
            "Traceback",
            "sqlx",
            "EOF while parsing",
        ];
        if kind != "application/problem+json" && status != StatusCode::TOO_MANY_REQUESTS
            || telling.iter().any(|word| text.contains(word))
        {
            self.found(
                LEAKS,
                format!("a broken body is answered {status} with {kind}"),
            );
        }
        // {"alg":"none","typ":"at+jwt"}.{"sub":"admin"}.
        for token in [
            "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiJhZG1pbiJ9.",
            "x",
        ] {
            let answer = self
                .send(self.ask(Method::GET, "/api/me")?.bearer_auth(token))
                .await?;
            if !matches!(
                answer.status(),
                StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS
            ) {
                self.found(
                    TOKENS,
                    format!("a token that nobody signed is answered {}", answer.status()),
                );
            }
        }
        let answer = self
            .send(self.ask(Method::POST, "/api/auth/logout")?)
            .await?;
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap_or_default();
            let missing: Vec<_> = ["Secure", "HttpOnly", "SameSite=", "Path=/"]
                .into_iter()
                .filter(|part| !cookie.contains(part))
                .collect();
            if !cookie.starts_with("__Host-") || !missing.is_empty() || cookie.contains("Domain=") {
                let name = cookie.split('=').next().unwrap_or_default();
                self.found(
                    COOKIES,
                    format!("the cookie {name} lacks {}", missing.join(", ")),
                );
            }
        }
        let contact = self.get("/.well-known/security.txt").await?;
        let text = contact.text().await?;
        let expires = text
            .lines()
            .find_map(|line| line.strip_prefix("Expires: ")?.parse::<Timestamp>().ok());
        if !text.lines().any(|line| line.starts_with("Contact: "))
            || expires.is_none_or(|time| time < Timestamp::now())
        {
            self.found(
                CONTACT,
                "/.well-known/security.txt names nobody, or is over",
            );
        }
        Ok(())
    }
}

/// What is left of the first limit of a `RateLimit` field.
fn remaining(field: &str) -> Option<u64> {
    let (_, rest) = field.split_once(";r=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
