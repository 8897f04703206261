//! The walk-through of the README, line by line.

use std::io::Write as _;
use std::process::Command;

use crate::server::Server;

const README: &str = include_str!("../../../../README.md");

/// A command of the walk-through, and what it prints.
struct Step {
    command: String,
    output: String,
}

fn steps() -> Vec<Step> {
    let block = README
        .split("```console\n")
        .nth(1)
        .expect("a walk-through")
        .split("```")
        .next()
        .expect("its end");
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                output: String::new(),
            }),
            (None, Some(step)) => step.output += &format!("{line}\n"),
            (None, None) => panic!("the walk-through begins with a command"),
        }
    }
    steps
}

/// Compares texts; `…` stands for any text without a quote or comma.
fn matches(actual: &str, expected: &str) -> bool {
    let mut rest = actual;
    for (index, piece) in expected.split('…').enumerate() {
        if index > 0 {
            rest = rest.trim_start_matches(|c: char| !['"', ',', '}', '/'].contains(&c));
        }
        let Some(after) = rest.strip_prefix(piece) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

#[test]
fn the_walk_through_gives_what_it_says() {
    let help = Command::new("curl").args(["--help", "all"]).output();
    if !help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--json")) {
        // Not `eprintln!`, which the test runner keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no curl with --json (7.82 or later)"
        );
        return;
    }
    let server = Server::start();
    let host = server.url.trim_start_matches("http://");
    let steps = steps();
    assert!(steps.len() >= 10);
    // One shell for all steps, as for a person.
    let script: String = steps
        .iter()
        .map(|step| {
            format!(
                "{}\necho '<<end>>'\n",
                step.command.replace("localhost:8080", host)
            )
        })
        .collect();
    let shell = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(server.data.path())
        .output();
    let output = String::from_utf8(shell.expect("a shell").stdout).expect("UTF-8");
    let outputs: Vec<_> = output.split("<<end>>\n").collect();
    assert_eq!(outputs.len(), steps.len() + 1, "{output}");
    for (step, actual) in steps.iter().zip(outputs) {
        // curl adds no line end of its own.
        assert!(
            matches(actual.trim_end(), step.output.trim_end()),
            "{}\nexpected: {}\nactual:   {actual}",
            step.command,
            step.output
        );
    }
}
