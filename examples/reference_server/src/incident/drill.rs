//! Every scenario, on a database that exists only for that.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tower_rampart::password::Password;
use uuid::Uuid;

use super::inside::Inside;
use super::respond::{Plan, Step, respond};
use super::scenario::Scenario;
use super::{line, notify};
use crate::audit;
use crate::cli::say;
use crate::config::Config;
use crate::db::private_folder;
use crate::desk::By;
use crate::secrets;
use crate::settings::Settings;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How many accounts are affected.
const ACCOUNTS: usize = 5;

/// A folder that is gone afterwards.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the drill.
///
/// # Errors
///
/// If a step fails.
pub(crate) async fn run(json: bool) -> Result<()> {
    let scratch = Scratch(std::env::temp_dir().join(format!("rampart-drill-{}", Uuid::now_v7())));
    private_folder(&scratch.0)?;
    let mut drill = Drill {
        folder: &scratch.0,
        json,
        steps: Vec::new(),
        peppers: [secrets::generate(48), secrets::generate(48)],
    };
    let begun = Instant::now();
    let done = drill.all().await;
    if let Err(error) = &done {
        drill.note("drill", begun, false, json!(error.to_string()));
    }
    let ok = drill.steps.iter().all(|step| step.ok);
    if json {
        say(
            &json!({"ok": ok, "seconds": begun.elapsed().as_secs_f64(), "steps": drill.steps})
                .to_string(),
        );
    } else {
        say(&format!(
            "{} in {:.1} s",
            if ok { "passed" } else { "FAILED" },
            begun.elapsed().as_secs_f64()
        ));
    }
    match ok {
        true => Ok(()),
        false => Err("the drill failed".into()),
    }
}

struct Drill<'a> {
    folder: &'a Path,
    json: bool,
    steps: Vec<Step>,
    peppers: [String; 2],
}

impl Drill<'_> {
    fn note(&mut self, step: &str, begun: Instant, ok: bool, found: Value) {
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
    }

    /// The settings of the scratch server, before or after its pepper was replaced.
    fn config(&self, replaced: bool) -> Result<Config> {
        let folder = self.folder.to_string_lossy();
        let mut settings = vec![
            ("RAMPART_DATA_DIR", &*folder),
            ("BCRYPT_COST", "10"),
            ("PASSWORD_PEPPER", &self.peppers[usize::from(replaced)]),
        ];
        if replaced {
            settings.push(("PASSWORD_PEPPER_PREVIOUS", &self.peppers[0]));
        }
        Config::load(&Settings::of(&settings)).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            problems.join("; ").into()
        })
    }

    async fn all(&mut self) -> Result<()> {
        let begun = Instant::now();
        let config = self.config(false)?;
        let inside = Inside::open(&config).await?;
        for number in 0..ACCOUNTS {
            let hash = inside
                .app
                .hasher
                .hash_new(Password::new(secrets::generate(24))?)
                .await?;
            inside
                .app
                .db
                .add_user(&format!("user-{number}@drill.invalid"), &hash)
                .await?;
        }
        let hash = inside
            .app
            .hasher
            .hash_new(Password::new(secrets::generate(24))?)
            .await?;
        inside
            .app
            .db
            .add_admin("admin@drill.invalid", &hash)
            .await?;
        self.note("prepare", begun, true, json!({"accounts": ACCOUNTS + 1}));
        inside.close().await;

        for scenario in Scenario::ALL {
            let config = self.config(scenario == Scenario::PepperLeak)?;
            let inside = Inside::open(&config).await?;
            let plan = Plan {
                scenario,
                by: By {
                    reason: Some("drill"),
                    ..By::operator()
                },
                user: None,
            };
            let response = respond(&inside, &config, &plan, None, |_| {}).await?;
            for step in response.steps {
                let named = Step {
                    step: format!("{}: {}", response.scenario, step.step),
                    ..step
                };
                if !self.json {
                    say(&line(&named));
                }
                self.steps.push(named);
            }
            let begun = Instant::now();
            let Some(template) = scenario.template() else {
                inside.close().await;
                continue;
            };
            let (desk, id) = (&inside.app.desk, &response.incident);
            let counts = notify::send(desk, id, template, NonZeroU32::MAX).await?;
            let written = self.mails(&response.incident)?;
            let expected = usize::try_from(counts.sent)?;
            let step = format!("{}: mails arrived", response.scenario);
            self.note(
                &step,
                begun,
                written == expected && counts.failed == 0,
                json!({"sent": counts.sent, "arrived": written}),
            );
            inside.close().await;
        }
        self.tamper(&config).await
    }

    /// Counts the mails of an incident that are in the folder.
    fn mails(&self, incident: &str) -> Result<usize> {
        let mut found = 0;
        for entry in fs::read_dir(self.folder.join("outbox"))? {
            found += usize::from(entry?.file_name().to_string_lossy().starts_with(incident));
        }
        Ok(found)
    }

    /// Changes a row of the log as somebody with the file could, and looks whether it
    /// is noticed.
    async fn tamper(&mut self, config: &Config) -> Result<()> {
        let begun = Instant::now();
        let inside = Inside::open(config).await?;
        let verify = async || {
            let verdict =
                audit::verify(&inside.app.db, self.folder, inside.app.audit.provers()).await;
            verdict.map_err(|error| error as Box<dyn std::error::Error>)
        };
        let (before, row) = (verify().await?, 3);
        let file = SqliteConnectOptions::new().filename(self.folder.join("rampart.db"));
        let pool = SqlitePool::connect_with(file).await?;
        sqlx::query("DROP TRIGGER audit_is_not_updated")
            .execute(&pool)
            .await?;
        sqlx::query("UPDATE audit SET actor = 'nobody' WHERE seq = $1")
            .bind(row)
            .execute(&pool)
            .await?;
        pool.close().await;
        let after = verify().await?;
        let found = json!({"rows": before.rows, "problem": after.problem});
        self.note(
            "a changed row is noticed",
            begun,
            before.ok && after.broken_at == Some(row),
            found,
        );
        inside.close().await;
        Ok(())
    }
}
