//! Settings that are in files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Problem, Settings};
use crate::db::is_open_to_others;
use crate::secrets;

/// Settings that may hold a password, and may be in a file instead: `NAME_FILE`.
const IN_FILES: &[&str] = &[
    "DATABASE_URL",
    "MIGRATOR_DATABASE_URL",
    "BACKUP_DATABASE_URL",
    "DRILL_DATABASE_URL",
    "REDIS_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];

/// Whether git would commit a file: it is in a work tree, and not ignored there. Where
/// there is no git nobody commits.
fn is_tracked(path: &Path) -> bool {
    // It needs to know where it is at home, and nothing else of ours.
    let kept = ["PATH", "HOME"].map(|name| (name, std::env::var_os(name).unwrap_or_default()));
    let asked = std::process::Command::new("git")
        .args(["check-ignore", "--quiet", "--"])
        .arg(path)
        .env_clear()
        .envs(kept)
        .stderr(std::process::Stdio::null())
        .status();
    // 0 if it is ignored, 1 if not, 128 if this is no work tree.
    asked.is_ok_and(|status| status.code() == Some(1))
}

/// A file of settings beside a development server.
const DOT_ENV: &str = ".env";

impl Settings {
    /// Takes what nobody else said from a file beside a development server. In
    /// production it is not read.
    pub(super) fn read_dot_env(&mut self) {
        let path = Path::new(DOT_ENV);
        if !path.exists() || self.get("RAMPART_ENV").unwrap_or("dev") != "dev" {
            return;
        }
        if is_open_to_others(path).unwrap_or(true) {
            let text = "can be read by others on this machine; take their permissions away (chmod 600 .env)";
            self.problems.push(Problem::new(DOT_ENV, text));
            return;
        }
        if is_tracked(path) {
            let text = "is not ignored by git, so it would be committed; add .env to .gitignore";
            self.problems.push(Problem::new(DOT_ENV, text));
            return;
        }
        let said: BTreeSet<String> = self.values.keys().cloned().collect();
        let entries = dotenvy::from_path_iter(path).into_iter().flatten();
        for entry in entries {
            match entry {
                // The environment wins, however it says the same thing.
                Ok((name, value)) => {
                    let other = match name.strip_suffix("_FILE") {
                        Some(name) => name.to_owned(),
                        None => format!("{name}_FILE"),
                    };
                    if !said.contains(&name) && !said.contains(&other) {
                        self.values.insert(name, value);
                    }
                }
                // The line may hold a secret.
                Err(_) => {
                    self.problems.push(Problem::new(
                        DOT_ENV,
                        "has a line that is no NAME=VALUE; mend or remove it",
                    ));
                    return;
                }
            }
        }
        if self
            .get("RAMPART_ENV")
            .is_some_and(|environment| environment != "dev")
        {
            let text = "cannot be for production; set RAMPART_ENV in the environment, and everything else with it";
            self.problems.push(Problem::new(DOT_ENV, text));
        }
    }

    /// Takes settings that are in files.
    pub(super) fn read_files(&mut self) {
        for name in IN_FILES {
            let file_name = format!("{name}_FILE");
            let Some(path) = self.get(&file_name).map(PathBuf::from) else {
                continue;
            };
            if self.get(name).is_some() {
                self.problems.push(Problem::new(
                    *name,
                    format!("is set, and {file_name} too; keep one of them"),
                ));
                continue;
            }
            match secrets::read_text(&path) {
                Ok(text) => {
                    self.values.insert((*name).to_owned(), text);
                    self.from_files.insert(*name);
                }
                Err(text) => self.problems.push(Problem::new(file_name, text)),
            }
        }
    }
}
