//! Settings of a hasher, checked before it exists.

use std::sync::Arc;

use super::argon2id::{self, Argon2id};
use super::error::{ConfigError, Problem};
use super::hasher::PasswordHasher;
use super::pepper::Peppers;
use super::scheme;
use crate::config::Problems;
use crate::secret::Secret;

/// How a password reaches bcrypt.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum PreHash {
    /// As it is: rows read `$2b$`, which every bcrypt library verifies.
    /// Passwords over 72 bytes cannot be set.
    None,
    /// Condensed under a key from the salt: rows read `$bcrypt-sha256$v=2`.
    SaltHmac,
    /// Condensed under the current pepper, rows read `$bcrypt-hmac-sha384$v=1`. There
    /// must be one.
    Pepper,
    /// As [`Pepper`](Self::Pepper), or as [`SaltHmac`](Self::SaltHmac) if there is
    /// none.
    #[default]
    Auto,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) cost: u8,
    pub(super) argon2id: Option<Argon2id>,
    pub(super) prehash: PreHash,
    pub(super) peppers: Peppers,
    pub(super) max_verify_cost: u8,
    pub(super) may_downgrade: bool,
}

/// Collects the settings of a [`PasswordHasher`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PasswordHasherBuilder {
    settings: Settings,
}

impl PasswordHasherBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings {
                cost: 12,
                argon2id: None,
                prehash: PreHash::default(),
                peppers: Peppers::default(),
                max_verify_cost: 15,
                may_downgrade: false,
            },
        }
    }

    /// Sets the cost of new hashes, 10 or more; 12 by default. See
    /// [`calibrate_cost`](super::calibrate_cost).
    pub fn cost(mut self, cost: u8) -> Self {
        self.settings.cost = cost;
        self
    }

    /// Makes new hashes with argon2id. Those of bcrypt still verify, and are
    /// replaced as their owners sign in.
    ///
    /// A wrong password for an account that still has a hash of bcrypt, or of argon2id
    /// with other costs, takes longer than for an unknown one, so such accounts are
    /// recognisable until then; those with higher costs, which are kept, always.
    ///
    /// Each hash takes its memory while it is computed, and a stored one up to 256 MiB
    /// whatever is set here: as often as a [`LoginHasher`](super::LoginHasher) has
    /// permits. With all of that and 16 passes, one takes seconds.
    #[cfg(feature = "argon2")]
    pub fn argon2id(mut self, costs: Argon2id) -> Self {
        self.settings.argon2id = Some(costs);
        self
    }

    /// Sets how a password reaches bcrypt. argon2id takes passwords of any length
    /// and needs none of it.
    pub fn prehash(mut self, prehash: PreHash) -> Self {
        self.settings.prehash = prehash;
        self
    }

    /// Sets the pepper of new hashes: a secret of 32 bytes or more that is kept
    /// apart from the database, so that a copy of it alone is no use to whoever
    /// guesses. Its name of 1 to 16 lower-case letters and digits is stored in each
    /// hash. Whoever loses the pepper locks everybody out.
    pub fn pepper(mut self, id: impl Into<String>, secret: Arc<Secret>) -> Self {
        self.settings.peppers.set_current(id.into(), secret);
        self
    }

    /// Adds a pepper that was the current one. Hashes that need it are replaced as
    /// their owners sign in.
    pub fn retired_pepper(mut self, id: impl Into<String>, secret: Arc<Secret>) -> Self {
        self.settings.peppers.add_retired(id.into(), secret);
        self
    }

    /// Sets the highest stored cost of bcrypt that is run; 15 by default. A row with
    /// a higher one, written by an attacker, would keep a core busy for hours. Of
    /// argon2id at most 256 MiB, 16 passes and 8 lanes are run.
    pub fn max_verify_cost(mut self, cost: u8) -> Self {
        self.settings.max_verify_cost = cost;
        self
    }

    /// Replaces hashes that cost more than new ones do as well, to get back from a
    /// cost that the machine cannot bear.
    ///
    /// # Security
    ///
    /// Guessing gets cheaper for every account whose owner signs in. By default a
    /// hash is never replaced by a cheaper one of its scheme, nor argon2id by bcrypt.
    pub fn dangerous_allow_downgrade(mut self) -> Self {
        self.settings.may_downgrade = true;
        self
    }

    /// Checks the settings, and that bcrypt and argon2id compute what they must.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<PasswordHasher, ConfigError> {
        let Settings {
            cost,
            max_verify_cost,
            prehash,
            ref peppers,
            ..
        } = self.settings;
        let mut problems = peppers.problems();
        match prehash {
            // argon2id takes the pepper by itself.
            _ if self.settings.argon2id.is_some() => {
                let unused = prehash != PreHash::Auto;
                problems.extend(unused.then_some(Problem::PreHashUnused));
            }
            PreHash::Pepper if peppers.current().is_none() => {
                problems.push(Problem::PepperMissing);
            }
            PreHash::None | PreHash::SaltHmac if !peppers.is_empty() => {
                problems.push(Problem::PepperUnused);
            }
            _ => {}
        }
        if !(10..=20).contains(&max_verify_cost) {
            problems.push(Problem::MaxVerifyCost { max_verify_cost });
        }
        let bcrypt = self.settings.argon2id.is_none();
        if bcrypt && !(10..=max_verify_cost.clamp(10, 20)).contains(&cost) {
            problems.push(Problem::Cost {
                cost,
                max: max_verify_cost,
            });
        }
        if !scheme::computes_what_it_must() || !argon2id::computes_what_it_must() {
            problems.push(Problem::SelfTest);
        }
        Problems::check(problems, || PasswordHasher::new(self.settings))
    }
}
