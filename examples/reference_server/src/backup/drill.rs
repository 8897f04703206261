//! Restoring a copy to a place of its own, to know that it can be.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::{Kind, Manifest, Result, folder, manifest_of, sha256};
use crate::audit;
use crate::cli::say;
use crate::config::Config;
#[cfg(feature = "postgres")]
use crate::db::Location;
use crate::db::{Digests, private_folder};
use crate::incident::{Canary, Inside, Step, line};
use crate::secrets;
use crate::settings::Settings;

/// Rows of pictures are kept apart, from the owner of the table too.
#[cfg(feature = "postgres")]
const KEPT_APART: &str = "images: row security true, forced true";

/// How folders for a restored copy are called.
const SCRATCH: &str = "restore-drill-";

/// A folder that is gone afterwards.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Restores a copy, compares it with its manifest, signs somebody in with it, and
/// removes it again.
///
/// # Errors
///
/// If a step fails; its name is told.
pub(crate) fn run(config: &Config, from: Option<&Path>, json: bool) -> Result<()> {
    let path = match from {
        Some(path) => path.to_owned(),
        None => newest(&folder(config))?,
    };
    let mut drill = Drill {
        config,
        json,
        steps: Vec::new(),
    };
    let begun = Instant::now();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            // An interruption tidies up too.
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                done = drill.all(&path) => done,
                _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
                _ = terminated.recv() => Err("terminated".into()),
            }
        });
    let Drill { steps, .. } = drill;
    let failed = steps
        .iter()
        .find(|step| !step.ok)
        .map(|step| step.step.clone());
    let ok = failed.is_none() && done.is_ok();
    if json {
        let seconds = begun.elapsed().as_secs_f64();
        say(
            &json!({"ok": ok, "file": path, "failed": failed, "seconds": seconds, "steps": steps})
                .to_string(),
        );
    }
    done?;
    match failed {
        None => {
            secrets::write_over(
                &config.data_dir.join("last-restore-ok"),
                &audit::datetime(crate::db::now()),
            )?;
            if !json {
                say(&format!("{} can be restored", path.display()));
            }
            Ok(())
        }
        Some(step) => Err(format!("the copy is not good: {step}").into()),
    }
}

/// The youngest copy in a folder.
fn newest(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}; run `backup` first", folder.display()))?;
    let copies = entries
        .flatten()
        .filter(|entry| manifest_of(&entry.path()).exists());
    let age = |entry: &fs::DirEntry| {
        entry
            .metadata()
            .and_then(|data| data.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let newest = copies.max_by_key(|entry| (age(entry), entry.file_name()));
    Ok(newest
        .ok_or_else(|| format!("{} holds no copy; run `backup` first", folder.display()))?
        .path())
}

struct Drill<'a> {
    config: &'a Config,
    json: bool,
    steps: Vec<Step>,
}

impl Drill<'_> {
    fn note(&mut self, step: &str, begun: Instant, ok: bool, found: Value) -> bool {
        let step = Step {
            step: step.to_owned(),
            ok,
            seconds: begun.elapsed().as_secs_f64(),
            found,
        };
        if !self.json {
            say(&line(&step));
        }
        self.steps.push(step);
        ok
    }

    /// Every step; it ends at the first one that fails.
    async fn all(&mut self, path: &Path) -> Result<()> {
        let begun = Instant::now();
        let text = fs::read_to_string(manifest_of(path)).map_err(|error| {
            let manifest = manifest_of(path);
            format!(
                "{}: {error}; a copy is proved by the manifest that `backup` writes beside it",
                manifest.display()
            )
        })?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| format!("{} is no manifest: {error}", manifest_of(path).display()))?;
        let found = sha256(path)?;
        if !self.note(
            "checksum",
            begun,
            found == manifest.sha256,
            json!({"sha256": found}),
        ) {
            return Ok(());
        }
        // Where the data is, and not where everybody's files are.
        for entry in fs::read_dir(&self.config.data_dir)
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
                // One that was killed could not do that.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let scratch = Scratch(
            self.config
                .data_dir
                .join(format!("{SCRATCH}{}", Uuid::now_v7())),
        );
        private_folder(&scratch.0)?;
        match manifest.kind {
            Kind::Sqlite => self.sqlite(path, &manifest, &scratch.0).await,
            #[cfg(feature = "postgres")]
            Kind::Postgres => self.postgres(path, &manifest, &scratch.0).await,
            #[cfg(not(feature = "postgres"))]
            Kind::Postgres => {
                Err("this build has no Postgres; build it with --features postgres".into())
            }
        }
    }

    async fn sqlite(&mut self, path: &Path, manifest: &Manifest, scratch: &Path) -> Result<()> {
        let begun = Instant::now();
        let restored = scratch.join("rampart.db");
        fs::copy(path, &restored)?;
        let looked = crate::db::look_into_sqlite(&restored).await;
        let (whole, tables) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                self.note("restore", begun, false, json!(error.to_string()));
                return Ok(());
            }
        };
        if !self.note("restore", begun, whole == "ok", json!({"integrity": whole}))
            || !self.compare(manifest, &tables)
        {
            return Ok(());
        }
        self.sign_in(&format!("sqlite://{}", restored.display()), scratch)
            .await
    }

    /// Compares what is in the tables with what was.
    fn compare(&mut self, manifest: &Manifest, tables: &Digests) -> bool {
        let begun = Instant::now();
        let names = manifest.tables.keys().chain(tables.keys());
        let mut other: Vec<_> = names
            .filter(|name| manifest.tables.get(*name) != tables.get(*name))
            .collect();
        other.dedup();
        self.note(
            "digests",
            begun,
            other.is_empty(),
            json!({"tables": tables.len(), "other": other}),
        )
    }

    /// Runs a server on the copy: the tables are those of this version, the audit log
    /// is whole, and somebody can sign in.
    async fn sign_in(&mut self, url: &str, scratch: &Path) -> Result<()> {
        let begun = Instant::now();
        let config = match self.beside(url, scratch) {
            Ok(config) => config,
            Err(problems) => return Err(problems.into()),
        };
        let inside = match Inside::open(&config).await {
            Ok(inside) => inside,
            Err(error) => {
                self.note("schema", begun, false, json!(error.to_string()));
                return Ok(());
            }
        };
        self.note("schema", begun, true, Value::Null);
        let begun = Instant::now();
        // Not with this machine's end of the log, which is a later one.
        let verdict = audit::verify(&inside.app.db, scratch, inside.app.audit.provers()).await;
        let verdict = verdict.map_err(|error| error as Box<dyn std::error::Error>)?;
        self.note(
            "audit",
            begun,
            verdict.ok,
            json!({"rows": verdict.rows, "problem": verdict.problem}),
        );
        let begun = Instant::now();
        let canary = Canary::hatch(&inside).await;
        let (ok, found) = match canary {
            Ok(canary) => {
                let (status, _) = canary.use_access(&inside).await?;
                canary.remove(&inside).await?;
                (status == StatusCode::OK, json!({"status": status.as_u16()}))
            }
            Err(error) => (false, json!(error.to_string())),
        };
        self.note("sign-in", begun, ok, found);
        inside.close().await;
        Ok(())
    }

    /// The settings of a server on the copy: the same secrets, and nothing else that is
    /// shared with the one that serves.
    fn beside(&self, url: &str, scratch: &Path) -> std::result::Result<Config, String> {
        for name in ["secret-key", "password-pepper", "bcrypt-cost"] {
            let from = self.config.data_dir.join(name);
            if from.exists() {
                fs::copy(from, scratch.join(name)).map_err(|error| error.to_string())?;
            }
        }
        let objects = format!("file://{}", scratch.join("objects").display());
        let folder = scratch.to_string_lossy().into_owned();
        let others = [
            ("RAMPART_DATA_DIR", &*folder),
            ("DATABASE_URL", url),
            ("STORAGE_URL", &objects),
        ];
        let settings: Settings = self
            .config
            .settings
            .with(&others, &["REDIS_URL", "SMTP_URL", "SMTP_URL_FILE"]);
        Config::load(&settings).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            problems.join("; ")
        })
    }

    #[cfg(feature = "postgres")]
    async fn postgres(&mut self, path: &Path, manifest: &Manifest, scratch: &Path) -> Result<()> {
        let Location::Postgres(maker) = &self.config.drill else {
            return Err("DRILL_DATABASE_URL names no Postgres".into());
        };
        let name = format!("rampart_drill_{}", Uuid::now_v7().simple());
        let begun = Instant::now();
        let made = crate::db::at_server(maker, format!("CREATE DATABASE {name}")).await;
        made.map_err(|error| {
            format!("DRILL_DATABASE_URL has to name a role that may make databases, see deploy/postgres/roles.sql: {error}")
        })?;
        let closed = format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC");
        crate::db::at_server(maker, closed).await?;
        let into = maker.as_ref().clone().database(&name);
        let done = self.restored(path, manifest, scratch, &into, begun).await;
        let begun = Instant::now();
        crate::db::at_server(maker, format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        self.note("drop", begun, true, json!({"database": name}));
        done
    }

    #[cfg(feature = "postgres")]
    async fn restored(
        &mut self,
        path: &Path,
        manifest: &Manifest,
        scratch: &Path,
        into: &sqlx::postgres::PgConnectOptions,
        begun: Instant,
    ) -> Result<()> {
        if let Err(error) = super::tools::restore(path, into).await {
            self.note("restore", begun, false, json!(error.to_string()));
            return Ok(());
        }
        self.note("restore", begun, true, Value::Null);
        let tables = crate::db::look_into_postgres(into).await?;
        if !self.compare(manifest, &tables) {
            return Ok(());
        }
        let begun = Instant::now();
        let found = crate::db::protections(into).await?;
        // What the copy had, and what every copy must have.
        let must =
            std::iter::once(KEPT_APART).chain(manifest.protections.iter().map(String::as_str));
        let missing: Vec<_> = must
            .filter(|fact| !found.iter().any(|found| found == fact))
            .collect();
        let ok = missing.is_empty();
        if !self.note(
            "grants",
            begun,
            ok,
            json!({"facts": found.len(), "missing": missing}),
        ) {
            return Ok(());
        }
        self.sign_in(&super::tools::url_of(into), scratch).await
    }
}
