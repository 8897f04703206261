//! Text that comes in pieces.

/// Tells whether a text is UTF-8 without NUL, wherever it is cut.
#[derive(Debug)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end is still to come.
    held: Vec<u8>,
    /// Whether it says that it is ASCII.
    ascii: bool,
}

/// There is a byte that no text has.
#[derive(Debug)]
pub(super) struct NotText;

impl Utf8 {
    pub(super) fn new(ascii: bool) -> Self {
        Self {
            held: Vec::new(),
            ascii,
        }
    }

    /// Takes the next bytes of a text.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), NotText> {
        while let [first, rest @ ..] = bytes
            && !self.held.is_empty()
        {
            self.held.push(*first);
            bytes = rest;
            if whole(&self.held)? == self.held.len() {
                self.held.clear();
            }
        }
        if memchr::memchr(0, bytes).is_some() || (self.ascii && !bytes.is_ascii()) {
            return Err(NotText);
        }
        self.held.extend_from_slice(&bytes[whole(bytes)?..]);
        Ok(())
    }

    /// Ends the text.
    pub(super) fn finish(&self) -> Result<(), NotText> {
        if self.held.is_empty() {
            Ok(())
        } else {
            Err(NotText)
        }
    }
}

/// Returns how many bytes are whole characters; the rest may become one.
fn whole(bytes: &[u8]) -> Result<usize, NotText> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(_) => Err(NotText),
    }
}
