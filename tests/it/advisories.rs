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
    let found: Vec<_> = database
        .query_vulnerabilities(&lockfile, &Query::crate_scope())
        .into_iter()
        .map(|vulnerability| {
            format!(
                "{} {}: {}",
                vulnerability.package.name,
                vulnerability.package.version,
                vulnerability.advisory.id
            )
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
