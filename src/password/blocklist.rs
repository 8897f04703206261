//! Passwords that are tried first.

use std::fmt;
use std::sync::{Arc, OnceLock};

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Made by `.ci/common-passwords`; `common.license` says whose list it is.
const COMMON: &[u8] = include_bytes!("common.zz");

/// The shortest entry, in characters: two of them make no good password, and
/// shorter ones are in everything.
const SHORTEST: usize = 6;

/// The part of a password that entries have to make up: one in so many characters.
const PARTS: usize = 3;

/// Passwords that nobody may set, nor what guessing programs make of them: other
/// capitals, `0` for `o` and the like, digits and signs before, behind and in
/// between, the same word again and again, or two of them together.
///
/// A password is refused if one entry or two leave none of its letters over, and make
/// up a third of it: whoever adds a long number to a word has a good password.
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
pub struct Blocklist {
    /// Skeletons, sorted.
    words: Arc<[Box<str>]>,
    /// The length of the longest, in characters.
    longest: usize,
}

impl Blocklist {
    /// The 18,054 passwords of six characters and more that Django 5.2 ships, which
    /// Royce Williams made of published leaks. They are unpacked once.
    ///
    /// Of passwords with 15 characters hardly any is on such a list as it is; what
    /// counts there is what is made of them.
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

    /// Nothing: what is left are the other rules of a
    /// [`PasswordPolicy`](super::PasswordPolicy), about some stems, repetition and
    /// context.
    #[must_use]
    pub fn none() -> Self {
        Self {
            words: Arc::new([]),
            longest: 0,
        }
    }

    /// Adds passwords, for instance the lines of a file. Those of fewer than six
    /// characters are left out. All are held in memory; add them at once, since the
    /// list is made anew each time.
    #[must_use]
    pub fn and<T: AsRef<str>>(self, passwords: impl IntoIterator<Item = T>) -> Self {
        let mut words: Vec<Box<str>> = self.words.to_vec();
        for added in passwords {
            let composed: String = added.as_ref().trim().nfc().collect();
            let word: String = skeleton(&composed.to_lowercase())
                .iter()
                .map(|letter| letter.folded)
                .collect();
            if word.chars().count() >= SHORTEST {
                words.push(word.into());
            }
        }
        words.sort_unstable();
        words.dedup();
        let longest = words.iter().map(|word| word.chars().count()).max();
        Self {
            words: words.into(),
            longest: longest.unwrap_or_default(),
        }
    }

    /// Tells whether a text in lower case is made of the passwords, however they are
    /// spelled.
    pub(super) fn forbids(&self, text: &str) -> bool {
        let skeleton = skeleton(text);
        let found = self.entries(&skeleton);
        let letters = Places::of(&skeleton, |letter| letter.is_letter);
        let enough = text.chars().count().div_ceil(PARTS);
        let makes_up = |places: Places| places.cover(letters) && places.count() >= enough;
        found.iter().enumerate().any(|(index, (_, first))| {
            let others = || found[index + 1..].iter();
            makes_up(*first) || others().any(|(_, second)| makes_up(first.and(*second)))
        })
    }

    /// Finds the entries in a text, and where each of them is.
    fn entries(&self, skeleton: &[Letter]) -> Vec<(usize, Places)> {
        let mut found: Vec<(usize, Places)> = Vec::new();
        // As long as it gets: it grows no further, so that nothing is left behind.
        let mut part = Zeroizing::new(String::with_capacity(4 * self.longest));
        for start in 0..skeleton.len() {
            part.clear();
            for (length, letter) in (1..=self.longest).zip(&skeleton[start..]) {
                part.push(letter.folded);
                let order = self
                    .words
                    .binary_search_by(|entry| (**entry).cmp(part.as_str()));
                let Ok(word) = order else {
                    continue;
                };
                let here = Places::range(start, length);
                match found.iter_mut().find(|(known, _)| *known == word) {
                    Some((_, places)) => *places = places.and(here),
                    None => found.push((word, here)),
                }
            }
        }
        found
    }
}

/// A character of a skeleton.
#[derive(Clone, Copy)]
struct Letter {
    /// With the digits and signs that stand in for letters as those.
    folded: char,
    /// Whether it was a letter before.
    is_letter: bool,
}

/// What is left of a text in lower case when letters, and the digits and signs
/// that stand in for them, are one, and what stands between words is gone.
fn skeleton(text: &str) -> Zeroizing<Vec<Letter>> {
    let mut skeleton = Zeroizing::new(Vec::with_capacity(text.len()));
    skeleton.extend(text.chars().filter_map(|c| {
        let folded = match c {
            '0' => 'o',
            '1' | '!' | '|' | 'l' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            ' ' | '-' | '_' | '.' | ',' | '+' | '\'' => return None,
            other => other,
        };
        Some(Letter {
            folded,
            is_letter: c.is_alphabetic(),
        })
    }));
    skeleton
}

impl zeroize::Zeroize for Letter {
    fn zeroize(&mut self) {
        self.folded.zeroize();
        self.is_letter.zeroize();
    }
}

/// Places in a skeleton: a bit each, of the first 512. A password has 256 characters
/// at most, and one in lower case at most two for each.
#[derive(Clone, Copy)]
struct Places([u128; 4]);

impl Places {
    fn of(skeleton: &[Letter], wanted: impl Fn(&Letter) -> bool) -> Self {
        let mut places = Self([0; 4]);
        for (place, _) in skeleton
            .iter()
            .enumerate()
            .filter(|(_, letter)| wanted(letter))
        {
            places.add(place);
        }
        places
    }

    fn range(start: usize, length: usize) -> Self {
        let mut places = Self([0; 4]);
        (start..start + length).for_each(|place| places.add(place));
        places
    }

    fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 128) {
            *word |= 1 << (place % 128);
        }
    }

    fn and(self, other: Self) -> Self {
        let mut both = self;
        both.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(word, other)| *word |= other);
        both
    }

    fn cover(self, wanted: Self) -> bool {
        self.0
            .iter()
            .zip(wanted.0)
            .all(|(word, wanted)| word & wanted == wanted)
    }

    fn count(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocklist")
            .field("passwords", &self.words.len())
            .finish()
    }
}
