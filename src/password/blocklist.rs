//! Passwords that are tried first.

use std::fmt;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

/// Passwords that nobody may set, in any of the spellings that guessing programs
/// try too: capitals, `0` for `o` and the like, digits and signs around them, the
/// same word again and again, or two of them in a row.
///
/// # Examples
///
/// ```
/// use tower_rampart::password::{Blocklist, Password, PasswordPolicy, WeakPassword};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let blocklist = Blocklist::common().and(["ramshackle gallery"]);
/// let policy = PasswordPolicy::default().blocklist(blocklist);
/// let judged = policy.check(&Password::new("R4mshackle-Gallery!")?, &[]);
/// assert_eq!(judged, Err(WeakPassword::Common));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Blocklist(Arc<[Box<str>]>);

/// Made by `.ci/common-passwords`; `common.license` says whose list it is.
const COMMON: &[u8] = include_bytes!("common.zz");

/// The shortest entry, in characters: two of them make no good password, and
/// shorter ones are in everything.
const SHORTEST: usize = 6;

impl Blocklist {
    /// The 18,054 passwords of six characters and more that Django 5.2 ships, which
    /// Royce Williams made of published leaks. They are unpacked once.
    ///
    /// Of passwords with 15 characters hardly any is on such a list as it is; what
    /// counts there are the spellings.
    ///
    /// # Panics
    ///
    /// Never: a test unpacks them.
    #[must_use]
    pub fn common() -> Self {
        static UNPACKED: OnceLock<Blocklist> = OnceLock::new();
        let unpack = || {
            let text = miniz_oxide::inflate::decompress_to_vec_zlib(COMMON);
            let text = text.ok().and_then(|text| String::from_utf8(text).ok());
            Self::none().and(text.expect("packed by us").lines())
        };
        UNPACKED.get_or_init(unpack).clone()
    }

    /// Nothing: only the rules about repetition and context are left.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new([]))
    }

    /// Adds passwords, for instance the lines of a file. Those of fewer than six
    /// characters are left out. All are held in memory.
    #[must_use]
    pub fn and<T: AsRef<str>>(self, passwords: impl IntoIterator<Item = T>) -> Self {
        let mut words: Vec<Box<str>> = self.0.to_vec();
        let added = passwords.into_iter();
        let added = added.map(|word| skeleton(&word.as_ref().trim().to_lowercase()));
        words.extend(
            added
                .filter(|word| word.chars().count() >= SHORTEST)
                .map(|word| Box::from(word.as_str())),
        );
        words.sort_unstable();
        words.dedup();
        Self(words.into())
    }

    /// Tells whether a text in lower case is one of the passwords, however it is
    /// spelled.
    pub(super) fn forbids(&self, text: &str) -> bool {
        let core = text.trim_matches(|c: char| !c.is_alphabetic());
        [text, core]
            .iter()
            .any(|text| self.makes_up(&skeleton(text)))
    }

    fn has(&self, word: &str) -> bool {
        self.0.binary_search_by(|entry| (**entry).cmp(word)).is_ok()
    }

    /// Tells whether a text is one entry, two, or one again and again.
    fn makes_up(&self, text: &str) -> bool {
        let splits = || text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
        self.has(text)
            || splits().any(|(first, second)| {
                let repeated = || {
                    text.len().is_multiple_of(first.len())
                        && text
                            .as_bytes()
                            .chunks(first.len())
                            .all(|part| part == first.as_bytes())
                };
                self.has(first) && (self.has(second) || repeated())
            })
    }
}

/// What is left of a text in lower case when letters, and the digits and signs
/// that stand in for them, are one, and everything between words is gone.
fn skeleton(text: &str) -> Zeroizing<String> {
    // As long as the text: it grows no further, so that nothing is left behind.
    let mut skeleton = Zeroizing::new(String::with_capacity(text.len()));
    skeleton.extend(text.chars().filter_map(|c| match c {
        '0' => Some('o'),
        '1' | '!' | '|' | 'l' => Some('i'),
        '3' => Some('e'),
        '4' | '@' => Some('a'),
        '5' | '$' => Some('s'),
        '7' => Some('t'),
        ' ' | '-' | '_' | '.' | ',' | '+' | '\'' => None,
        other => Some(other),
    }));
    skeleton
}

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocklist")
            .field("passwords", &self.0.len())
            .finish()
    }
}
