//! Hashes as they are stored: a strict parser and its inverse.
//!
//! What is written is `$2b$`, `$bcrypt-sha256$v=2`, `$bcrypt-hmac-sha384$v=1`
//! with the name of a pepper, or `$argon2id$v=19`. What other systems wrote is
//! read too, and to be replaced at the next sign-in.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};

use super::argon2id;
use super::pepper::PepperId;

/// bcrypt's own order of the base64 letters. The last letter has spare bits,
/// which some libraries did not clear.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

const SALT_CHARS: usize = 22;
const DIGEST_CHARS: usize = 31;

/// The longest stored hash that is looked at, in bytes.
const MAX_BYTES: usize = 256;

/// A readable stored hash, of whichever scheme.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Hash {
    Argon2id(argon2id::Stored),
    Bcrypt(Stored),
}

/// A readable stored hash of bcrypt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stored {
    pub(super) form: Form,
    pub(super) cost: u8,
    pub(super) salt: [u8; 16],
    pub(super) digest: [u8; 23],
    /// Whether it is spelled as it would not be written today.
    pub(super) foreign: bool,
}

/// How the password reaches bcrypt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// As it is, at most 72 bytes.
    Plain,
    /// As it is, read as signed bytes: the mistake of crypt_blowfish before 1.1.
    SignExtended,
    /// Condensed under a key from the salt: `$bcrypt-sha256$v=2`.
    SaltHmac,
    /// Condensed under a key that is not in the database.
    Pepper(PepperId),
    /// Condensed by SHA-256, in base64: version 1 of the same.
    Sha256Base64,
    /// Condensed by SHA-256, in hexadecimal: Django.
    Sha256Hex,
}

impl Form {
    /// Whether bcrypt ignores the end of a long password.
    pub(super) fn cuts(self) -> bool {
        matches!(self, Self::Plain | Self::SignExtended)
    }

    /// The pepper it was condensed under, if it was.
    pub(super) fn pepper(self) -> Option<PepperId> {
        match self {
            Self::Pepper(id) => Some(id),
            _ => None,
        }
    }
}

/// What a stored text is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Parsed {
    Hash(Hash),
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

fn read(text: &str) -> Option<Hash> {
    // ASCII only: byte positions are then character positions.
    if text.len() > MAX_BYTES || !text.is_ascii() {
        return None;
    }
    match text.strip_prefix("$argon2id$") {
        Some(rest) => argon2id::Stored::read(rest).map(Hash::Argon2id),
        None => read_bcrypt(text).map(Hash::Bcrypt),
    }
}

fn read_bcrypt(text: &str) -> Option<Stored> {
    if let Some(rest) = text.strip_prefix("$bcrypt-hmac-sha384$v=1,k=") {
        let (id, rest) = rest.split_once(",t=2b,r=")?;
        let (cost, rest) = rest.split_once('$')?;
        let (salt, digest) = rest.split_once('$')?;
        let form = Form::Pepper(PepperId::parse(id)?);
        let canonical = !cost.starts_with('0');
        return canonical.then(|| stored(form, cost, salt, digest, false))?;
    }
    if let Some(rest) = text.strip_prefix("$bcrypt-sha256$") {
        return condensed(rest);
    }
    // What Django and Spring Security put in front.
    if let Some(rest) = text.strip_prefix("bcrypt_sha256$") {
        let stored = modular(rest)?;
        return (stored.form == Form::Plain).then_some(Stored {
            form: Form::Sha256Hex,
            foreign: true,
            ..stored
        });
    }
    let adapted = text
        .strip_prefix("bcrypt$")
        .or_else(|| text.strip_prefix("{bcrypt}"));
    let stored = modular(adapted.unwrap_or(text))?;
    let foreign = stored.foreign || adapted.is_some();
    Some(Stored { foreign, ..stored })
}

/// Reads what passlib writes behind `$bcrypt-sha256$`, in both versions.
fn condensed(rest: &str) -> Option<Stored> {
    let (head, rest) = rest.split_once('$')?;
    let (salt, digest) = rest.split_once('$')?;
    let (form, cost) = match head.strip_prefix("v=2,t=2b,r=") {
        Some(cost) => (Form::SaltHmac, cost),
        None => {
            let cost = head
                .strip_prefix("2b,")
                .or_else(|| head.strip_prefix("2a,"))?;
            (Form::Sha256Base64, cost)
        }
    };
    // passlib writes the cost without a leading zero.
    let canonical = !cost.starts_with('0');
    let foreign = form != Form::SaltHmac;
    canonical.then(|| stored(form, cost, salt, digest, foreign))?
}

/// Reads `$2b$NN$` with salt and digest, or one of its elder siblings.
fn modular(text: &str) -> Option<Stored> {
    let (form, foreign, rest) = [
        ("$2b$", Form::Plain, false),
        ("$2a$", Form::Plain, true),
        ("$2y$", Form::Plain, true),
        ("$2x$", Form::SignExtended, true),
    ]
    .into_iter()
    .find_map(|(prefix, form, foreign)| Some((form, foreign, text.strip_prefix(prefix)?)))?;
    let (cost, rest) = rest.split_once('$')?;
    let (salt, digest) = rest.split_at_checked(SALT_CHARS)?;
    (cost.len() == 2).then(|| stored(form, cost, salt, digest, foreign))?
}

fn stored(form: Form, cost: &str, salt: &str, digest: &str, foreign: bool) -> Option<Stored> {
    let digits = (1..=2).contains(&cost.len()) && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost: u8 = digits.then(|| cost.parse().ok())??;
    if !(4..=31).contains(&cost) || salt.len() != SALT_CHARS || digest.len() != DIGEST_CHARS {
        return None;
    }
    let stored = Stored {
        form,
        cost,
        salt: BASE64.decode(salt).ok()?.try_into().ok()?,
        digest: BASE64.decode(digest).ok()?.try_into().ok()?,
        foreign,
    };
    let clean = salt_text(&stored.salt) == salt && BASE64.encode(stored.digest) == digest;
    Some(Stored {
        foreign: foreign || !clean,
        ..stored
    })
}

/// Writes a salt as the 22 characters that are also a key.
pub(super) fn salt_text(salt: &[u8; 16]) -> String {
    BASE64.encode(salt)
}

impl Stored {
    /// Writes the hash, in one of the forms that are written.
    pub(super) fn to_text(self) -> String {
        let (cost, salt, digest) = (self.cost, salt_text(&self.salt), BASE64.encode(self.digest));
        match &self.form {
            Form::Pepper(id) => {
                let id = id.as_str();
                format!("$bcrypt-hmac-sha384$v=1,k={id},t=2b,r={cost}${salt}${digest}")
            }
            Form::SaltHmac => format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${digest}"),
            _ => format!("$2b${cost:02}${salt}{digest}"),
        }
    }
}
