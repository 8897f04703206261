//! Talking to whoever called.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// What was written last could not be, and why.
static LOST: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Writes a line for whoever called. That it could not be written is no reason to stop in
/// the middle; [`lost`] tells it at the end.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        *LOST.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Why a line could not be written, if one could not.
pub(crate) fn lost() -> Option<std::io::Error> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whom an action concerns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Concerns {
    /// An account, or a session.
    One,
    /// Everybody who uses the server.
    Everybody,
}

/// Asks whether an action is meant: whoever sits at a terminal, or writes an answer to
/// standard input. Where nobody answers, what concerns everybody is not done; what
/// concerns one was named on the command line, and that is enough.
///
/// # Errors
///
/// If the answer is not yes.
pub(crate) fn confirm(concerns: Concerns, action: &str) -> Result<(), String> {
    let terminal = std::io::stdin().is_terminal();
    if !terminal && concerns == Concerns::One {
        return Ok(());
    }
    complain(&format!("{action}? [y/N]"));
    let (sender, answered) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        let _ = sender.send(read.is_ok().then_some(answer));
    });
    let answer = match terminal {
        true => answered.recv().ok().flatten(),
        // Nobody may ever answer, nor hang up.
        false => answered.recv_timeout(PATIENCE).ok().flatten(),
    };
    let answer = answer.unwrap_or_default();
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        "" if !terminal => {
            Err("nothing was changed: nobody answered; add --yes if it is meant".to_owned())
        }
        _ => Err("nothing was changed".to_owned()),
    }
}

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a line about what went wrong.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
