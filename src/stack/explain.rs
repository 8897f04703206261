//! The stack in words.

use std::fmt;

use serde_json::{Map, Value, json};

use super::layer::Rampart;
use crate::gate::{Policy, Settings};

/// The layers of a [`Rampart`], outermost first: which are in, why each stands
/// where it does, and how it is set. Prints as text; holds no secrets.
#[derive(Clone, Debug)]
pub struct Explanation(Vec<Slot>);

#[derive(Clone, Debug)]
struct Slot {
    name: &'static str,
    filled: bool,
    reason: &'static str,
    settings: Settings,
}

impl Slot {
    fn of<P: Policy>(policy: &Option<P>, reason: &'static str) -> Self {
        Self::named(P::NAME, policy, reason)
    }

    fn named<P: Policy>(name: &'static str, policy: &Option<P>, reason: &'static str) -> Self {
        Self {
            name,
            filled: policy.is_some(),
            reason,
            settings: policy.settings(),
        }
    }
}

impl Rampart {
    /// Explains the order and what is set.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        Explanation(vec![
            Slot::of(
                &self.context,
                "names the request before anybody can refuse it",
            ),
            Slot::of(
                &self.security_headers,
                "must reach every response, refusals too",
            ),
            Slot::of(
                &self.cors,
                "answers preflights, which carry no credentials, and lets pages read refusals",
            ),
            Slot {
                name: "rescue",
                filled: true,
                reason: "a panic or an error becomes an answer that pages can read",
                settings: Settings::new(),
            },
            Slot::of(
                &self.rate_limit,
                "the cheapest refusal, before any cryptography",
            ),
            Slot::of(&self.csrf, "before a forged request can rotate a token"),
            Slot::of(
                &self.content_length,
                "before anybody waits for a body that is too long",
            ),
            Slot::of(&self.session, "renews the token that is verified next"),
            Slot::of(&self.jwt, "finds out who is asking"),
            Slot::named(
                "rate_limit_subject",
                &self.rate_limit_subject,
                "needs to know who is asking",
            ),
            Slot::named(
                "strict_session",
                &self.strict_session,
                "asks the store, once nobody can ask it too often",
            ),
            Slot::of(
                &self.require,
                "what a caller may do, once it is known who that is",
            ),
        ])
    }
}

impl Explanation {
    /// Returns the layers as JSON: a list of objects with the members `layer`,
    /// `on`, `reason` and `settings`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let slots = self.0.iter().map(|slot| {
            let settings = slot.settings.iter();
            let settings: Map<String, Value> = settings
                .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
                .collect();
            json!({
                "layer": slot.name,
                "on": slot.filled,
                "reason": slot.reason,
                "settings": settings,
            })
        });
        slots.collect()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, slot) in self.0.iter().enumerate() {
            let state = if slot.filled { "on" } else { "-" };
            let (name, reason) = (slot.name, slot.reason);
            writeln!(f, "{:>2}  {name:<20}{state:<4}{reason}", index + 1)?;
            for (name, value) in &slot.settings {
                writeln!(f, "{:>24}    {name}: {value}", "")?;
            }
        }
        Ok(())
    }
}
