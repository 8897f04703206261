//! Secrets that are mixed into every password and are not in the database.

use std::fmt;
use std::sync::Arc;

use super::error::Problem;
use crate::secret::Secret;

/// The shortest pepper, in bytes: as long as the key of the strongest guess.
const MIN_BYTES: usize = 32;

/// The name of a pepper, as it is written into hashes: 1 to 16 lower-case letters
/// and digits.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct PepperId {
    bytes: [u8; 16],
    length: u8,
}

impl PepperId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let mut bytes = [0; 16];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        (length > 0 && text.bytes().all(legal)).then_some(Self { bytes, length })
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// The peppers that are known, as they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Peppers {
    current: Option<(String, Arc<Secret>)>,
    retired: Vec<(String, Arc<Secret>)>,
}

impl Peppers {
    pub(super) fn set_current(&mut self, id: String, secret: Arc<Secret>) {
        self.current = Some((id, secret));
    }

    pub(super) fn add_retired(&mut self, id: String, secret: Arc<Secret>) {
        self.retired.push((id, secret));
    }

    fn all(&self) -> impl Iterator<Item = &(String, Arc<Secret>)> {
        self.current.iter().chain(&self.retired)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// The pepper of new hashes.
    pub(super) fn current(&self) -> Option<PepperId> {
        let (id, _) = self.current.as_ref()?;
        PepperId::parse(id)
    }

    pub(super) fn find(&self, wanted: PepperId) -> Option<&Secret> {
        let mut all = self.all();
        let found = all.find(|(id, _)| id == wanted.as_str());
        found.map(|(_, secret)| &**secret)
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, (id, secret)) in self.all().enumerate() {
            let id = id.clone();
            if PepperId::parse(&id).is_none() {
                problems.push(Problem::PepperId { id: id.clone() });
            }
            if self.all().take(index).any(|(earlier, _)| *earlier == id) {
                problems.push(Problem::PepperTwice { id: id.clone() });
            }
            if secret.len() < MIN_BYTES {
                problems.push(Problem::PepperTooShort { id });
            }
        }
        problems
    }
}
