//! The markers of a JPEG (ITU-T T.81 Annex B).

use super::{Follow, Said, Untold};

/// Follows the markers until one says how large the picture is; any number of
/// other segments may come before it.
#[derive(Debug, Default)]
pub(super) struct Jpeg {
    /// The beginning of a marker or segment that is not whole yet.
    held: Vec<u8>,
    skip: u64,
    told: bool,
}

/// Marker, length, precision, height and width.
const FRAME_BYTES: usize = 9;

impl Follow for Jpeg {
    fn skip(&mut self) -> &mut u64 {
        &mut self.skip
    }

    fn step(&mut self, byte: u8) -> Result<Said, Untold> {
        if self.told {
            return Ok(Said::Enough);
        }
        self.held.push(byte);
        match self.held[..] {
            [0xff] => {}
            // Any number of 0xff may fill the place before a marker.
            [0xff, 0xff] => drop(self.held.pop()),
            // The start of the image, restarts, and TEM stand alone.
            [0xff, 0xd8 | 0xd0..=0xd7 | 0x01] => self.held.clear(),
            // The picture itself or its end, before its size was told.
            [0xff, 0x00 | 0xd9 | 0xda] => return Err(Untold),
            [0xff, _] | [0xff, _, _] => {}
            [0xff, marker, high, low] if !is_frame(marker) => {
                let length = u16::from_be_bytes([high, low]);
                self.skip = length.checked_sub(2).ok_or(Untold)?.into();
                self.held.clear();
            }
            [0xff, .., a, b, c, d] if self.held.len() == FRAME_BYTES => {
                let (height, width) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                // Decoders refuse a second frame.
                self.told = true;
                return Ok(Said::Size(width.into(), height.into()));
            }
            [0xff, ..] => {}
            _ => return Err(Untold),
        }
        Ok(Said::Nothing)
    }
}

/// Tells whether a marker begins a frame: `SOF0` to `SOF15`, among which are
/// three others.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}
