//! The windows of a limit: each a name and a quota.

use std::collections::HashSet;

use http::HeaderValue;

use super::ask::Charge;
use super::counters::Counters;
use super::error::Problem;
use super::fields;
use super::key::Rungs;
use super::quota::Quota;
use super::rate::{RUNGS, Rate};
use super::store::{MOST, Memory};

/// How many windows a limit has at most.
pub(super) const MAX_WINDOWS: usize = MOST / RUNGS.len();

/// What a limit allows, as of its last reload.
#[derive(Debug)]
pub(super) struct Windows {
    list: Vec<Window>,
    /// The field `RateLimit-Policy`.
    pub(super) policy: HeaderValue,
}

#[derive(Debug)]
pub(super) struct Window {
    pub(super) name: String,
    pub(super) quota: Quota,
    rates: [Rate; RUNGS.len()],
    /// Counters go by the name, so that they outlive a reload.
    id: u128,
}

impl Windows {
    /// Finds what is wrong with windows.
    pub(super) fn problems(windows: &[(String, Quota)], memory: Memory) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut names = HashSet::new();
        for (name, quota) in windows {
            if quota.is_strict() && memory == Memory::Strict {
                problems.push(Problem::StrictQuota { name: name.clone() });
            }
            if !is_name(name) {
                problems.push(Problem::Name { name: name.clone() });
            } else if !names.insert(name) {
                problems.push(Problem::RepeatedName { name: name.clone() });
            }
        }
        if windows.is_empty() || windows.len() > MAX_WINDOWS {
            let windows = windows.len();
            problems.push(Problem::Windows { windows });
        }
        problems
    }

    /// Makes windows without problems.
    pub(super) fn new(windows: Vec<(String, Quota)>, counters: &Counters) -> Self {
        let windows = windows.into_iter().map(|(name, quota)| Window {
            id: counters.id(&kind(&name, quota)),
            rates: RUNGS.map(|times| Rate::new(quota, times)),
            quota,
            name,
        });
        let list: Vec<_> = windows.collect();
        Self {
            policy: fields::policy(&list),
            list,
        }
    }

    pub(super) fn list(&self) -> &[Window] {
        &self.list
    }

    /// The counters of a caller: those of the first window, then of the next.
    pub(super) fn charges(&self, rungs: Rungs) -> impl Iterator<Item = Charge> {
        self.list
            .iter()
            .flat_map(move |window| window.charges(rungs))
    }
}

impl Window {
    /// The counters of a caller.
    pub(super) fn charges(&self, rungs: Rungs) -> impl Iterator<Item = Charge> {
        let rungs = rungs.into_iter().zip(self.rates);
        rungs.filter_map(|(key, rate)| {
            let key = key? ^ self.id;
            Some(Charge { key, rate })
        })
    }
}

/// Names what is counted: a strict window holds other numbers.
fn kind(name: &str, quota: Quota) -> String {
    if quota.is_strict() {
        format!("{name}, strict, {:?}", quota.period())
    } else {
        name.to_owned()
    }
}

/// Tells whether a name can stand in the `RateLimit` field.
pub(super) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(legal)
}
