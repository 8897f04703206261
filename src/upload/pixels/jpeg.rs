//! The markers of a JPEG (ITU-T T.81 Annex B).

use super::{Follow, Said, Untold};

/// Follows the markers to the picture itself: one frame says how large it is, and must
/// be the only one; any number of other segments may come before and behind it.
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
        self.held.push(byte);
        match self.held[..] {
            [0xff] => {}
            // Any number of 0xff may fill the place before a marker.
            [0xff, 0xff] => drop(self.held.pop()),
            // The start of the image, restarts, and TEM stand alone.
            [0xff, 0xd8 | 0xd0..=0xd7 | 0x01] => self.held.clear(),
            [0xff, 0x00 | 0xd9 | 0xda] if self.told => return Ok(Said::Enough),
            // The picture itself or its end, before its size was told.
            [0xff, 0x00 | 0xd9 | 0xda] => return Err(Untold),
            [0xff, _] | [0xff, _, _] => {}
            [0xff, marker, high, low] if !is_frame(marker) => {
                let length = u16::from_be_bytes([high, low]);
                self.skip = length.checked_sub(2).ok_or(Untold)?.into();
                self.held.clear();
            }
            // Some decoders take the second one, and go by its size.
            [0xff, _, _, _] if self.told => return Err(Untold),
            [0xff, _, high, low, .., a, b, c, d] if self.held.len() == FRAME_BYTES => {
                let (height, width) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                let length = u16::from_be_bytes([high, low]);
                let rest = length.checked_sub(FRAME_BYTES as u16 - 2).ok_or(Untold)?;
                self.skip = rest.into();
                self.told = true;
                self.held.clear();
                return Ok(Said::Size(width.into(), height.into()));
            }
            [0xff, ..] => {}
            // Decoders look on for the next marker.
            _ if self.told => self.held.clear(),
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
