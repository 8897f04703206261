//! What every command takes that changes something for others: who does it, why, and
//! whether it is meant.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::say;
use crate::desk::By;
use crate::terminal::{Concerns, confirm};

/// Who does something, why, and how it is asked and told.
#[derive(Args, Debug)]
pub(crate) struct How {
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", value_parser = line)]
    pub(crate) reason: Option<String>,
    /// Who does it, for the audit log.
    #[arg(long, value_name = "NAME", value_parser = line)]
    actor: Option<String>,
    /// Only says what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Does not ask. What concerns everybody needs it where nobody can answer.
    #[arg(long)]
    yes: bool,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads a text that people read in one line.
fn line(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let readable =
        !text.is_empty() && text.chars().count() <= 500 && !text.chars().any(char::is_control);
    readable
        .then(|| text.to_owned())
        .ok_or("write one line of at most 500 characters")
}

impl How {
    /// Who acts, as the audit log has it.
    pub(crate) fn by(&self) -> By<'_> {
        By {
            operator: self.actor.as_deref(),
            reason: self.reason.as_deref(),
            ..By::operator()
        }
    }

    /// Whether to go on. A rehearsal says what would be done; the members of `would` are
    /// what a program reads of it.
    ///
    /// # Errors
    ///
    /// If the answer is not yes.
    pub(crate) fn goes_on(
        &self,
        concerns: Concerns,
        action: &str,
        would: Value,
    ) -> Result<bool, String> {
        if self.dry_run {
            let mut told = json!({"dry_run": true, "would": action});
            if let (Value::Object(told), Value::Object(would)) = (&mut told, would) {
                told.extend(would);
            }
            self.tell(&told, || format!("would {action}"));
            return Ok(false);
        }
        if !self.yes {
            confirm(concerns, action)?;
        }
        Ok(true)
    }

    /// Says what was done.
    pub(crate) fn tell(&self, json: &Value, text: impl FnOnce() -> String) {
        say(&match self.json {
            true => json.to_string(),
            false => text(),
        });
    }
}
