//! The blocks of a GIF (GIF89a, appendix A).

use super::{Follow, Said, Untold};

/// Follows the blocks to the end: the screen says how large it is, and so does
/// each picture of the animation, which may be larger.
#[derive(Debug)]
pub(super) struct Gif {
    /// The beginning of a block that is not whole yet.
    held: Vec<u8>,
    skip: u64,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// The signature and the screen.
    Screen,
    /// Where a block begins.
    Block,
    /// The label of an extension.
    Extension,
    /// Where a picture is, and how large.
    Picture,
    /// The code size of a picture, before its bytes.
    CodeSize,
    /// The length of a piece of an extension or a picture.
    Piece,
}

impl Default for Gif {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            skip: 0,
            at: At::Screen,
        }
    }
}

impl Follow for Gif {
    fn skip(&mut self) -> &mut u64 {
        &mut self.skip
    }

    fn step(&mut self, byte: u8) -> Result<Said, Untold> {
        match self.at {
            At::Screen => return Ok(self.size(byte, 13, 6, At::Block)),
            At::Block => match byte {
                b'!' => self.at = At::Extension,
                b',' => self.at = At::Picture,
                b';' => return Ok(Said::Enough),
                // Some readers look on for the next block, so we do.
                _ => {}
            },
            At::Extension | At::CodeSize => self.at = At::Piece,
            At::Picture => return Ok(self.size(byte, 9, 4, At::CodeSize)),
            At::Piece => match byte {
                0 => self.at = At::Block,
                length => self.skip = length.into(),
            },
        }
        Ok(Said::Nothing)
    }
}

impl Gif {
    /// Reads a size from a block of so many bytes; a table of colours may follow.
    fn size(&mut self, byte: u8, whole: usize, at: usize, then: At) -> Said {
        self.held.push(byte);
        if self.held.len() < whole {
            return Said::Nothing;
        }
        let number = |at: usize| u16::from_le_bytes([self.held[at], self.held[at + 1]]);
        let (width, height, flags) = (number(at), number(at + 2), self.held[at + 4]);
        if flags & 0x80 != 0 {
            self.skip = 3 << ((flags & 7) + 1);
        }
        self.held.clear();
        self.at = then;
        Said::Size(width.into(), height.into())
    }
}
