//! House rules that a script can check.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn rust_files(folder: &str) -> Vec<(String, String)> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(ROOT).join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} has no files");
    found
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(ROOT)
                .expect("below the root")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(path).expect("a readable file"))
        })
        .collect()
}

/// The layer's own module, and which of ours it may import.
const STOREYS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("secret", &[]),
    ("config", &[]),
    ("wire", &[]),
    ("identity", &["clock", "config", "trace", "wire"]),
    ("rejection", &["identity", "trace"]),
    ("trace", &["rejection"]),
    ("gate", &["identity", "rejection", "trace"]),
    ("guide", &["identity", "session"]),
    ("origin", &["config", "wire"]),
    ("context", &["gate", "identity", "rejection", "secret"]),
    (
        "cors",
        &["config", "gate", "origin", "rejection", "trace", "wire"],
    ),
    ("csrf", &["config", "gate", "origin", "rejection", "wire"]),
    (
        "jwt",
        &[
            "clock",
            "config",
            "gate",
            "identity",
            "rejection",
            "secret",
            "trace",
            "wire",
        ],
    ),
    ("password", &["clock", "config", "secret"]),
    (
        "rate_limit",
        &[
            "clock",
            "config",
            "gate",
            "identity",
            "rejection",
            "secret",
            "trace",
            "wire",
        ],
    ),
    ("security_headers", &["config", "gate", "secret", "wire"]),
    (
        "upload",
        &["config", "gate", "identity", "rejection", "trace", "wire"],
    ),
    (
        "session",
        &[
            "clock",
            "config",
            "gate",
            "identity",
            "jwt",
            "origin",
            "rejection",
            "secret",
            "trace",
            "wire",
        ],
    ),
    ("axum", &["identity", "rejection", "trace", "upload"]),
    (
        "stack",
        &[
            "axum",
            "config",
            "context",
            "cors",
            "csrf",
            "gate",
            "jwt",
            "identity",
            "rate_limit",
            "rejection",
            "security_headers",
            "session",
            "upload",
        ],
    ),
];

#[test]
fn imports_point_down_and_no_layer_imports_another() {
    for (name, text) in rust_files("src") {
        if name == "src/lib.rs" || name.ends_with("tests.rs") {
            continue;
        }
        let module = name
            .trim_start_matches("src/")
            .split(['/', '.'])
            .next()
            .expect("a module")
            .to_owned();
        let (_, allowed) = STOREYS
            .iter()
            .find(|(storey, _)| *storey == module)
            .unwrap_or_else(|| panic!("{name}: give {module} a storey"));
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for (_, rest) in line
                .match_indices("crate::")
                .map(|(index, found)| (index, &line[index + found.len()..]))
            {
                let target: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                assert!(
                    target == module || allowed.contains(&target.as_str()),
                    "{name}: {module} must not import {target}: {line}"
                );
            }
        }
    }
}

#[test]
fn files_stay_short_and_say_what_they_are() {
    for folder in ["src", "examples", "tests", "benches"] {
        for (name, text) in rust_files(folder) {
            assert!(
                text.lines().count() <= 400 || folder == "tests",
                "{name} has over 400 lines"
            );
            assert!(
                text.starts_with("//!"),
                "{name} does not begin with what it is"
            );
            for (index, line) in text.lines().enumerate() {
                let literal = line.contains('"') || line.starts_with("//! |");
                assert!(
                    literal || line.chars().count() <= 120,
                    "{name}:{}: over 120 columns",
                    index + 1
                );
            }
        }
    }
}

#[test]
fn nothing_is_left_half_done() {
    let todo = ["TO", "DO"].concat();
    let fixme = ["FIX", "ME"].concat();
    for folder in ["src", "examples", "tests", "benches"] {
        for (name, text) in rust_files(folder) {
            for (index, line) in text.lines().enumerate() {
                let place = format!("{name}:{}: {line}", index + 1);
                assert!(!line.contains(&todo) && !line.contains(&fixme), "{place}");
                let comment =
                    line.trim_start().starts_with("///") || line.trim_start().starts_with("//!");
                assert!(!(comment && line.contains(".unwrap()")), "{place}");
                let ignored = ["#[ig", "nore"].concat();
                assert!(!line.contains(&ignored), "{place}");
                if folder == "src" || folder == "examples" {
                    let test = name.ends_with("tests.rs") || name.contains("/tests/");
                    assert!(test || !line.contains(".unwrap()"), "{place}");
                    for unfinished in ["todo", "unimplemented", "dbg"] {
                        assert!(!line.contains(&format!("{unfinished}!(")), "{place}");
                    }
                }
            }
        }
    }
}

#[test]
fn clocks_and_random_numbers_have_one_source() {
    for (name, text) in rust_files("src") {
        for (word, home) in [
            ("SystemTime::now", "src/clock.rs"),
            ("std::time::Instant", "src/clock.rs"),
            ("getrandom::", "src/secret/mod.rs"),
        ] {
            assert!(name == home || !text.contains(word), "{name} reads {word}");
        }
    }
}

#[test]
fn only_the_gate_and_what_reads_a_body_are_services() {
    for (name, text) in rust_files("src") {
        let service = text.contains("use tower_service::Service");
        assert!(
            !service
                || name.starts_with("src/gate/")
                || ["src/upload/layer.rs", "src/rate_limit/field.rs"].contains(&name.as_str()),
            "{name} names Service"
        );
    }
}

#[test]
fn every_layer_says_what_it_does_not_stop() {
    for (module, _) in STOREYS {
        let path = Path::new(ROOT).join("src").join(module).join("mod.rs");
        let policy =
            !["guide", "identity", "wire", "rejection", "origin", "secret"].contains(module);
        if let Some(text) = fs::read_to_string(path).ok().filter(|_| policy) {
            assert!(text.contains("//! # What it does not stop"), "{module}");
        }
    }
}

#[test]
fn tests_that_the_guide_names_are_there() {
    let guide =
        fs::read_to_string(Path::new(ROOT).join("src/guide/reliability.md")).expect("a page");
    let tests = rust_files("tests/it").into_iter();
    let tests: Vec<_> = tests
        .chain(rust_files("examples/reference_server/tests/it"))
        .collect();
    let named = guide.split('`').skip(1).step_by(2);
    let named = named.filter(|code| !code.contains(' '));
    let mut checked = 0;
    for (file, name) in named.filter_map(|code| code.split_once("::")) {
        let wanted = format!("fn {name}(");
        let found = tests
            .iter()
            .any(|(path, text)| path.ends_with(&format!("/{file}.rs")) && text.contains(&wanted));
        assert!(found, "{file}::{name}");
        checked += 1;
    }
    assert!(checked > 15, "{checked}");
}

/// The documents that the code was written from. A new one is opened first.
const DOCUMENTS: &[&str] = &[
    "RFC 2046", "RFC 5869", "RFC 6265", "RFC 6454", "RFC 6749", "RFC 6750", "RFC 6797", "RFC 7239",
    "RFC 7468", "RFC 7515", "RFC 7517", "RFC 7518", "RFC 7519", "RFC 7578", "RFC 7638", "RFC 7797",
    "RFC 7800", "RFC 8032", "RFC 8037", "RFC 8410", "RFC 8725", "RFC 9068", "RFC 9106", "RFC 9110",
    "RFC 9111", "RFC 9112", "RFC 9449", "RFC 9457", "RFC 9470", "RFC 9700", "RFC 9728",
];

#[test]
fn citations_name_a_known_document() {
    for (name, text) in rust_files("src") {
        for (index, _) in text.match_indices("RFC ") {
            let citation: String = text[index..].chars().take(8).collect();
            assert!(
                DOCUMENTS.contains(&citation.as_str()),
                "{name} cites {citation}"
            );
        }
    }
}

#[test]
fn no_debug_prints_a_secret() {
    for folder in ["src", "examples"] {
        for (name, text) in rust_files(folder) {
            for (index, _) in text.match_indices("derive(") {
                let item: String = text[index..].chars().take_while(|c| *c != '}').collect();
                let debug = item
                    .split(')')
                    .next()
                    .is_some_and(|list| list.contains("Debug"));
                let secret = [
                    "password: String",
                    "token: String",
                    "secret: String",
                    "password: Option<String>",
                ];
                let plain = secret
                    .iter()
                    .find(|field| item.contains(*field) && item.contains("struct"));
                assert!(
                    !debug || plain.is_none(),
                    "{name}: derived Debug prints {plain:?}"
                );
            }
        }
    }
}
