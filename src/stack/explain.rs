//! The stack in words.

use std::fmt::Write as _;

use super::layer::Rampart;

impl Rampart {
    /// Prints the order, outermost first: which layers are in, and why each
    /// stands where it does.
    #[must_use]
    pub fn explain(&self) -> String {
        let slots = [
            (
                "context",
                self.context.is_some(),
                "names the request before anybody can refuse it",
            ),
            (
                "security_headers",
                self.security_headers.is_some(),
                "must reach every response, refusals too",
            ),
            (
                "cors",
                self.cors.is_some(),
                "answers preflights, which carry no credentials, and lets pages read refusals",
            ),
            (
                "rescue",
                true,
                "a panic or an error becomes an answer that pages can read",
            ),
            (
                "rate_limit",
                self.rate_limit.is_some(),
                "the cheapest refusal, before any cryptography",
            ),
            (
                "csrf",
                self.csrf.is_some(),
                "before a forged request can rotate a token",
            ),
            (
                "session",
                self.session.is_some(),
                "renews the token that is verified next",
            ),
            ("jwt", self.jwt.is_some(), "finds out who is asking"),
            (
                "rate_limit_subject",
                self.rate_limit_subject.is_some(),
                "needs to know who is asking",
            ),
        ];
        let mut text = String::new();
        for (index, (name, filled, reason)) in slots.into_iter().enumerate() {
            let state = if filled { "on" } else { "-" };
            writeln!(text, "{:>2}  {name:<20}{state:<4}{reason}", index + 1)
                .expect("a String takes all text");
        }
        text
    }
}
