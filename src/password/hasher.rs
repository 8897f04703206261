//! Hashing, verifying, and when to hash again.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::argon2id;
use super::builder::{PasswordHasherBuilder, PreHash, Settings};
use super::error::{HashError, OutOfMemory};
use super::pepper::PepperId;
use super::scheme::{BCRYPT_BYTES, Password, bcrypt, peppered, salted_hmac, sha256, sign_extended};
use super::stored::{Form, Hash, Parsed, Stored, parse, salt_text};
use super::verified::{MismatchReason, Rehash, RehashReason, Verified};
use crate::secret::{Secret, random_bytes};

/// Hashes and verifies passwords, on the calling thread. Clones share the
/// settings. See [`LoginHasher`](super::LoginHasher) for servers.
#[derive(Clone, Debug)]
pub struct PasswordHasher(Arc<Settings>);

/// Whether a good password may be hashed again at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Upgrade {
    Now,
    /// Too much is waiting; there will be another sign-in.
    Later,
}

impl PasswordHasher {
    /// Starts with bcrypt of cost 12, the salted condensing, and a cap of 15.
    pub fn builder() -> PasswordHasherBuilder {
        PasswordHasherBuilder::new()
    }

    pub(super) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// Returns the cost of new hashes of bcrypt.
    #[must_use]
    pub fn cost(&self) -> u8 {
        self.0.cost
    }

    /// Hashes a password under a fresh salt, in Normalization Form C.
    ///
    /// # Errors
    ///
    /// [`HashError::Nul`]; [`HashError::TooLongForPlain`] over 72 bytes with
    /// [`PreHash::None`]; [`HashError::OutOfMemory`] with argon2id.
    pub fn hash(&self, password: &Password) -> Result<String, HashError> {
        let composed = password.composed();
        self.hash_beside(None, composed.as_ref().unwrap_or(password))
    }

    /// Makes what no password opens, to be stored for an account that is locked. An
    /// attempt takes as long as any other.
    ///
    /// ```
    /// use tower_rampart::password::{MismatchReason, Password, PasswordHasher, Verified};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hasher = PasswordHasher::builder().cost(10).build()?;
    /// let attempt = hasher.verify(&Password::new("anything")?, Some(&PasswordHasher::locked()));
    /// assert_eq!(attempt, Verified::Mismatch { reason: MismatchReason::Locked });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn locked() -> String {
        // Random, so that it cannot be told from another account's, nor be swapped
        // back by a comparison with one of before.
        format!("!{}", STANDARD.encode(random_bytes::<30>()))
    }

    /// Hashes in place of another hash of the same scheme, never for less than that
    /// one cost.
    fn hash_beside(&self, old: Option<&Hash>, password: &Password) -> Result<String, HashError> {
        let old = old.filter(|_| !self.0.may_downgrade);
        if password.bytes().contains(&0) {
            return Err(HashError::Nul);
        }
        if let Some(costs) = self.0.argon2id {
            let costs = match old {
                Some(Hash::Argon2id(old)) => costs.at_least(old.costs),
                _ => costs,
            };
            let pepper = self.0.peppers.current();
            let pepper = pepper.and_then(|id| Some((id, self.0.peppers.find(id)?.expose())));
            return Ok(costs.hash(pepper, random_bytes(), password.bytes())?);
        }
        let cost = match old {
            Some(Hash::Bcrypt(old)) => self.0.cost.max(old.cost),
            _ => self.0.cost,
        };
        let form = self.form();
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
    /// longer, so lowering the cost makes their accounts recognisable; so do those of
    /// argon2id where new ones are of bcrypt, which are kept.
    ///
    /// A password is read in Normalization Form C first, and if that is another
    /// spelling then as it is, since a hash from elsewhere may be of that: with
    /// twice the work, whatever is stored.
    #[must_use]
    pub fn verify(&self, password: &Password, stored: Option<&str>) -> Verified {
        self.verify_and(Upgrade::Now, password, stored)
    }

    pub(super) fn verify_and(
        &self,
        upgrade: Upgrade,
        password: &Password,
        stored: Option<&str>,
    ) -> Verified {
        let parsed = stored.map(parse);
        let composed = password.composed();
        let nfc = composed.as_ref().unwrap_or(password);
        let mut spelling = nfc;
        let mut outcome = self.matches(nfc, parsed.as_ref());
        let mut why = Vec::new();
        if let (Err(_), Some(_)) = (outcome, &composed) {
            spelling = password;
            outcome = self.matches(spelling, parsed.as_ref());
            // One spelling is enough from now on.
            why.push(RehashReason::Spelling);
        }
        match (outcome, &parsed, stored) {
            (Ok(()), Some(Parsed::Hash(hash)), Some(old)) => {
                why.extend(self.outdated(hash));
                why.extend(cuts(hash, spelling).then_some(RehashReason::Truncated));
                why.sort_unstable();
                let wanted = upgrade == Upgrade::Now && !why.is_empty();
                let new = wanted.then(|| self.hash_beside(Some(hash), nfc).ok());
                let old = old.to_owned();
                Verified::Match {
                    rehash: new.flatten().map(|new| Rehash { old, new, why }),
                }
            }
            (outcome, ..) => Verified::Mismatch {
                reason: outcome.err().unwrap_or(MismatchReason::NoAccount),
            },
        }
    }

    /// Tells what a stored hash lacks, as far as that can be told without the
    /// password: nothing, if it is as good as new ones are, or cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_rampart::password::{PasswordHasher, RehashReason};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hasher = PasswordHasher::builder().cost(12).build()?;
    /// let old = "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi";
    /// let why = hasher.needs_rehash(old);
    /// assert_eq!(why, [RehashReason::Cost, RehashReason::Foreign, RehashReason::PreHash]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn needs_rehash(&self, stored: &str) -> Vec<RehashReason> {
        match parse(stored) {
            Parsed::Hash(hash) => self.outdated(&hash),
            Parsed::Locked | Parsed::Unreadable => vec![],
        }
    }

    /// Compares one spelling, and does as much for an account that there is not.
    fn matches(&self, password: &Password, stored: Option<&Parsed>) -> Result<(), MismatchReason> {
        let reason = match stored {
            None => MismatchReason::NoAccount,
            Some(Parsed::Locked) => MismatchReason::Locked,
            Some(Parsed::Unreadable) => MismatchReason::Unreadable,
            Some(Parsed::Hash(hash)) if self.is_too_costly(hash) => MismatchReason::CostRefused,
            Some(Parsed::Hash(hash)) if self.lacks(hash) => MismatchReason::UnknownPepper,
            // bcrypt cycles its key, so `a` and `a\0a` would be one password.
            Some(Parsed::Hash(_)) if password.bytes().contains(&0) => MismatchReason::WrongPassword,
            Some(Parsed::Hash(hash)) => {
                let reason = match self.compare(password, hash) {
                    Ok(true) => return Ok(()),
                    Ok(false) => MismatchReason::WrongPassword,
                    Err(OutOfMemory) => MismatchReason::OutOfMemory,
                };
                self.spend_the_rest(password, hash);
                return Err(reason);
            }
        };
        self.spend(password);
        Err(reason)
    }

    fn compare(&self, password: &Password, hash: &Hash) -> Result<bool, OutOfMemory> {
        match hash {
            Hash::Bcrypt(hash) => {
                let digest = self.digest(hash.form, hash.cost, hash.salt, password);
                Ok(digest.ct_eq(&hash.digest).into())
            }
            Hash::Argon2id(hash) => {
                let pepper = hash.pepper.and_then(|id| self.0.peppers.find(id));
                hash.matches(pepper.map(Secret::expose), password.bytes())
            }
        }
    }

    /// Does what a new hash takes more than a stored one.
    fn spend_the_rest(&self, password: &Password, hash: &Hash) {
        match (hash, self.0.argon2id) {
            // The time of bcrypt doubles with each step, so the steps between the
            // stored and the current cost add up to exactly the rest.
            (Hash::Bcrypt(hash), None) => {
                for cost in hash.cost..self.0.cost {
                    self.spend_bcrypt(password, cost);
                }
            }
            (Hash::Argon2id(hash), Some(costs)) if !hash.costs.is_below(costs) => {}
            _ => self.spend(password),
        }
    }

    /// Takes as long as a new hash does.
    fn spend(&self, password: &Password) {
        match self.0.argon2id {
            Some(costs) => {
                // Without memory there is nothing to be equal to.
                let _ = std::hint::black_box(costs.hash(None, [0x5a; 16], password.bytes()));
            }
            None => self.spend_bcrypt(password, self.0.cost),
        }
    }

    fn spend_bcrypt(&self, password: &Password, cost: u8) {
        std::hint::black_box(self.digest(self.form(), cost, [0x5a; 16], password));
    }

    fn outdated(&self, hash: &Hash) -> Vec<RehashReason> {
        let mut why = Vec::new();
        let mut note = |reason, applies: bool| why.extend(applies.then_some(reason));
        match (hash, self.0.argon2id) {
            (Hash::Bcrypt(hash), None) => {
                let wanted = self.form();
                let [has, wants] = [hash.form, wanted].map(|form| form.pepper());
                let costlier = self.0.may_downgrade && hash.cost > self.0.cost;
                note(RehashReason::Cost, hash.cost < self.0.cost || costlier);
                note(RehashReason::Foreign, hash.foreign);
                note(RehashReason::Pepper, has != wants);
                let same = hash.form == wanted || has.is_some() || wants.is_some();
                note(RehashReason::PreHash, !same);
            }
            (Hash::Bcrypt(_), Some(_)) => note(RehashReason::Scheme, true),
            (Hash::Argon2id(hash), Some(costs)) => {
                let costlier = self.0.may_downgrade && costs.is_below(hash.costs);
                note(RehashReason::Cost, hash.costs.is_below(costs) || costlier);
                let wants = self.0.peppers.current();
                note(RehashReason::Pepper, hash.pepper != wants);
            }
            // bcrypt is the weaker one.
            (Hash::Argon2id(_), None) => note(RehashReason::Scheme, self.0.may_downgrade),
        }
        why
    }

    fn is_too_costly(&self, hash: &Hash) -> bool {
        match hash {
            Hash::Bcrypt(hash) => hash.cost > self.0.max_verify_cost,
            Hash::Argon2id(hash) => hash.is_too_costly(),
        }
    }

    /// Whether a hash needs a pepper that is not known.
    fn lacks(&self, hash: &Hash) -> bool {
        let wanted = match hash {
            Hash::Bcrypt(hash) => hash.form.pepper(),
            Hash::Argon2id(argon2id::Stored { pepper, .. }) => *pepper,
        };
        wanted.is_some_and(|id| self.0.peppers.find(id).is_none())
    }

    fn form(&self) -> Form {
        let peppered = || self.0.peppers.current().map(Form::Pepper);
        match self.0.prehash {
            PreHash::None => Form::Plain,
            PreHash::SaltHmac => Form::SaltHmac,
            PreHash::Auto | PreHash::Pepper => peppered().unwrap_or(Form::SaltHmac),
        }
    }

    fn digest(&self, form: Form, cost: u8, salt: [u8; 16], password: &Password) -> [u8; 23] {
        let pepper = form
            .pepper()
            .and_then(|id: PepperId| self.0.peppers.find(id));
        digest(form, pepper, cost, salt, password.bytes())
    }
}

/// Tells whether bcrypt did not read the end of a password.
fn cuts(hash: &Hash, password: &Password) -> bool {
    matches!(hash, Hash::Bcrypt(hash) if hash.form.cuts()) && password.bytes().len() > BCRYPT_BYTES
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
