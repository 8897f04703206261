//! The lock file against a copy of the RustSec advisory database.
//!
//! Needs no network: `ADVISORY_DB` names a folder with the database. Without
//! it, there is nothing to compare with, and the test says so.

use std::io::Write as _;
use std::path::Path;

use rustsec::database::Query;
use rustsec::{Database, Lockfile};

#[test]
fn no_dependency_has_a_known_vulnerability() {
    let Some(folder) = std::env::var_os("ADVISORY_DB") else {
        // Not `eprintln!`, which the test runner keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no advisory database; set ADVISORY_DB to a copy of it"
        );
        return;
    };
    let database = Database::open(Path::new(&folder)).expect("a readable database");
    let lockfile = Lockfile::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"))
        .expect("a lock file");
    assert!(lockfile.packages.len() > 50, "the lock file was read");
    let found = vulnerabilities(&database, &lockfile);
    assert!(found.is_empty(), "{found:#?}");
}

/// A copy of the database that is empty, or read wrongly, would find nothing either.
#[test]
fn a_dependency_with_a_known_vulnerability_is_found() {
    let Some(folder) = std::env::var_os("ADVISORY_DB") else {
        return;
    };
    let database = Database::open(Path::new(&folder)).expect("a readable database");
    let locked = |version: &str| {
        let text = format!(
            "version = 4\n\n[[package]]\nname = \"bcrypt\"\nversion = \"{version}\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"
        );
        vulnerabilities(&database, &text.parse().expect("a lock file"))
    };
    assert_eq!(locked("0.19.1"), ["bcrypt 0.19.1: RUSTSEC-2026-0199"]);
    assert!(locked("0.19.3").is_empty());
}

fn vulnerabilities(database: &Database, lockfile: &Lockfile) -> Vec<String> {
    database
        .query_vulnerabilities(lockfile, &Query::crate_scope())
        .into_iter()
        .map(|vulnerability| {
            format!(
                "{} {}: {}",
                vulnerability.package.name,
                vulnerability.package.version,
                vulnerability.advisory.id
            )
        })
        .collect()
}
