//! Where secrets come from, and how new ones are made.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tower_rampart::secret::Secret;

use crate::audit::hex;
use crate::settings::Settings;

/// The largest file that is read as a secret, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret, and where it is: `environment`, or the path of a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) secret: Secret,
    pub(crate) source: String,
}

/// Finds a secret: `NAME_FILE`, then `NAME`, then the folders in which service
/// managers and containers put credentials.
///
/// # Errors
///
/// A text for the operator, without any of the secret: if two sources
/// contradict each other, or a file cannot be read.
pub(crate) fn find(settings: &Settings, name: &str) -> Result<Option<Found>, String> {
    let file_name = format!("{name}_FILE");
    // Settings that are read from their files as text have the text of it here too.
    let in_file = settings.get(&file_name);
    let text = settings.get(name);
    if in_file.is_some() && text.is_some() && !settings.is_from_file(name) {
        return Err(format!("is set, and {file_name} too; keep one of them"));
    }
    let mut found = match (in_file, text) {
        (Some(path), _) => Some(Found {
            secret: read(Path::new(path))?,
            source: path.to_owned(),
        }),
        (None, Some(text)) => Some(Found {
            secret: Secret::new(text.to_owned()),
            source: "environment".to_owned(),
        }),
        (None, None) => None,
    };
    let folders = [
        settings.credentials_directory(),
        Some("/run/secrets".into()),
    ];
    for folder in folders.into_iter().flatten() {
        for candidate in [folder.join(name), folder.join(name.to_ascii_lowercase())] {
            if !candidate.is_file() {
                continue;
            }
            let secret = read(&candidate)?;
            match &found {
                None => {
                    let source = candidate.display().to_string();
                    found = Some(Found { secret, source });
                }
                Some(first) if first.secret == secret => {}
                Some(_) => {
                    return Err(format!(
                        "has another value in {}; keep one of them",
                        candidate.display()
                    ));
                }
            }
        }
    }
    Ok(found)
}

/// Finds a secret, wherever it is.
///
/// # Errors
///
/// As [`find`].
pub(crate) fn resolve(settings: &Settings, name: &str) -> Result<Option<Secret>, String> {
    Ok(find(settings, name)?.map(|found| found.secret))
}

/// Reads secrets that are separated by commas.
pub(crate) fn list(bytes: &[u8]) -> Vec<Secret> {
    let entries = bytes.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    entries
        .filter(|entry| !entry.is_empty())
        .map(|entry| Secret::new(entry.to_vec()))
        .collect()
}

/// A name for a secret that tells nothing about it, and by which it can be compared: the
/// first four bytes of an HMAC-SHA256.
pub(crate) fn fingerprint(secret: &Secret) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"tower-rampart fingerprint v1")
        .expect("keys of any length are taken");
    mac.update(secret.expose());
    hex(&mac.finalize().into_bytes()[..4])
}

/// What is wrong with the password in the URL of a service, if one is there.
pub(crate) fn weak_password(url: &str) -> Option<&'static str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let in_authority = || {
        authority
            .rsplit_once('@')?
            .0
            .split_once(':')
            .map(|(_, word)| word)
    };
    let in_query = || {
        let (_, query) = rest.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("password="))
    };
    let password = in_query().or_else(in_authority)?;
    if password.len() < 16 {
        return Some("the password in it has fewer than 16 characters");
    }
    let guessed = Secret::new(password.to_owned()).estimated_bits() < 48;
    guessed.then_some("the password in it is made of words, sequences or repetitions")
}

/// Reads a secret file. One line end at its end is not part of the secret.
///
/// # Errors
///
/// A text for the operator: if it cannot be read, or is empty or too large.
pub(crate) fn read(path: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(format!("{} is larger than 64 KiB", path.display()));
    }
    let mut bytes = fs::read(path).map_err(failed)?;
    without_line_end(&mut bytes);
    if bytes.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(Secret::new(bytes))
}

/// Takes one line end away.
pub(crate) fn without_line_end(bytes: &mut Vec<u8>) {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
}

/// Reads a text that is in a file.
///
/// # Errors
///
/// A text for the operator: if the file cannot be read, or holds something else.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(read(path)?.expose().to_vec());
    text.map_err(|_| format!("{} holds no text", path.display()))
}

/// Reads the secret of a development server, or makes it at the first start.
///
/// # Errors
///
/// If the file can neither be read nor written.
pub(crate) fn load_or_create(path: &Path) -> Result<Secret, std::io::Error> {
    if !path.exists() {
        match write_new(path, &generate(48)) {
            // Another process was faster: its secret is the one.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    read(path).map_err(std::io::Error::other)
}

/// Writes one line to a file that must not exist yet, readable by its owner.
///
/// # Errors
///
/// If the file exists or cannot be written.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), std::io::Error> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// Writes one line to a file in place of what was in it, readable by its owner.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn write_over(path: &Path, text: &str) -> Result<(), std::io::Error> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")
}

/// Draws random bytes and writes them as base64url without padding.
pub(crate) fn generate(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(Secret::random(bytes).expose())
}

/// Draws random bytes and writes them as hexadecimal digits.
pub(crate) fn generate_hex(bytes: usize) -> String {
    Secret::random(bytes)
        .expose()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
