//! `secret generate`, `check` and `fingerprint`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tower_rampart::jwt::{KeySet, SigningKey};
use tower_rampart::secret::Secret;
use zeroize::Zeroizing;

use crate::cli::{complain, say};
use crate::db::is_open_to_others;
use crate::secrets::{self, Found};
use crate::settings::Settings;

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Prints a fresh random secret, as `gen-secret` does.
    Generate(New),
    /// Judges every secret that is configured, and prints none: where each comes from,
    /// how long it is, and its fingerprint. 1 if one cannot be used.
    Check {
        /// Also refuses what is only doubtful.
        #[arg(long)]
        strict: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the fingerprint of a secret, by which two places can be compared.
    Fingerprint {
        /// The file that holds it; standard input otherwise.
        file: Option<PathBuf>,
    },
}

/// A secret to be made.
#[derive(Args, Debug)]
pub(crate) struct New {
    /// How many random bytes.
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(32..=1024))]
    bytes: u16,
    /// How to write them.
    #[arg(long, value_enum, default_value_t = Format::Base64url)]
    format: Format,
    /// The variable's name, for `--format env`.
    #[arg(long, default_value = "SECRET_KEY", value_parser = variable)]
    name: String,
    /// Writes to a new file that only its owner can read.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One line of base64url.
    Base64url,
    /// One line of hexadecimal digits.
    Hex,
    /// `NAME=base64url`.
    Env,
}

/// Reads the name of a variable.
fn variable(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = text.chars().all(plain) && text.starts_with(|c: char| !c.is_ascii_digit());
    named
        .then(|| text.to_owned())
        .ok_or("write letters, digits and _")
}

/// Runs a command.
pub(crate) fn run(settings: &Settings, command: SecretCommand) -> ExitCode {
    match command {
        SecretCommand::Generate(new) => generate(&new),
        SecretCommand::Check { strict, json } => check(settings, strict, json),
        SecretCommand::Fingerprint { file } => match one(file.as_deref()) {
            Ok(secret) => {
                say(&secrets::fingerprint(&secret));
                ExitCode::SUCCESS
            }
            Err(text) => {
                complain(&text);
                ExitCode::FAILURE
            }
        },
    }
}

/// Makes a secret.
pub(crate) fn generate(new: &New) -> ExitCode {
    let bytes = new.bytes.into();
    let text = Zeroizing::new(match new.format {
        Format::Base64url => secrets::generate(bytes),
        Format::Hex => secrets::generate_hex(bytes),
        Format::Env => format!("{}={}", new.name, secrets::generate(bytes)),
    });
    let Some(path) = &new.out else {
        say(&text);
        return ExitCode::SUCCESS;
    };
    match secrets::write_new(path, &text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let never = match error.kind() {
                std::io::ErrorKind::AlreadyExists => "; an existing file is never overwritten",
                _ => "",
            };
            complain(&format!("{}: {error}{never}", path.display()));
            ExitCode::FAILURE
        }
    }
}

fn one(file: Option<&Path>) -> Result<Secret, String> {
    if let Some(path) = file {
        return secrets::read(path);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let read = std::io::stdin()
        .lock()
        .take(64 * 1024)
        .read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input: {error}"))?;
    secrets::without_line_end(&mut bytes);
    match bytes.is_empty() {
        true => Err("standard input is empty".to_owned()),
        false => Ok(Secret::new(bytes.to_vec())),
    }
}

/// How a secret is written, and what makes it good.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// Keys are made of it; production needs it.
    Needed,
    /// The same, several of them, separated by commas.
    Several,
    /// Only compared with what is.
    Compared,
    /// A private key in PEM or JWK.
    PrivateKey,
    /// A URL with a password, or a password of somebody else's service.
    Foreign,
}

const NAMES: &[(&str, Kind)] = &[
    ("SECRET_KEY", Kind::Needed),
    ("SECRET_KEY_PREVIOUS", Kind::Several),
    ("SECRET_KEY_REVOKED", Kind::Compared),
    ("PASSWORD_PEPPER", Kind::Needed),
    ("PASSWORD_PEPPER_PREVIOUS", Kind::Several),
    ("SIGNING_KEY", Kind::PrivateKey),
    ("DATABASE_URL", Kind::Foreign),
    ("MIGRATOR_DATABASE_URL", Kind::Foreign),
    ("BACKUP_DATABASE_URL", Kind::Foreign),
    ("DRILL_DATABASE_URL", Kind::Foreign),
    ("REDIS_URL", Kind::Foreign),
    ("SMTP_URL", Kind::Foreign),
    ("AWS_SECRET_ACCESS_KEY", Kind::Foreign),
];

/// What was found about a secret.
struct Judged {
    name: &'static str,
    source: String,
    bytes: usize,
    fingerprint: Option<String>,
    /// Why it cannot be used.
    refused: Option<String>,
    /// What is doubtful about it.
    doubt: Option<String>,
}

fn check(settings: &Settings, strict: bool, json: bool) -> ExitCode {
    let production = settings.get("RAMPART_ENV") == Some("production");
    let mut known: Vec<(&str, Secret)> = Vec::new();
    let mut judged = Vec::new();
    for (name, kind) in NAMES {
        let found = match secrets::find(settings, name) {
            Ok(found) => found,
            Err(text) => {
                judged.push(Judged::refused(name, text));
                continue;
            }
        };
        match (found, kind) {
            (Some(found), Kind::Several | Kind::Compared) => {
                let list = secrets::list(found.secret.expose());
                for secret in list {
                    judged.push(judge(name, *kind, secret, &found.source, &mut known));
                }
            }
            (Some(Found { secret, source }), kind) => {
                judged.push(judge(name, *kind, secret, &source, &mut known));
            }
            (None, Kind::Needed) if production => {
                let text = format!("is required in production; set {name}_FILE");
                judged.push(Judged::refused(name, text));
            }
            (None, _) => {}
        }
    }
    let bad = |judged: &Judged| judged.refused.is_some() || (strict && judged.doubt.is_some());
    let ok = !judged.iter().any(bad);
    if json {
        let secrets: Vec<_> = judged.iter().map(Judged::json).collect();
        say(&json!({"ok": ok, "secrets": secrets}).to_string());
    } else {
        judged.iter().for_each(|judged| say(&judged.line()));
        if judged.is_empty() {
            say("no secret is configured; a development server makes its own at its first start");
        }
    }
    match ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn judge(
    name: &'static str,
    kind: Kind,
    secret: Secret,
    source: &str,
    known: &mut Vec<(&'static str, Secret)>,
) -> Judged {
    let repeated = known.iter().find(|(_, other)| *other == secret);
    let refused = match (kind, repeated) {
        (Kind::Needed | Kind::Several, Some((other, _))) => Some(format!(
            "is the same as {other}; whoever learns one has both"
        )),
        (Kind::Needed | Kind::Several, None) => {
            let weak = KeySet::from_secret(&secret).err();
            weak.map(|problems| problems.to_string())
        }
        (Kind::PrivateKey, _) => {
            let text = Zeroizing::new(String::from_utf8_lossy(secret.expose()).into_owned());
            let key = match text.trim_start().starts_with('{') {
                true => SigningKey::from_jwk(&text),
                false => SigningKey::from_pem(&text),
            };
            key.err().map(|problems| problems.to_string())
        }
        (Kind::Compared | Kind::Foreign, _) => None,
    };
    let file = Path::new(source);
    let open = file.is_absolute()
        && !file.starts_with("/run/secrets")
        && is_open_to_others(file).unwrap_or(false);
    let doubt = if open {
        Some(
            "others on this machine can read the file; take their permissions away (chmod go=)"
                .to_owned(),
        )
    } else if kind == Kind::Foreign {
        std::str::from_utf8(secret.expose())
            .ok()
            .and_then(secrets::weak_password)
            .map(str::to_owned)
    } else {
        None
    };
    let judged = Judged {
        name,
        source: source.to_owned(),
        bytes: secret.len(),
        fingerprint: Some(secrets::fingerprint(&secret)),
        refused,
        doubt,
    };
    known.push((name, secret));
    judged
}

impl Judged {
    fn refused(name: &'static str, text: String) -> Self {
        Self {
            name,
            source: String::new(),
            bytes: 0,
            fingerprint: None,
            refused: Some(text),
            doubt: None,
        }
    }

    fn verdict(&self) -> String {
        match (&self.refused, &self.doubt) {
            (Some(text), _) => format!("refused: {text}"),
            (None, Some(text)) => format!("doubtful: {text}"),
            (None, None) => "good".to_owned(),
        }
    }

    fn line(&self) -> String {
        let Some(fingerprint) = &self.fingerprint else {
            return format!("{:<25} {}", self.name, self.verdict());
        };
        format!(
            "{:<25} {} bytes, fingerprint {fingerprint}, from {}: {}",
            self.name,
            self.bytes,
            self.source,
            self.verdict()
        )
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "source": self.source,
            "bytes": self.bytes,
            "fingerprint": self.fingerprint,
            "refused": self.refused,
            "doubt": self.doubt,
        })
    }
}
