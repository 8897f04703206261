//! `check`: whether the configuration can be used, and with `--deploy` or `--url`
//! whether anybody should.
//!
//! Every rule has an identifier, says what it found, why that matters and what to do,
//! and names the requirement of OWASP ASVS 5.0 it is about. A finding can be excused
//! until a day, with a reason.

mod excuses;
mod facts;
#[cfg(feature = "probe")]
mod probes;
mod rules;

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::cli::{EXIT_CONFIG, complain, say};
use crate::config::Config;
use crate::settings::Settings;
use excuses::Excuse;
use facts::Facts;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How bad something is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Worth knowing.
    Note,
    /// Somebody should decide about it.
    Warning,
    /// Not to be deployed like this.
    Error,
}

/// What a rule found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    pub(crate) asvs: &'static str,
    pub(crate) found: String,
    pub(crate) why: &'static str,
    pub(crate) fix: &'static str,
    /// Why it is excused, if it is.
    pub(crate) excused: Option<String>,
}

/// What is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) deploy: bool,
    pub(crate) url: Option<&'a str>,
    pub(crate) json: bool,
}

/// Reads the URL of a server.
pub(crate) fn server(text: &str) -> std::result::Result<String, &'static str> {
    let url: Option<http::Uri> = text.parse().ok();
    let scheme = url.as_ref().and_then(http::Uri::scheme_str);
    match scheme {
        Some("http" | "https") => Ok(text.to_owned()),
        _ => Err("write https://HOST"),
    }
}

/// Checks. 0 if nothing is wrong, 1 if a rule found an error, 78 if the configuration
/// cannot be used at all.
pub(crate) fn run(settings: &Settings, asked: &Asked<'_>) -> ExitCode {
    let config = match Config::load(settings) {
        Ok(config) => config,
        Err(problems) => {
            if asked.json {
                let listed: Vec<_> = problems
                    .iter()
                    .map(|problem| json!({"name": problem.name, "problem": problem.text}))
                    .collect();
                say(&json!({"ok": false, "problems": listed}).to_string());
            } else {
                problems
                    .iter()
                    .for_each(|problem| complain(&problem.to_string()));
            }
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if !asked.deploy && asked.url.is_none() {
        say(&match asked.json {
            true => json!({"ok": true, "problems": []}).to_string(),
            false => "the configuration is usable".to_owned(),
        });
        return ExitCode::SUCCESS;
    }
    match judge(&config, asked) {
        Ok((findings, rules)) => tell(&findings, rules, asked.json),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Asks every rule; returns what they found, the worst first, and how many were asked.
fn judge(config: &Config, asked: &Asked<'_>) -> Result<(Vec<Finding>, usize)> {
    let excuses = excuses::read(config.settings.get(excuses::NAME).unwrap_or_default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut findings, mut rules) = (Vec::new(), 0);
    if asked.deploy {
        let facts = runtime.block_on(Facts::gather(config));
        rules += rules::ALL.len();
        findings.extend(rules::ALL.iter().filter_map(|rule| rule.ask(&facts)));
    }
    if let Some(url) = asked.url {
        let (found, asked) = probe(&runtime, url)?;
        rules += asked;
        findings.extend(found);
    }
    for finding in &mut findings {
        finding.excused = excuses
            .iter()
            .find(|excuse| excuse.id == finding.id)
            .map(Excuse::text);
    }
    findings.sort_by_key(|finding| {
        (
            finding.excused.is_some(),
            std::cmp::Reverse(finding.level),
            finding.id,
        )
    });
    Ok((findings, rules))
}

#[cfg(feature = "probe")]
fn probe(runtime: &tokio::runtime::Runtime, url: &str) -> Result<(Vec<Finding>, usize)> {
    runtime.block_on(probes::run(url))
}

#[cfg(not(feature = "probe"))]
fn probe(_runtime: &tokio::runtime::Runtime, _url: &str) -> Result<(Vec<Finding>, usize)> {
    Err("this build asks no servers; build it with --features probe".into())
}

fn tell(findings: &[Finding], rules: usize, json: bool) -> ExitCode {
    let bad = findings
        .iter()
        .any(|finding| finding.level == Level::Error && finding.excused.is_none());
    if json {
        say(&json!({"ok": !bad, "rules": rules, "findings": findings}).to_string());
    } else {
        for finding in findings {
            let level = match (&finding.excused, finding.level) {
                (Some(_), _) => "excused",
                (None, Level::Error) => "error",
                (None, Level::Warning) => "warning",
                (None, Level::Note) => "note",
            };
            say(&format!("{} {level}: {}", finding.id, finding.found));
            say(&match &finding.excused {
                Some(excuse) => format!("      {excuse}"),
                None => format!(
                    "      {} (ASVS {})\n      {}",
                    finding.why, finding.asvs, finding.fix
                ),
            });
        }
        say(&format!("{rules} rules, {} findings", findings.len()));
    }
    match bad {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
