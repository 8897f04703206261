//! Which passwords may be set. Never asked at sign-in.

use thiserror::Error;
use zeroize::Zeroizing;

use super::blocklist::Blocklist;
use super::error::{ConfigError, Problem};
use super::scheme::Password;
use crate::config::Problems;

/// The rules for new passwords, after NIST SP 800-63B-4 §3.1.1.2: length
/// counts, composition does not. Characters are code points, in Normalization
/// Form C.
///
/// # Examples
///
/// ```
/// use tower_rampart::password::{Password, PasswordPolicy, WeakPassword};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = PasswordPolicy::default();
/// assert!(policy.check(&Password::new("correct horse battery staple")?, &["ann@example.com"]).is_ok());
/// let short = policy.check(&Password::new("Tr0ub4dor&3")?, &[]);
/// assert_eq!(short, Err(WeakPassword::TooShort { min_chars: 15 }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    min_chars: usize,
    blocklist: Blocklist,
}

const MAX_CHARS: usize = 256;

impl Default for PasswordPolicy {
    /// At least 15 characters: the password is the only factor.
    fn default() -> Self {
        Self::of(15)
    }
}

impl PasswordPolicy {
    /// At least 8 characters: for accounts with a second factor.
    #[must_use]
    pub fn with_mfa() -> Self {
        Self::of(8)
    }

    fn of(min_chars: usize) -> Self {
        Self {
            min_chars,
            blocklist: Blocklist::common(),
        }
    }

    /// Sets what nobody may choose; [`Blocklist::common`] by default.
    #[must_use]
    pub fn blocklist(mut self, blocklist: Blocklist) -> Self {
        self.blocklist = blocklist;
        self
    }

    /// Sets the least number of characters (code points).
    ///
    /// # Errors
    ///
    /// [`Problem::MinChars`] outside 8 to 256.
    pub fn with_min_chars(min_chars: usize) -> Result<Self, ConfigError> {
        let valid = (8..=MAX_CHARS).contains(&min_chars);
        let problems = if valid {
            vec![]
        } else {
            vec![Problem::MinChars {
                min_chars,
                max_chars: MAX_CHARS,
            }]
        };
        Problems::check(problems, || Self::of(min_chars))
    }

    /// Judges a new password. `context` holds what an attacker would try
    /// first: the address, the name, the service.
    ///
    /// # Errors
    ///
    /// The first [`WeakPassword`] reason that applies; never
    /// [`Breached`](WeakPassword::Breached), which is found out elsewhere.
    pub fn check(&self, password: &Password, context: &[&str]) -> Result<(), WeakPassword> {
        password.with_composed(|password| self.judge(password.text(), context))
    }

    fn judge(&self, text: &str, context: &[&str]) -> Result<(), WeakPassword> {
        let chars = text.chars().count();
        if chars < self.min_chars {
            return Err(WeakPassword::TooShort {
                min_chars: self.min_chars,
            });
        }
        if chars > MAX_CHARS {
            return Err(WeakPassword::TooLong {
                max_chars: MAX_CHARS,
            });
        }
        if text.chars().any(char::is_control) {
            return Err(WeakPassword::ControlCharacter);
        }
        // Room for every character to become two, so that nothing is left behind.
        let mut folded = Zeroizing::new(String::with_capacity(2 * text.len()));
        folded.extend(text.chars().flat_map(char::to_lowercase));
        if COMMON.iter().any(|common| covers(&folded, common, 2)) {
            return Err(WeakPassword::Common);
        }
        let words = context
            .iter()
            .flat_map(|entry| entry.split(['@', '.', ' ', '-', '_', '+']));
        let words = words
            .map(str::to_lowercase)
            .filter(|word| word.chars().count() >= 4);
        if words.into_iter().any(|word| covers(&folded, &word, 3)) {
            return Err(WeakPassword::Context);
        }
        if is_repetitive(&folded) {
            return Err(WeakPassword::Repetitive);
        }
        if self.blocklist.forbids(&folded) {
            return Err(WeakPassword::Common);
        }
        Ok(())
    }
}

/// Tells whether a word makes up at least one part in `parts` of a text.
fn covers(text: &str, word: &str, parts: usize) -> bool {
    let found = text.matches(word).count() * word.chars().count();
    found > 0 && found * parts >= text.chars().count()
}

/// Runs along the alphabet, the digits and the keyboard, which go on at their
/// beginning.
const RUNS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "1qazxsw23edcvfr45tgbnhy67ujm,ki89ol./;p0",
    "zaq12wsxcde34rfvbgt56yhnmju78ik,.lo90p;/",
    "!@#$%^&*()",
];

/// How many characters at the end do not make a run anything else.
const ENDING: usize = 3;

/// One unit of up to eight characters over and over, or a run along the alphabet, the
/// digits or the keyboard, but for up to three characters at the end.
fn is_repetitive(text: &str) -> bool {
    let mut chars = Zeroizing::new(Vec::with_capacity(text.len()));
    chars.extend(text.chars());
    (0..=ENDING.min(chars.len() / 2)).any(|ending| {
        let chars = &chars[..chars.len() - ending];
        let periodic = |period: usize| chars.iter().zip(&chars[period..]).all(|(a, b)| a == b);
        (1..=8.min(chars.len() / 2)).any(periodic)
            || RUNS.iter().any(|run| follows(chars.iter(), run))
            || RUNS.iter().any(|run| follows(chars.iter().rev(), run))
    })
}

/// Tells whether a text is a part of an endless repetition of a run.
fn follows<'a>(mut text: impl Iterator<Item = &'a char>, run: &str) -> bool {
    let Some(first) = text.next() else {
        return false;
    };
    let mut rest = run.chars().cycle();
    // In a run each character comes once.
    run.contains(*first)
        && rest.by_ref().any(|c| c == *first)
        && text.zip(rest).all(|(a, b)| *a == b)
}

/// Why a password may not be set.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum WeakPassword {
    /// Known from a leak, as a `BreachChecker` says (feature `breach`).
    #[error("this password is known from a leak somewhere else")]
    Breached,
    /// Among the first that anybody tries.
    #[error("this password is among the most common ones")]
    Common,
    /// Made of what is known about the account.
    #[error("the password is made of your address or name, or the name of this service")]
    Context,
    /// Has a character that cannot be typed.
    #[error("the password has a control character")]
    ControlCharacter,
    /// The same few characters over and over, or a run of neighbours.
    #[error("the password repeats itself or follows the keyboard")]
    Repetitive,
    /// Too long to be a password.
    #[error("the password has more than {max_chars} characters")]
    TooLong {
        /// The most characters.
        max_chars: usize,
    },
    /// Too short.
    #[error("the password has fewer than {min_chars} characters")]
    TooShort {
        /// The fewest characters.
        min_chars: usize,
    },
}

impl WeakPassword {
    /// Returns the name that clients match on.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Breached => "breached",
            Self::Common => "common",
            Self::Context => "context",
            Self::ControlCharacter => "control_character",
            Self::Repetitive => "repetitive",
            Self::TooLong { .. } => "too_long",
            Self::TooShort { .. } => "too_short",
        }
    }
}

/// Stems that lead every list of leaked passwords; an ending does not help.
const COMMON: &[&str] = &[
    "password",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "passwort",
    "motdepasse",
    "contraseña",
    "letmein",
    "iloveyou",
    "welcome1",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "trustno1",
    "starwars",
    "dragon123",
    "monkey123",
    "whatever",
    "1q2w3e4r",
    "1qaz2wsx",
    "qwerty123",
    "admin123",
    "administrator",
    "changeme",
    "secret123",
    "abc12345",
    "12345678",
    "123456789012345",
    "correcthorsebatterystaple",
];
