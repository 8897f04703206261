//! The chunks of a PNG (PNG, third edition, 5.3).

use super::{Follow, Said, Untold};

/// Follows the chunks to the picture itself: the first one says how large it is,
/// and must be the only one that does.
#[derive(Debug, Default)]
pub(super) struct Png {
    /// The beginning of the signature or a chunk.
    held: Vec<u8>,
    skip: u64,
    /// Whether the first chunk was read.
    begun: bool,
}

/// The signature, then length and name of the first chunk, width and height.
const START_BYTES: usize = 24;

/// Length and name of a chunk.
const CHUNK_BYTES: usize = 8;

impl Follow for Png {
    fn skip(&mut self) -> &mut u64 {
        &mut self.skip
    }

    fn step(&mut self, byte: u8) -> Result<Said, Untold> {
        self.held.push(byte);
        if !self.begun {
            return self.start();
        }
        let [a, b, c, d, ref name @ ..] = self.held[..] else {
            return Ok(Said::Nothing);
        };
        if self.held.len() < CHUNK_BYTES {
            return Ok(Said::Nothing);
        }
        match name {
            b"IHDR" => return Err(Untold),
            b"IDAT" | b"IEND" => return Ok(Said::Enough),
            // Its content and its checksum.
            _ => self.skip = u64::from(u32::from_be_bytes([a, b, c, d])) + 4,
        }
        self.held.clear();
        Ok(Said::Nothing)
    }
}

impl Png {
    fn start(&mut self) -> Result<Said, Untold> {
        let chunk = b"\0\0\0\x0dIHDR";
        let come = self.held.get(CHUNK_BYTES..).unwrap_or_default();
        let known = come.len().min(chunk.len());
        if come[..known] != chunk[..known] {
            return Err(Untold);
        }
        if self.held.len() < START_BYTES {
            return Ok(Said::Nothing);
        }
        let number = |at: usize| {
            let bytes = self.held[at..at + 4].iter();
            bytes.fold(0, |number: u32, byte| number << 8 | u32::from(*byte))
        };
        let (width, height) = (number(16), number(20));
        self.begun = true;
        self.held.clear();
        // The rest of the chunk, and its checksum.
        self.skip = 5 + 4;
        Ok(Said::Size(width, height))
    }
}
