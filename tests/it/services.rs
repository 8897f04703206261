//! Throw-away services for the tests: a Postgres and a Redis of their own.
//!
//! One of each is shared by the tests of a binary, in a folder of its own, and
//! ends with it: a shell waits for the end of its input, which comes however this process
//! ends. Without the program a test says that it was skipped, unless
//! `RAMPART_TEST_REQUIRE` names the service.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// A running service, until it is dropped: then the shell's input ends.
#[derive(Debug)]
pub(crate) struct Service {
    shell: Child,
    /// `None` when it is to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub(crate) port: u16,
}

/// What both scripts begin with: `$port` is free, `$dir` is removed at the end.
/// A line on standard input is a command: `kill` and `start`.
const COMMON: &str = r#"
set -eu
dir=$(mktemp -d)
pid=
as=(env)
# Fails, instead of waiting for ever, if the service ended.
until_up() { until "$@"; do kill -0 $pid; sleep 0.05; done; }
stop() { [ -z "$pid" ] || { crash; wait $pid; } 2>/dev/null || true; rm -rf "$dir"; }
trap stop EXIT
"#;

const POSTGRES: &str = r#"
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
cd "$dir"
# To its processes it is what a power cut is; SIGKILL would leave some behind.
crash() { kill -QUIT $pid; }
"${as[@]}" initdb -D "$dir/data" -U rampart -A trust -E UTF8 --locale=C --no-sync >/dev/null
start() {
    "${as[@]}" postgres -D "$dir/data" -p "$port" -k "$dir" -c listen_addresses=127.0.0.1 \
        -c fsync=off -c max_connections=300 -c log_min_messages=fatal >/dev/null 2>&1 &
    pid=$!
    until_up pg_isready -q -h 127.0.0.1 -p "$port"
}
"#;

const REDIS: &str = r#"
crash() { kill -KILL $pid; }
answers() { redis-cli -p "$port" ping 2>/dev/null | grep -q PONG; }
start() {
    redis-server --bind 127.0.0.1 --port "$port" --dir "$dir" --save '' --appendonly yes \
        --appendfsync always --logfile /dev/null &
    pid=$!
    until_up answers
}
"#;

const S3: &str = r#"
crash() { kill -KILL $pid; }
start() {
    moto_server -H 127.0.0.1 -p "$port" >/dev/null 2>&1 &
    pid=$!
    until_up curl -fsS -o /dev/null "http://127.0.0.1:$port/moto-api/" 2>/dev/null
}
"#;

const SERVE: &str = r#"
start
echo ready
while read -r command; do
    case $command in
        kill) crash; wait $pid 2>/dev/null || true; pid= ;;
        start) start ;;
    esac
    echo done
done
"#;

impl Service {
    fn start(name: &str, program: &str, script: &str) -> Option<Self> {
        let found = Command::new("sh")
            .args(["-c", "PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1); command -v \"$0\"", program])
            .stdout(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            skipped(name);
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let mut shell = Command::new("bash")
            .arg("-c")
            .arg(format!("port={port}\n{COMMON}{script}{SERVE}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let input = shell.stdin.take();
        let output = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut service = Self {
            shell,
            input,
            output,
            port,
        };
        service.expect_line("ready");
        Some(service)
    }

    /// Starts a Postgres that no other test uses.
    pub(crate) fn postgres() -> Option<Self> {
        Self::start("postgres", "initdb", POSTGRES)
    }

    /// Starts a Redis that no other test uses; it forgets nothing.
    pub(crate) fn redis() -> Option<Self> {
        Self::start("redis", "redis-server", REDIS)
    }

    /// Starts an object store that speaks the protocol of S3.
    pub(crate) fn s3() -> Option<Self> {
        Self::start("s3", "moto_server", S3)
    }

    /// Ends the service as a crash would.
    pub(crate) fn kill(&mut self) {
        self.tell("kill");
    }

    /// Starts it again, on the same data.
    pub(crate) fn start_again(&mut self) {
        self.tell("start");
    }

    fn tell(&mut self, command: &str) {
        let input = self.input.as_mut().expect("open until the end");
        writeln!(input, "{command}").expect("the shell listens");
        self.expect_line("done");
    }

    fn expect_line(&mut self, expected: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), expected, "the service on port {}", self.port);
    }

    pub(crate) fn postgres_url(&self, database: &str) -> String {
        format!("postgres://rampart@127.0.0.1:{}/{database}", self.port)
    }

    pub(crate) fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.shell.wait();
    }
}

/// The Postgres that the tests of this binary share.
pub(crate) fn postgres() -> Option<&'static Service> {
    static SHARED: OnceLock<Option<Service>> = OnceLock::new();
    SHARED.get_or_init(Service::postgres).as_ref()
}

/// The Redis that the tests of this binary share.
pub(crate) fn redis() -> Option<&'static Service> {
    static SHARED: OnceLock<Option<Service>> = OnceLock::new();
    SHARED.get_or_init(Service::redis).as_ref()
}

/// The object store that the tests of this binary share.
pub(crate) fn s3() -> Option<&'static Service> {
    static SHARED: OnceLock<Option<Service>> = OnceLock::new();
    SHARED.get_or_init(Service::s3).as_ref()
}

/// Says that a test was skipped, or fails it if it must run.
pub(crate) fn skipped(what: &str) {
    let required = std::env::var("RAMPART_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|required| required.trim() == what),
        "RAMPART_TEST_REQUIRE asks for {what}, and it is not installed"
    );
    // Not `eprintln!`, which the test runner keeps to itself.
    let _ = writeln!(std::io::stderr(), "skipped: no {what}");
}
