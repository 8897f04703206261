//! Talking to whoever called.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::mpsc;
use std::time::Duration;

/// Writes a line for whoever called. A closed pipe is no reason to panic.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Asks whoever sits at a terminal. A program that calls is not asked; but an answer that
/// it has ready counts.
///
/// # Errors
///
/// If the answer is not yes.
pub(crate) fn confirm(question: &str) -> Result<(), &'static str> {
    let terminal = std::io::stdin().is_terminal();
    if terminal {
        complain(&format!("{question} [y/N]"));
    }
    let (sender, answered) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        let _ = sender.send(read.is_ok().then_some(answer));
    });
    let answer = match terminal {
        true => answered.recv().ok().flatten(),
        // Nobody may ever answer, nor hang up.
        false => answered
            .recv_timeout(READY)
            .ok()
            .flatten()
            .filter(|answer| !answer.is_empty()),
    };
    match answer {
        None if !terminal => Ok(()),
        Some(answer) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err("nothing was changed"),
    }
}

/// How long an answer may take that is ready.
const READY: Duration = Duration::from_millis(300);

/// Writes a line about what went wrong.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
