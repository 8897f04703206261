//! What does not compile, and what the compiler says then.

use std::process::Command;

/// The compiler whose words are written down; another one may choose others.
const COMPILER: &str = "rustc 1.95.";

/// `TRYBUILD=overwrite` writes down what a new compiler says.
#[test]
fn mistakes_that_the_compiler_finds() {
    let version = Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if !version.is_ok_and(|version| version.starts_with(COMPILER)) {
        return crate::services::skipped("compiler");
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
