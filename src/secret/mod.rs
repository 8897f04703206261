//! Bytes that must not be seen: wiped on drop, never printed, compared in constant time.

mod guess;

use std::cell::RefCell;
use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// Secret bytes.
///
/// There is no `Display`, no `Serialize` and no `Clone`; `Debug` prints
/// `[redacted]`. Wiping covers this value only: copies that a web framework or
/// an allocator made earlier are out of its reach.
///
/// # Examples
///
/// ```
/// use tower_rampart::secret::Secret;
///
/// let secret = Secret::new("correct horse battery staple".to_owned());
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// assert!(secret == Secret::new(b"correct horse battery staple".to_vec()));
/// ```
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes over bytes; the source's spare capacity is wiped too.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let mut source: Vec<u8> = bytes.into();
        // `into_boxed_slice` may reallocate and leave the old block behind.
        let exact: Box<[u8]> = Box::from(source.as_slice());
        source.zeroize();
        Self(Zeroizing::new(exact))
    }

    /// Draws `len` bytes from the operating system.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers to give.
    #[must_use]
    pub fn random(len: usize) -> Self {
        let mut bytes = Zeroizing::new(vec![0_u8; len].into_boxed_slice());
        fill_random(&mut bytes);
        Self(bytes)
    }

    /// Returns the bytes. The name is there to be found by a reviewer.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Estimates, from above, how many bits of it have to be guessed by somebody who knows
    /// what people write: well-known words, sequences (`1234`, `qwerty`) and repetitions
    /// count as one character each. At most 256.
    ///
    /// What is drawn at random has plenty; that little is found proves that a secret is
    /// bad, that much is found proves nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_rampart::secret::Secret;
    ///
    /// assert!(Secret::random(32).estimated_bits() > 96);
    /// let written = Secret::new("please-change-this-secret-1234567890".to_owned());
    /// assert!(written.estimated_bits() < 48);
    /// ```
    #[must_use]
    pub fn estimated_bits(&self) -> u32 {
        // From 0 to 256.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bits = guess::bits(&self.0) as u32;
        bits
    }

    /// Tells whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Draws `N` bytes from the operating system, for identifiers and salts.
///
/// # Panics
///
/// If the operating system has no random numbers to give.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    fill_random(&mut bytes);
    bytes
}

/// Draws 128 bits and writes them as 32 lower-case hexadecimal digits.
#[must_use]
pub fn random_id() -> String {
    hex(&random_bytes::<16>())
}

/// Draws 128 bits for a name that may be seen, as 32 lower-case hexadecimal digits.
/// They are asked for in advance, some dozens for each thread: of a name it does not
/// matter how long it lies in memory.
pub(crate) fn random_name() -> [u8; 32] {
    struct Drawn {
        bytes: [u8; 1024],
        used: usize,
    }
    thread_local! {
        static DRAWN: RefCell<Drawn> = const {
            RefCell::new(Drawn {
                bytes: [0; 1024],
                used: 1024,
            })
        };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.used == drawn.bytes.len() {
            fill_random(&mut drawn.bytes);
            drawn.used = 0;
        }
        let mut name = [0; 32];
        let bytes = &drawn.bytes[drawn.used..drawn.used + 16];
        for (pair, byte) in name.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        drawn.used += 16;
        name
    })
}

fn digit(four_bits: u8) -> u8 {
    b"0123456789abcdef"[usize::from(four_bits)]
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(digit(byte >> 4)));
        text.push(char::from(digit(byte & 15)));
    }
    text
}

fn fill_random(bytes: &mut [u8]) {
    // Going on with predictable bytes would be worse than stopping.
    getrandom::fill(bytes).expect("the operating system provides random numbers");
}
