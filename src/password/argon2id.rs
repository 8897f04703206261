//! Argon2id (RFC 9106) beside bcrypt.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::error::{OutOfMemory, Problem};
use super::pepper::PepperId;

/// The costs of argon2id.
///
/// The default is the one that OWASP names first for small memory: 19 MiB, two
/// passes, one lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Argon2id {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

/// What a stored hash may ask for at most; one written by an attacker would
/// otherwise take all memory.
const MOST: Argon2id = Argon2id {
    memory_kib: 256 * 1024,
    passes: 16,
    lanes: 8,
};

/// The least memory that OWASP accepts, and the least memory times passes.
const LEAST_KIB: u32 = 7_168;
const LEAST_WORK: u32 = 5 * LEAST_KIB;

const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 32;

impl Default for Argon2id {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

impl Argon2id {
    /// Takes the memory in KiB, the number of passes over it, and the number of
    /// lanes, which are computed one after the other.
    ///
    /// # Errors
    ///
    /// [`Problem::Argon2id`] below what OWASP accepts (7 MiB, and 35 MiB in all
    /// passes together), or above 256 MiB, 16 passes and 8 lanes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, super::ConfigError> {
        let costs = Self {
            memory_kib,
            passes,
            lanes,
        };
        let work = memory_kib.saturating_mul(passes);
        if memory_kib < LEAST_KIB || work < LEAST_WORK || lanes == 0 || costs.exceeds(MOST) {
            let problem = Problem::Argon2id {
                memory_kib,
                passes,
                lanes,
            };
            return Err(problem.into());
        }
        Ok(costs)
    }

    /// What an attacker pays for a guess: the memory, as often as it is filled.
    fn work(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    fn exceeds(self, other: Self) -> bool {
        self.memory_kib > other.memory_kib || self.passes > other.passes || self.lanes > other.lanes
    }

    /// Tells whether guessing costs less than with others, or hardly any memory.
    pub(super) fn is_below(self, other: Self) -> bool {
        self.work() < other.work() || self.memory_kib < LEAST_KIB
    }

    /// Takes others if these are below them.
    pub(super) fn at_least(self, other: Self) -> Self {
        if self.is_below(other) { other } else { self }
    }

    fn tag(
        self,
        pepper: Option<&[u8]>,
        salt: &[u8],
        password: &[u8],
        tag: &mut [u8],
    ) -> Result<(), OutOfMemory> {
        let Self {
            memory_kib,
            passes,
            lanes,
        } = self;
        let params = Params::new(memory_kib, passes, lanes, Some(tag.len()));
        let params = params.expect("costs are within bounds once they exist");
        let version = Version::V0x13;
        let hasher = match pepper {
            Some(pepper) => Argon2::new_with_secret(pepper, Algorithm::Argon2id, version, params)
                .expect("a pepper is shorter than 4 GiB"),
            None => Argon2::new(Algorithm::Argon2id, version, params),
        };
        let mut memory = Zeroizing::new(Vec::new());
        let blocks = hasher.params().block_count();
        memory.try_reserve_exact(blocks).map_err(|_| OutOfMemory)?;
        memory.resize(blocks, Block::default());
        hasher
            .hash_password_into_with_memory(password, salt, tag, &mut *memory)
            .expect("password, salt, tag and memory are within bounds");
        Ok(())
    }

    /// Hashes under a fresh salt, as it is stored.
    pub(super) fn hash(
        self,
        pepper: Option<(PepperId, &[u8])>,
        salt: [u8; SALT_BYTES],
        password: &[u8],
    ) -> Result<String, OutOfMemory> {
        let mut tag = Zeroizing::new([0; TAG_BYTES]);
        let (id, pepper) = pepper.unzip();
        self.tag(pepper, &salt, password, &mut *tag)?;
        let Self {
            memory_kib,
            passes,
            lanes,
        } = self;
        let keyid = id.map(|id| format!(",keyid={}", STANDARD_NO_PAD.encode(id.as_str())));
        Ok(format!(
            "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}{}${}${}",
            keyid.unwrap_or_default(),
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(*tag)
        ))
    }
}

/// A hash as it is stored, in the form of the reference implementation
/// (`$argon2id$v=19$m=…,t=…,p=…$salt$tag`). The name of a pepper, which is the
/// secret value of RFC 9106 §3.1, is its `keyid`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stored {
    pub(super) costs: Argon2id,
    pub(super) pepper: Option<PepperId>,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Stored {
    /// Reads what stands behind `$argon2id$`. Any costs are read, and not yet
    /// run.
    pub(super) fn read(rest: &str) -> Option<Self> {
        let mut fields = rest.strip_prefix("v=19$")?.split('$');
        let (costs, salt, tag) = (fields.next()?, fields.next()?, fields.next()?);
        let mut costs = costs.split(',');
        let mut cost = |name: &str| decimal(costs.next()?.strip_prefix(name)?);
        let read = Argon2id {
            memory_kib: cost("m=")?,
            passes: cost("t=")?,
            lanes: cost("p=")?,
        };
        let pepper = match costs.next() {
            None => None,
            Some(keyid) => {
                let id = STANDARD_NO_PAD.decode(keyid.strip_prefix("keyid=")?).ok()?;
                Some(PepperId::parse(std::str::from_utf8(&id).ok()?)?)
            }
        };
        let [salt, tag] = [salt, tag].map(|text| STANDARD_NO_PAD.decode(text).ok());
        let (salt, tag) = (salt?, tag?);
        let whole = fields.next().is_none() && costs.next().is_none();
        let sound = (8..=64).contains(&salt.len()) && (16..=64).contains(&tag.len());
        // RFC 9106 §3.1: eight blocks a lane.
        let legal = read.passes > 0 && read.lanes > 0 && read.memory_kib / 8 >= read.lanes;
        (whole && sound && legal).then_some(Self {
            costs: read,
            pepper,
            salt,
            tag,
        })
    }

    pub(super) fn is_too_costly(&self) -> bool {
        self.costs.exceeds(MOST)
    }

    pub(super) fn matches(
        &self,
        pepper: Option<&[u8]>,
        password: &[u8],
    ) -> Result<bool, OutOfMemory> {
        let mut tag = Zeroizing::new(vec![0; self.tag.len()]);
        self.costs.tag(pepper, &self.salt, password, &mut tag)?;
        Ok(tag.ct_eq(&self.tag).into())
    }
}

/// Tells whether argon2id gives a known digest, by the reference implementation.
pub(super) fn computes_what_it_must() -> bool {
    const KNOWN: &str =
        "v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let known = Stored::read(KNOWN);
    known.is_some_and(|known| known.matches(None, b"password") == Ok(true))
}

/// Reads digits without a leading zero.
fn decimal(text: &str) -> Option<u32> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}
