//! The chunks of a WebP container.

use super::{Follow, Said, Untold};

/// Follows the chunks: a canvas says how large it is, and so do the picture and each
/// frame of an animation, which may be larger. A picture without a canvas is all there
/// is.
#[derive(Debug, Default)]
pub(super) struct WebP {
    /// The beginning of a chunk that is not whole yet.
    held: Vec<u8>,
    skip: u64,
    at: At,
    /// Whether the first chunk is a canvas.
    canvas: bool,
    /// Whether any chunk was seen.
    begun: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// `RIFF`, a length, `WEBP`.
    #[default]
    Container,
    /// The name and the length of a chunk.
    Chunk,
    /// The beginning of a chunk that says a size, and how many bytes follow it.
    Inside { chunk: Chunk, rest: u64 },
    /// Behind a picture without a canvas.
    Over,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Chunk {
    Canvas,
    Frame,
    Lossless,
    Lossy,
}

impl Chunk {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"VP8X" => Self::Canvas,
            b"ANMF" => Self::Frame,
            b"VP8L" => Self::Lossless,
            b"VP8 " => Self::Lossy,
            _ => return None,
        })
    }

    /// How many bytes from its beginning say the size.
    fn bytes(self) -> usize {
        match self {
            Self::Canvas | Self::Lossy => 10,
            Self::Frame => 16,
            Self::Lossless => 5,
        }
    }
}

impl Follow for WebP {
    fn skip(&mut self) -> &mut u64 {
        &mut self.skip
    }

    fn step(&mut self, byte: u8) -> Result<Said, Untold> {
        self.held.push(byte);
        match self.at {
            At::Container if self.held.len() == 12 => {
                self.held.clear();
                self.at = At::Chunk;
            }
            At::Chunk if self.held.len() == 8 => self.chunk()?,
            At::Inside { chunk, rest } if self.held.len() == chunk.bytes() => {
                let (width, height) = size(chunk, &self.held).ok_or(Untold)?;
                self.held.clear();
                let alone = !self.canvas;
                self.at = if alone { At::Over } else { At::Chunk };
                // The chunks of a frame are in it.
                self.skip = if chunk == Chunk::Frame { 0 } else { rest };
                return Ok(Said::Size(width, height));
            }
            At::Over => return Ok(Said::Enough),
            At::Container | At::Chunk | At::Inside { .. } => {}
        }
        Ok(Said::Nothing)
    }
}

impl WebP {
    /// Reads the name and the length of a chunk.
    fn chunk(&mut self) -> Result<(), Untold> {
        let [ref name @ .., a, b, c, d] = self.held[..] else {
            return Err(Untold);
        };
        let chunk = Chunk::named(name);
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        self.held.clear();
        // Only these say it; another chunk may come before them to some readers.
        let is_first = !std::mem::replace(&mut self.begun, true);
        if is_first && matches!(chunk, None | Some(Chunk::Frame)) {
            return Err(Untold);
        }
        self.canvas |= chunk == Some(Chunk::Canvas);
        // Chunks begin at even places.
        let length = length + length % 2;
        match chunk {
            None => self.skip = length,
            Some(chunk) => {
                let rest = length.checked_sub(chunk.bytes() as u64).ok_or(Untold)?;
                self.at = At::Inside { chunk, rest };
            }
        }
        Ok(())
    }
}

/// Reads width and height from the beginning of a chunk.
fn size(chunk: Chunk, bytes: &[u8]) -> Option<(u32, u32)> {
    let three = |at: usize| {
        let bytes = bytes.get(at..at + 3)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) + 1)
    };
    match (chunk, bytes) {
        (Chunk::Canvas, _) => Some((three(4)?, three(7)?)),
        (Chunk::Frame, _) => Some((three(6)?, three(9)?)),
        (Chunk::Lossless, [0x2f, a, b, c, d]) => {
            let bits = u32::from_le_bytes([*a, *b, *c, *d]);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        // The only frame has to be whole by itself.
        (Chunk::Lossy, [tag, _, _, 0x9d, 0x01, 0x2a, a, b, c, d]) if tag & 1 == 0 => {
            let number = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Some((number(*a, *b), number(*c, *d)))
        }
        _ => None,
    }
}
