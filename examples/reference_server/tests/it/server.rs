//! A server of its own for each test, and a client that knows its routes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use crate::png::png;

pub(crate) const PASSWORD: &str = "violet kettle parade";

/// Where the log of a server is, beside its data.
const LOG: &str = "test.log";

/// A running server; dropping it stops it and removes its data.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
    /// Where only operators come.
    pub(crate) operators: String,
    pub(crate) data: TempDir,
    client: Client,
}

/// The built binary, without any setting of whoever runs the tests.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reference-server"));
    command.env_clear().env("RUST_BACKTRACE", "1");
    command
}

impl Server {
    /// Starts a server with a fresh data directory.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further settings.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        // Production takes no folder that others can read.
        let private = std::fs::Permissions::from_mode(0o700);
        let data = tempfile::Builder::new().permissions(private).tempdir();
        let data = data.expect("a folder");
        let (process, addresses) = launch(data.path(), settings);
        // A client of its own, so that no connection outlives the server.
        Self {
            process,
            url: addresses.url,
            operators: addresses.operators,
            data,
            client: Client::new(),
        }
    }

    /// Starts a second process on the same data, and returns where it is.
    pub(crate) fn twin(&self, settings: &[(&str, &str)]) -> Twin {
        let (process, Addresses { url, .. }) = launch(self.data.path(), settings);
        Twin { process, url }
    }

    /// Stops the server and starts another one on the same data.
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// Stops the server and starts another one, with other settings.
    pub(crate) fn restart_with(&mut self, settings: &[(&str, &str)]) {
        stop(&mut self.process);
        let (process, addresses) = launch(self.data.path(), settings);
        self.process = process;
        self.url = addresses.url;
        self.operators = addresses.operators;
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends the process, as a crash would.
    pub(crate) fn stop(&mut self) {
        stop(&mut self.process);
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "still there: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command beside the server, on the same data.
    pub(crate) fn command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut command = binary();
        command
            .args(arguments)
            .env("RAMPART_DATA_DIR", self.data.path());
        command.envs(settings.iter().copied());
        command.output().expect("the command runs")
    }

    /// Adds an account of an administrator.
    pub(crate) fn add_admin(
        &self,
        email: &str,
        password: &str,
        settings: &[(&str, &str)],
    ) -> Output {
        let mut child = binary()
            .args(["users", "add-admin", email])
            .env("RAMPART_DATA_DIR", self.data.path())
            .env("BCRYPT_COST", "10")
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = child.stdin.take().expect("piped");
        // It may not want to know.
        let _ = input.write_all(format!("{password}\n").as_bytes());
        drop(input);
        child.wait_with_output().expect("it ends")
    }

    /// Adds an administrator, and signs them in; returns an access token.
    pub(crate) async fn admin(&self, settings: &[(&str, &str)]) -> String {
        let added = self.add_admin("admin@example.com", PASSWORD, settings);
        assert!(added.status.success(), "{added:?}");
        text(&self.login("admin@example.com").await, "access_token")
    }

    /// Sends JSON with a token.
    pub(crate) async fn post_as(&self, token: &str, path: &str, body: Value) -> Response {
        let request = self.request(Method::POST, path).bearer_auth(token);
        request.json(&body).send().await.expect("an answer")
    }

    /// Signs in with a password; returns the status.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> StatusCode {
        let body = json!({"email": email, "password": password, "delivery": "body"});
        self.post("/api/auth/login", body).await.status()
    }

    /// Waits for a mail to an address that the filter takes, and returns its text.
    pub(crate) fn mail(&self, to: &str, wanted: impl Fn(&str) -> bool) -> String {
        let folder = self.data.path().join("outbox");
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mails = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mails = mails.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
            let to = format!("To: {to}\r\n");
            if let Some(found) = mails
                .into_iter()
                .find(|mail| mail.contains(&to) && wanted(mail))
            {
                return found;
            }
            assert!(Instant::now() < deadline, "no mail {to}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks for a link that sets another password, and returns its token.
    pub(crate) async fn reset_token(&self, email: &str) -> String {
        self.post("/api/auth/password/forgot", json!({"email": email}))
            .await;
        let mail = self.mail(email, |mail| mail.contains("token="));
        let (_, rest) = mail.split_once("token=").expect("a link");
        rest.chars().take_while(|c| !c.is_whitespace()).collect()
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join(LOG)).expect("a log")
    }

    /// The memory that the server takes, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    /// Starts a request.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path)
            .json(&body)
            .send()
            .await
            .expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path)
            .bearer_auth(token)
            .send()
            .await
            .expect("an answer")
    }

    pub(crate) async fn register(&self, email: &str) {
        let answer = self
            .post(
                "/api/auth/register",
                json!({"email": email, "password": PASSWORD}),
            )
            .await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }

    /// Signs in and returns the answer's members.
    pub(crate) async fn login(&self, email: &str) -> Value {
        let body = json!({"email": email, "password": PASSWORD, "delivery": "body"});
        let answer = self.post("/api/auth/login", body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.expect("JSON")
    }

    /// Registers and signs in; returns an access token.
    pub(crate) async fn token(&self, email: &str) -> String {
        self.register(email).await;
        text(&self.login(email).await, "access_token")
    }

    pub(crate) async fn upload(
        &self,
        token: &str,
        name: &str,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Response {
        let part = Part::bytes(bytes)
            .file_name(name.to_owned())
            .mime_str(media_type)
            .expect("a media type");
        let request = self.request(Method::POST, "/api/images").bearer_auth(token);
        request
            .multipart(Form::new().part("file", part))
            .send()
            .await
            .expect("an answer")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// A second process on another server's data.
#[derive(Debug)]
pub(crate) struct Twin {
    process: Child,
    pub(crate) url: String,
}

impl Drop for Twin {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

fn stop(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

/// Starts the binary and waits until it says where its page is.
fn launch(data: &Path, settings: &[(&str, &str)]) -> (Child, Addresses) {
    let mut log = File::options();
    let log = log.append(true).create(true).open(data.join(LOG));
    let mut process = binary()
        .env("RAMPART_LISTEN", "127.0.0.1:0")
        .env("RAMPART_ADMIN_LISTEN", "127.0.0.1:0")
        .env("RAMPART_DATA_DIR", data)
        .env("BCRYPT_COST", "10")
        .envs(settings.iter().copied())
        .stdout(Stdio::piped())
        .stderr(log.expect("a log"))
        .spawn()
        .expect("the server starts");
    let output = BufReader::new(process.stdout.take().expect("piped"));
    let mut lines = output.lines().map_while(Result::ok);
    let mut said = |name: &str| {
        let line = lines.find_map(|line| line.strip_prefix(name).map(str::to_owned));
        let line = line.unwrap_or_else(|| {
            panic!(
                "the server says where its {name}is: {}",
                std::fs::read_to_string(data.join(LOG)).unwrap_or_default()
            )
        });
        line.trim().trim_end_matches('/').to_owned()
    };
    let url = said("page ");
    let operators = said("operators ").trim_end_matches("/docs").to_owned();
    (process, Addresses { url, operators })
}

/// Where a server is.
struct Addresses {
    url: String,
    operators: String,
}

/// Waits until something is so, but not longer than it may take.
pub(crate) async fn within(seconds: u64, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {seconds} s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Refreshes with a token in the body.
pub(crate) async fn refresh(client: &Client, server: &str, token: &str) -> (StatusCode, Value) {
    let answer = client
        .post(format!("{server}/api/auth/refresh"))
        .json(&json!({"refresh_token": token}))
        .send()
        .await
        .expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

/// A text member of an answer.
#[track_caller]
pub(crate) fn text(answer: &Value, member: &str) -> String {
    answer[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} in {answer}"))
        .to_owned()
}

/// Checks a refusal: its status, its code, and the form of its document.
#[track_caller]
pub(crate) fn check_problem(status: StatusCode, expected: u16, problem: &Value, code: &str) {
    assert_eq!(
        (status.as_u16(), problem["code"].as_str()),
        (expected, Some(code)),
        "{problem}"
    );
    assert_eq!(problem["status"], expected);
    assert!(
        problem["type"].is_string() && problem["title"].is_string(),
        "{problem}"
    );
    assert_eq!(
        problem["request_id"].as_str().map(str::len),
        Some(32),
        "{problem}"
    );
}

/// Reads a refusal and checks it.
pub(crate) async fn refused(answer: Response, status: u16, code: &str) -> Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let got = answer.status();
    let problem: Value = answer.json().await.expect("JSON");
    check_problem(got, status, &problem, code);
    problem
}
