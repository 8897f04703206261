//! Hashes as they are stored: a strict parser and its inverse.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

/// bcrypt's own order of the base64 letters. Spare bits must be zero, so each
/// hash has one spelling.
const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

const SALT_CHARS: usize = 22;
const DIGEST_CHARS: usize = 31;

/// The longest stored hash that is looked at, in bytes.
const MAX_BYTES: usize = 256;

/// A readable stored hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stored {
    pub(super) form: Form,
    pub(super) cost: u8,
    pub(super) salt: [u8; 16],
    pub(super) digest: [u8; 23],
}

/// How the password reaches bcrypt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// `$2b$`: as it is, at most 72 bytes.
    Plain,
    /// `$2a$`, `$2y$`: the same computation under an older name.
    PlainOldName,
    /// `$bcrypt-sha256$v=2`: condensed first.
    SaltHmac,
}

/// What a stored text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Parsed {
    Hash(Stored),
    /// An account that nobody can sign in to with a password.
    Locked,
    Unreadable,
}

pub(super) fn parse(text: &str) -> Parsed {
    if text.starts_with('!') {
        return Parsed::Locked;
    }
    match read(text) {
        Some(stored) => Parsed::Hash(stored),
        None => Parsed::Unreadable,
    }
}

fn read(text: &str) -> Option<Stored> {
    // ASCII only: byte positions are then character positions.
    if text.len() > MAX_BYTES || !text.is_ascii() {
        return None;
    }
    if let Some(rest) = text.strip_prefix("$bcrypt-sha256$v=2,t=2b,r=") {
        let (cost, rest) = rest.split_once('$')?;
        let (salt, digest) = rest.split_once('$')?;
        // passlib writes the cost without a leading zero.
        let canonical = !cost.starts_with('0');
        return canonical.then(|| stored(Form::SaltHmac, cost, salt, digest))?;
    }
    let (form, rest) = [
        ("$2b$", Form::Plain),
        ("$2a$", Form::PlainOldName),
        ("$2y$", Form::PlainOldName),
    ]
    .into_iter()
    .find_map(|(prefix, form)| Some((form, text.strip_prefix(prefix)?)))?;
    let (cost, rest) = rest.split_once('$')?;
    let (salt, digest) = rest.split_at_checked(SALT_CHARS)?;
    (cost.len() == 2).then(|| stored(form, cost, salt, digest))?
}

fn stored(form: Form, cost: &str, salt: &str, digest: &str) -> Option<Stored> {
    let digits = (1..=2).contains(&cost.len()) && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost: u8 = digits.then(|| cost.parse().ok())??;
    if !(4..=31).contains(&cost) || salt.len() != SALT_CHARS || digest.len() != DIGEST_CHARS {
        return None;
    }
    Some(Stored {
        form,
        cost,
        salt: BASE64.decode(salt).ok()?.try_into().ok()?,
        digest: BASE64.decode(digest).ok()?.try_into().ok()?,
    })
}

/// Writes a salt as the 22 characters that are also a key.
pub(super) fn salt_text(salt: &[u8; 16]) -> String {
    BASE64.encode(salt)
}

impl Stored {
    pub(super) fn to_text(self) -> String {
        let (salt, digest) = (salt_text(&self.salt), BASE64.encode(self.digest));
        match self.form {
            Form::SaltHmac => format!("$bcrypt-sha256$v=2,t=2b,r={}${salt}${digest}", self.cost),
            Form::Plain => format!("$2b${:02}${salt}{digest}", self.cost),
            Form::PlainOldName => format!("$2a${:02}${salt}{digest}", self.cost),
        }
    }
}
