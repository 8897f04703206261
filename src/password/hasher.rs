//! Hashing, verifying, and when to hash again.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::error::{ConfigError, HashError, Problem};
use super::pepper::Peppers;
use super::scheme::{BCRYPT_BYTES, Password, bcrypt, peppered, salted_hmac, sha256, sign_extended};
use super::stored::{Form, Parsed, Stored, parse, salt_text};
use crate::config::Problems;
use crate::secret::{Secret, random_bytes};

/// Hashes and verifies passwords, on the calling thread. Clones share the
/// settings. See [`LoginHasher`](super::LoginHasher) for servers.
#[derive(Clone, Debug)]
pub struct PasswordHasher(Arc<Settings>);

#[derive(Clone, Debug)]
struct Settings {
    cost: u8,
    prehash: PreHash,
    peppers: Peppers,
    max_verify_cost: u8,
}

/// How a password reaches bcrypt.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum PreHash {
    /// As it is: rows read `$2b$`, which every bcrypt library verifies.
    /// Passwords over 72 bytes cannot be set.
    None,
    /// Condensed under a key from the salt: rows read `$bcrypt-sha256$v=2`.
    SaltHmac,
    /// Condensed under the current pepper, rows read `$bcrypt-hmac-sha384$v=1`; as
    /// [`SaltHmac`](Self::SaltHmac) if there is none.
    #[default]
    Auto,
}

/// The outcome of [`PasswordHasher::verify`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verified {
    /// The password is right.
    Match {
        /// A better hash to store in place of the old one, if there is one.
        rehash: Option<Rehash>,
    },
    /// It is not, or cannot be.
    Mismatch {
        /// Why, for the audit; the client is told nothing.
        reason: MismatchReason,
    },
}

/// Why a password did not match.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MismatchReason {
    /// The stored cost is above the cap, so it was not run.
    CostRefused,
    /// The account is locked.
    Locked,
    /// There is no such account.
    NoAccount,
    /// The stored hash needs a pepper that is not known: tell the operator, since
    /// nobody whose hash needs it can sign in.
    UnknownPepper,
    /// The stored hash is not one.
    Unreadable,
    /// The password is wrong.
    WrongPassword,
}

/// A hash to be replaced by a better one.
///
/// Store it only if the old one is still there
/// (`UPDATE … SET hash = new WHERE id = ? AND hash = old`): otherwise a
/// password that was changed meanwhile would come back. If that write fails,
/// the sign-in still succeeded.
#[derive(Clone, Eq, PartialEq)]
pub struct Rehash {
    /// The stored hash that was verified.
    pub old: String,
    /// The hash to store instead.
    pub new: String,
}

impl std::fmt::Debug for Rehash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rehash([redacted])")
    }
}

impl PasswordHasher {
    /// Starts with cost 12, the salted condensing, and a cap of 15.
    pub fn builder() -> PasswordHasherBuilder {
        PasswordHasherBuilder {
            settings: Settings {
                cost: 12,
                prehash: PreHash::default(),
                peppers: Peppers::default(),
                max_verify_cost: 15,
            },
        }
    }

    /// Returns the cost of new hashes.
    #[must_use]
    pub fn cost(&self) -> u8 {
        self.0.cost
    }

    /// Hashes a password under a fresh salt, in Normalization Form C.
    ///
    /// # Errors
    ///
    /// [`HashError::Nul`]; [`HashError::TooLongForPlain`] over 72 bytes with
    /// [`PreHash::None`].
    pub fn hash(&self, password: &Password) -> Result<String, HashError> {
        let composed = password.composed();
        self.hash_at(self.0.cost, composed.as_ref().unwrap_or(password))
    }

    fn hash_at(&self, cost: u8, password: &Password) -> Result<String, HashError> {
        let form = self.form();
        if password.bytes().contains(&0) {
            return Err(HashError::Nul);
        }
        if form == Form::Plain && password.bytes().len() > BCRYPT_BYTES {
            return Err(HashError::TooLongForPlain);
        }
        let salt = random_bytes();
        let digest = self.digest(form, cost, salt, password);
        Ok(Stored {
            form,
            cost,
            salt,
            digest,
            foreign: false,
        }
        .to_text())
    }

    /// Compares a password with what is stored; `None` if there is no account.
    ///
    /// Every mismatch takes at least as long as a hash at the current cost,
    /// whether the account exists or not. Stored hashes of a higher cost take
    /// longer, so lowering the cost makes their accounts recognisable.
    ///
    /// A password is read in Normalization Form C first, and if that is another
    /// spelling then as it is, since a hash from elsewhere may be of that: with
    /// twice the work, whatever is stored.
    #[must_use]
    pub fn verify(&self, password: &Password, stored: Option<&str>) -> Verified {
        let Some(composed) = password.composed() else {
            return self.verify_spelling(password, stored);
        };
        let first = self.verify_spelling(&composed, stored);
        if matches!(first, Verified::Match { .. }) {
            return first;
        }
        match self.verify_spelling(password, stored) {
            Verified::Match { .. } => Verified::Match {
                // One spelling is enough from now on.
                rehash: stored.and_then(|old| {
                    let Parsed::Hash(hash) = parse(old) else {
                        return None;
                    };
                    let cost = self.0.cost.max(hash.cost);
                    let new = self.hash_at(cost, &composed).ok()?;
                    let old = old.to_owned();
                    Some(Rehash { old, new })
                }),
            },
            mismatch => mismatch,
        }
    }

    fn verify_spelling(&self, password: &Password, stored: Option<&str>) -> Verified {
        let text = stored.unwrap_or_default();
        let reason = match (stored.map(parse), password.bytes().contains(&0)) {
            (None, _) => MismatchReason::NoAccount,
            (Some(Parsed::Locked), _) => MismatchReason::Locked,
            (Some(Parsed::Unreadable), _) => MismatchReason::Unreadable,
            (Some(Parsed::Hash(hash)), _) if hash.cost > self.0.max_verify_cost => {
                MismatchReason::CostRefused
            }
            (Some(Parsed::Hash(hash)), _) if self.lacks(hash.form) => MismatchReason::UnknownPepper,
            // bcrypt cycles its key, so `a` and `a\0a` would be one password.
            (Some(Parsed::Hash(_)), true) => MismatchReason::WrongPassword,
            (Some(Parsed::Hash(hash)), false) => return self.verify_hash(password, text, hash),
        };
        self.spend(password, self.0.cost);
        Verified::Mismatch { reason }
    }

    fn verify_hash(&self, password: &Password, text: &str, hash: Stored) -> Verified {
        let digest = self.digest(hash.form, hash.cost, hash.salt, password);
        if !bool::from(digest.ct_eq(&hash.digest)) {
            // The time of bcrypt doubles with each step, so the steps between
            // the stored and the current cost add up to exactly the rest.
            for cost in hash.cost..self.0.cost {
                self.spend(password, cost);
            }
            return Verified::Mismatch {
                reason: MismatchReason::WrongPassword,
            };
        }
        let rehash = self
            .is_outdated(hash, password)
            // Never cheaper than what was there.
            .then(|| self.hash_at(self.0.cost.max(hash.cost), password).ok())
            .flatten();
        Verified::Match {
            rehash: rehash.map(|new| Rehash {
                old: text.to_owned(),
                new,
            }),
        }
    }

    fn is_outdated(&self, hash: Stored, password: &Password) -> bool {
        let cut = hash.form.cuts() && password.bytes().len() > BCRYPT_BYTES;
        hash.cost < self.0.cost || cut || hash.foreign || hash.form != self.form()
    }

    fn form(&self) -> Form {
        match self.0.prehash {
            PreHash::None => Form::Plain,
            PreHash::SaltHmac => Form::SaltHmac,
            PreHash::Auto => self
                .0
                .peppers
                .current()
                .map_or(Form::SaltHmac, Form::Pepper),
        }
    }

    /// Whether a form needs a pepper that is not known.
    fn lacks(&self, form: Form) -> bool {
        matches!(form, Form::Pepper(id) if self.0.peppers.find(id).is_none())
    }

    fn digest(&self, form: Form, cost: u8, salt: [u8; 16], password: &Password) -> [u8; 23] {
        let pepper = match form {
            Form::Pepper(id) => self.0.peppers.find(id),
            _ => None,
        };
        digest(form, pepper, cost, salt, password.bytes())
    }

    fn spend(&self, password: &Password, cost: u8) {
        std::hint::black_box(self.digest(self.form(), cost, [0x5a; 16], password));
    }
}

pub(super) fn digest(
    form: Form,
    pepper: Option<&Secret>,
    cost: u8,
    salt: [u8; 16],
    password: &[u8],
) -> [u8; 23] {
    match form {
        Form::Pepper(_) => {
            let pepper = pepper.map(Secret::expose).unwrap_or_default();
            bcrypt(cost, salt, peppered(pepper, password).as_bytes())
        }
        Form::SaltHmac => bcrypt(
            cost,
            salt,
            salted_hmac(&salt_text(&salt), password).as_bytes(),
        ),
        Form::Plain => bcrypt(cost, salt, password),
        Form::SignExtended => bcrypt(cost, salt, &sign_extended(password)),
        Form::Sha256Base64 => {
            let key = Zeroizing::new(STANDARD.encode(*sha256(password)));
            bcrypt(cost, salt, key.as_bytes())
        }
        Form::Sha256Hex => {
            let hex = sha256(password)
                .iter()
                .flat_map(|byte| hex(*byte))
                .collect();
            let key: Zeroizing<Vec<u8>> = Zeroizing::new(hex);
            bcrypt(cost, salt, &key)
        }
    }
}

/// A byte as two digits.
fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)])
}

/// Collects the settings of a [`PasswordHasher`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PasswordHasherBuilder {
    settings: Settings,
}

impl PasswordHasherBuilder {
    /// Sets the cost of new hashes, 10 or more; 12 by default. See
    /// [`calibrate_cost`](super::calibrate_cost).
    pub fn cost(mut self, cost: u8) -> Self {
        self.settings.cost = cost;
        self
    }

    /// Sets how a password reaches bcrypt.
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

    /// Sets the highest stored cost that is run; 15 by default. A row with a
    /// higher one, written by an attacker, would keep a core busy for hours.
    pub fn max_verify_cost(mut self, cost: u8) -> Self {
        self.settings.max_verify_cost = cost;
        self
    }

    /// Checks the settings.
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
        } = self.settings;
        let mut problems = peppers.problems();
        if prehash != PreHash::Auto && !peppers.is_empty() {
            problems.push(Problem::PepperUnused);
        }
        if !(10..=20).contains(&max_verify_cost) {
            problems.push(Problem::MaxVerifyCost { max_verify_cost });
        }
        if !(10..=max_verify_cost.clamp(10, 20)).contains(&cost) {
            problems.push(Problem::Cost {
                cost,
                max: max_verify_cost,
            });
        }
        Problems::check(problems, || PasswordHasher(Arc::new(self.settings)))
    }
}
