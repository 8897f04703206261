//! Folders and files that are nobody else's business.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Creates a folder that only its owner can enter; one that exists stays as it is.
///
/// # Errors
///
/// If it cannot be created.
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Finds out whether others on the machine can read a file or enter a folder.
///
/// # Errors
///
/// If it cannot be looked at.
pub(crate) fn is_open_to_others(path: &Path) -> std::io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}
