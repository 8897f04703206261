//! Mails through a real server, and one that fails on demand.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{PASSWORD, Server, binary, within};
use crate::services::skipped;

/// What a mailbox got: the recipient and the `Message-ID` of each mail.
type Taken = Arc<Mutex<Vec<(String, String)>>>;

/// A server that takes mails, or says what the test wants it to say. A real one cannot
/// be told to fail.
struct Sink {
    port: u16,
    taken: Taken,
    attempts: Arc<Mutex<HashMap<String, u32>>>,
}

impl Sink {
    /// `answer` sees a recipient and how often it was tried before.
    fn start(answer: impl Fn(&str, u32) -> &'static str + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (taken, attempts) = (
            Taken::default(),
            Arc::<Mutex<HashMap<String, u32>>>::default(),
        );
        let (seen, tried) = (Arc::clone(&taken), Arc::clone(&attempts));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen, tried) = (answer.clone(), Arc::clone(&seen), Arc::clone(&tried));
                // One that goes away in the middle is no concern of the sink's.
                std::thread::spawn(move || drop(talk(&stream, &answer, &seen, &tried)));
            }
        });
        Self {
            port,
            taken,
            attempts,
        }
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    fn taken(&self) -> Vec<(String, String)> {
        self.taken.lock().expect("unpoisoned").clone()
    }
}

fn talk(
    stream: &TcpStream,
    answer: &dyn Fn(&str, u32) -> &'static str,
    taken: &Mutex<Vec<(String, String)>>,
    attempts: &Mutex<HashMap<String, u32>>,
) -> std::io::Result<()> {
    let mut output = stream;
    let mut lines = BufReader::new(stream).lines();
    output.write_all(b"220 sink\r\n")?;
    let mut recipient = String::new();
    while let Some(line) = lines.next() {
        let line = line?;
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let mut said = "250 ok";
        match verb.as_str() {
            "RCPT" => {
                recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                let mut attempts = attempts.lock().expect("unpoisoned");
                let tried = attempts.entry(recipient.clone()).or_default();
                said = answer(&recipient, *tried);
                *tried += 1;
            }
            "DATA" => {
                output.write_all(b"354 go on\r\n")?;
                let mut id = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    if let Some(found) = line.strip_prefix("Message-ID: ") {
                        id = found.to_owned();
                    }
                }
                taken
                    .lock()
                    .expect("unpoisoned")
                    .push((recipient.clone(), id));
            }
            "QUIT" => {
                output.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => {}
        }
        output.write_all(format!("{said}\r\n").as_bytes())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_mailbox_that_is_busy_is_tried_again_and_one_that_is_gone_is_not() {
    let sink = Sink::start(|recipient, tried| match (recipient, tried) {
        ("busy@example.com", 0) => "450 busy",
        ("gone@example.com", _) => "550 no such mailbox",
        _ => "250 ok",
    });
    let mail = [
        ("SMTP_URL", &*sink.url()),
        ("MAIL_FROM", "rampart@example.com"),
    ];
    let server = Server::start_with(&mail);
    for name in ["ann", "busy", "gone"] {
        server.register(&format!("{name}@example.com")).await;
    }
    let arguments = [
        "incident",
        "respond",
        "--scenario",
        "signing-key-leak",
        "--yes",
        "--json",
    ];
    let response = server.command(&arguments, &mail);
    assert!(response.status.success(), "{response:?}");
    let sent = server.command(
        &[
            "incident",
            "notify",
            "--template",
            "signed-out",
            "--resume",
            "--json",
        ],
        &mail,
    );
    let sent: Value = serde_json::from_slice(&sent.stdout).expect("JSON");
    assert_eq!(
        (&sent["sent"], &sent["failed"], &sent["queued"]),
        (&json!(2), &json!(1), &json!(0))
    );
    let mut recipients: Vec<_> = sink
        .taken()
        .into_iter()
        .map(|(recipient, _)| recipient)
        .collect();
    recipients.sort_unstable();
    assert_eq!(
        recipients,
        ["ann@example.com", "busy@example.com"],
        "each once"
    );
    let attempts = sink.attempts.lock().expect("unpoisoned").clone();
    assert_eq!(
        (attempts["busy@example.com"], attempts["gone@example.com"]),
        (2, 1),
        "{attempts:?}"
    );
    let tail = server.command(&["audit", "tail"], &mail);
    let tail = String::from_utf8_lossy(&tail.stdout).into_owned();
    assert!(
        tail.contains("x_rampart_mail_failed") && tail.contains("no such mailbox"),
        "{tail}"
    );
}

#[tokio::test]
async fn whoever_sends_is_killed_and_the_next_one_goes_on() {
    let sink = Sink::start(|_, _| "250 ok");
    let mail = [
        ("SMTP_URL", &*sink.url()),
        ("MAIL_FROM", "rampart@example.com"),
    ];
    // The server itself sends into files, and has to be stopped so that it does not.
    let mut server = Server::start();
    let accounts = 30;
    for number in 0..accounts {
        server.register(&format!("user{number}@example.com")).await;
    }
    server.stop();
    let opened = server.command(
        &[
            "incident",
            "respond",
            "--scenario",
            "signing-key-leak",
            "--yes",
        ],
        &mail,
    );
    assert!(opened.status.success(), "{opened:?}");
    let send = |rate: &str| {
        let mut command = binary();
        command
            .args([
                "incident",
                "notify",
                "--template",
                "signed-out",
                "--resume",
                "--json",
                "--rate",
                rate,
            ])
            .env("RAMPART_DATA_DIR", server.data.path())
            .envs(mail)
            .stdout(Stdio::piped());
        command
    };
    let mut first = send("20").spawn().expect("it starts");
    within(20, async || sink.taken().len() >= 10).await;
    first.kill().expect("killed");
    first.wait().expect("over");
    let before = sink.taken().len();
    assert!(before < accounts, "killed in the middle: {before}");
    let output = send("1000").output().expect("it runs");
    let sent: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(sent["sent"], accounts, "{sent}");
    let taken = sink.taken();
    let mut ids: Vec<_> = taken.iter().map(|(_, id)| id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), accounts, "as many mails as accounts");
    assert!(
        taken.len() <= accounts + 1,
        "at most the one that was under way came twice"
    );
}

#[test]
fn a_mail_server_elsewhere_without_tls_is_refused_and_its_password_is_not_told() {
    for (url, told) in [
        ("smtp://user:canary@mail.example.com:25", "without TLS"),
        (
            "smtp://user:canary@mail.example.com:587?tls=opportunistic",
            "without TLS",
        ),
        ("http://user:canary@mail.example.com", "without TLS"),
        ("canary", "cannot be read"),
    ] {
        let output = binary()
            .args(["check"])
            .env("SMTP_URL", url)
            .env("MAIL_FROM", "a@example.com")
            .output()
            .expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{url}");
        assert!(
            said.starts_with("SMTP_URL: ") && said.contains(told) && !said.contains("canary"),
            "{said}"
        );
    }
    let output = binary()
        .args(["check"])
        .env("SMTP_URL", "smtps://user:canary@mail.example.com")
        .output()
        .expect("the command runs");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("MAIL_FROM: is required"));
}

#[tokio::test]
async fn a_real_mail_server_takes_what_is_sent() {
    let found = Command::new("python3")
        .args(["-c", "import aiosmtpd"])
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        skipped("smtp");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mailbox = folder.path().join("mailbox");
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a port")
        .port();
    let mut peer = Command::new("python3")
        .args(["-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox"])
        .arg(&mailbox)
        .args(["-l", &format!("127.0.0.1:{port}")])
        .spawn()
        .expect("it starts");
    within(10, async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let url = format!("smtp://127.0.0.1:{port}");
    let server = Server::start_with(&[
        ("SMTP_URL", &url),
        ("MAIL_FROM", "Rampart <rampart@example.com>"),
    ]);
    server.register("ann@example.com").await;
    server
        .post(
            "/api/auth/password/forgot",
            json!({"email": "ann@example.com"}),
        )
        .await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let mail = loop {
        let new = std::fs::read_dir(mailbox.join("new"))
            .into_iter()
            .flatten()
            .flatten()
            .next();
        if let Some(entry) = new {
            break std::fs::read_to_string(entry.path()).expect("a mail");
        }
        assert!(Instant::now() < deadline, "no mail");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    peer.kill().expect("killed");
    peer.wait().expect("over");
    assert!(
        mail.contains("X-RcptTo: ann@example.com")
            && mail.contains("From: Rampart <rampart@example.com>"),
        "{mail}"
    );
    let token = mail
        .lines()
        .find_map(|line| line.split_once("/#reset?token="))
        .expect("a whole link")
        .1;
    let body = json!({"token": token, "new_password": "orange kettle parade"});
    assert_eq!(
        server.post("/api/auth/password/reset", body).await.status(),
        204
    );
    assert_eq!(server.sign_in("ann@example.com", PASSWORD).await, 401);
}
