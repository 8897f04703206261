//! The line to a Postgres on another machine: this one, under its other address.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::server::binary;
use crate::services::{Service, skipped};

/// An address of this machine that is not loopback; nothing is sent to find it.
fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

/// Asks a database for its keys, as any command would.
fn ask(folder: &Path, url: &str) -> Output {
    let mut command = binary();
    command
        .args(["keys", "list"])
        .env("RAMPART_DATA_DIR", folder)
        .env("DATABASE_URL", url);
    command.output().expect("it runs")
}

#[test]
fn nothing_is_told_to_a_server_that_speaks_no_tls() {
    let Some(address) = address() else {
        return skipped("network");
    };
    let listener = TcpListener::bind((address, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let sink = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 8];
        stream.read_exact(&mut request).expect("a request");
        stream.write_all(b"N").expect("an answer");
        let mut rest = Vec::new();
        // An error is an end too.
        let _ = stream.read_to_end(&mut rest);
        (request, rest)
    });
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("postgres://rampart_app:canary@{address}:{port}/rampart?sslmode=verify-full");
    let output = ask(folder.path(), &url);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("cannot be reached") && !said.contains("canary"),
        "{said}"
    );
    let (request, rest) = sink.join().expect("it ends");
    // An SSLRequest: its length, and the number that no version has.
    assert_eq!(request, [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
    assert_eq!(rest, b"", "neither a name nor a password");
}

/// An authority, and a certificate of its own making for an address.
pub(crate) struct Authority(tempfile::TempDir);

impl Authority {
    fn new(address: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let names = format!("subjectAltName=IP:{address}\n");
        std::fs::write(folder.path().join("names"), names).expect("written");
        let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem && \
                      openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr && \
                      openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem";
        let made = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path())
            .output();
        made.is_ok_and(|made| made.status.success())
            .then_some(Self(folder))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).expect(name)
    }
}

/// A Postgres that speaks TLS, at an address of this machine that is not loopback.
pub(crate) struct Encrypted {
    pub(crate) service: Service,
    address: IpAddr,
    port: u16,
    pub(crate) authority: Authority,
}

impl Encrypted {
    /// Starts one; who may connect, and how, is for `pg_hba.conf`.
    pub(crate) fn start(hba: &str) -> Option<Self> {
        let Some(address) = address() else {
            skipped("network");
            return None;
        };
        let service = Service::postgres()?;
        let Some(authority) = Authority::new(&address.to_string()) else {
            skipped("openssl");
            return None;
        };
        // The server listens on loopback only; this stands at the other address.
        let forward = TcpListener::bind((address, 0)).expect("a port");
        let port = forward.local_addr().expect("an address").port();
        let to = service.port;
        std::thread::spawn(move || {
            for client in forward.incoming().flatten() {
                let server = std::net::TcpStream::connect(("127.0.0.1", to)).expect("a server");
                for (mut from, mut to) in [
                    (
                        client.try_clone().expect("cloned"),
                        server.try_clone().expect("cloned"),
                    ),
                    (server, client),
                ] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Write);
                    });
                }
            }
        });
        let mut started = Self {
            service,
            address,
            port,
            authority,
        };
        started.serve_with(&started.authority);
        let data = started.run("SHOW data_directory");
        started.run(&format!(
            "COPY (SELECT '{hba}') TO PROGRAM 'printf \"%b\" \"$(cat)\" > {data}/pg_hba.conf'"
        ));
        started.run("ALTER SYSTEM SET ssl = on");
        started.service.kill();
        started.service.start_again();
        Some(started)
    }

    /// Runs a statement as somebody who may do everything.
    pub(crate) fn run(&self, statement: &str) -> String {
        let admin = self.service.postgres_url("postgres");
        let output = Command::new("psql")
            .args(["-tAqd", &admin, "-v", "ON_ERROR_STOP=1", "-c", statement])
            .output();
        let output = output.expect("psql runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The server writes its own files, so that they belong to whoever it runs as. A line
    /// end is written as two characters, which `printf` reads.
    fn serve_with(&self, authority: &Authority) {
        let data = self.run("SHOW data_directory");
        for (name, text) in [
            ("server.crt", authority.read("server.pem")),
            ("server.key", authority.read("server.key")),
        ] {
            self.run(&format!(
                "COPY (SELECT '{text}') TO PROGRAM 'umask 077; printf \"%b\" \"$(cat)\" > {data}/{name}'"
            ));
        }
    }

    /// Where it is for somebody who believes an authority.
    pub(crate) fn url(&self, user: &str, database: &str, authority: &Authority) -> String {
        let Self { address, port, .. } = self;
        let authority = authority.path();
        format!(
            "postgres://{user}@{address}:{port}/{database}?sslmode=verify-full&sslrootcert={}",
            authority.display()
        )
    }
}

#[test]
fn a_server_has_to_be_who_it_should_be_and_says_that_the_line_is_encrypted() {
    let hba = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
    let Some(database) = Encrypted::start(hba) else {
        return;
    };
    let other = Authority::new("192.0.2.1").expect("there is openssl");
    database.run("CREATE DATABASE tls");
    let folder = tempfile::tempdir().expect("a folder");
    let url = |authority| database.url("rampart", "tls", authority);
    let right = &database.authority;
    let migrated = binary()
        .arg("migrate")
        .env("MIGRATOR_DATABASE_URL", url(right))
        .output()
        .expect("it runs");
    assert!(migrated.status.success(), "{migrated:?}");
    assert!(ask(folder.path(), &url(right)).status.success());
    let checked = binary()
        .args(["check", "--deploy"])
        .env("RAMPART_DATA_DIR", folder.path())
        .env("DATABASE_URL", url(right))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        said.contains("is a superuser") && !said.contains("not encrypted"),
        "{said}"
    );

    let stranger = ask(folder.path(), &url(&other));
    assert_eq!(
        stranger.status.code(),
        Some(1),
        "signed by nobody that is known"
    );
    database.serve_with(&other);
    database.run("SELECT pg_reload_conf()");
    let elsewhere = ask(folder.path(), &url(&other));
    assert_eq!(
        elsewhere.status.code(),
        Some(1),
        "a certificate for another machine"
    );
    database.serve_with(right);
    database.run("SELECT pg_reload_conf()");
    let again = ask(folder.path(), &url(right));
    assert!(again.status.success(), "it was the certificate: {again:?}");
}
