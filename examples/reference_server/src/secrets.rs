//! Where secrets come from, and how new ones are made.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_rampart::secret::Secret;

use crate::settings::Settings;

/// The largest file that is read as a secret, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Finds a secret: `NAME_FILE`, then `NAME`, then the folders in which service
/// managers and containers put credentials.
///
/// # Errors
///
/// A text for the operator, without any of the secret: if two sources
/// contradict each other, or a file cannot be read.
pub(crate) fn resolve(settings: &Settings, name: &str) -> Result<Option<Secret>, String> {
    let file_name = format!("{name}_FILE");
    let from_file = settings
        .get(&file_name)
        .map(|path| read(Path::new(path)))
        .transpose()?;
    let from_env = settings
        .get(name)
        .map(|value| Secret::new(value.to_owned()));
    if from_file.is_some() && from_env.is_some() {
        return Err(format!("is set, and {file_name} too; keep one of them"));
    }
    let folders = [
        settings.credentials_directory(),
        Some("/run/secrets".into()),
    ];
    let mut found = from_file.or(from_env);
    for folder in folders.into_iter().flatten() {
        for candidate in [folder.join(name), folder.join(name.to_ascii_lowercase())] {
            if !candidate.is_file() {
                continue;
            }
            let other = read(&candidate)?;
            match &found {
                None => found = Some(other),
                Some(first) if *first == other => {}
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

/// Reads a secret file. One line end at its end is not part of the secret.
fn read(path: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(format!("{} is larger than 64 KiB", path.display()));
    }
    let mut bytes = fs::read(path).map_err(failed)?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(Secret::new(bytes))
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
