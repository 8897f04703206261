//! How large a picture says it is, told before it is unpacked.
//!
//! A few bytes of header may stand for gigabytes of pixels. All kinds but JPEG
//! say so in their first bytes; a JPEG may say it behind any number of other
//! segments, so its markers are followed as they come in (ITU-T T.81 Annex B).

use super::kind::Kind;
use super::violation::Violation;

/// How many bytes the header of every kind but JPEG has.
const HEADER_BYTES: usize = 32;

/// Measures one picture as it comes in.
#[derive(Debug)]
pub(super) struct Measure {
    part: u32,
    limit: u64,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    /// The header, as far as it is there.
    Header(Vec<u8>),
    Jpeg(Jpeg),
    Done,
}

impl Measure {
    /// Starts to measure a kind that has pixels.
    pub(super) fn new(part: u32, kind: Kind, limit: u64) -> Self {
        let reading = match kind {
            Kind::Jpeg => Reading::Jpeg(Jpeg::default()),
            _ => Reading::Header(Vec::new()),
        };
        Self {
            part,
            limit,
            reading,
        }
    }

    /// Takes the next bytes of the file.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        match &mut self.reading {
            Reading::Header(header) => {
                let wanted = HEADER_BYTES - header.len();
                header.extend_from_slice(&bytes[..wanted.min(bytes.len())]);
                if header.len() < HEADER_BYTES {
                    return Ok(());
                }
                self.finish()
            }
            Reading::Jpeg(jpeg) => match jpeg.push(bytes) {
                Ok(Some((width, height))) => self.judge(width.into(), height.into()),
                Ok(None) => Ok(()),
                Err(Untold) => Err(self.untold()),
            },
            Reading::Done => Ok(()),
        }
    }

    /// Ends the file: by now it must have said how large it is.
    pub(super) fn finish(&mut self) -> Result<(), Violation> {
        match &self.reading {
            Reading::Done => Ok(()),
            Reading::Jpeg(_) => Err(self.untold()),
            Reading::Header(header) => match imagesize::blob_size(header) {
                Ok(size) => self.judge(size.width as u64, rows(header, size.height as u64)),
                Err(_) => Err(self.untold()),
            },
        }
    }

    fn judge(&mut self, width: u64, height: u64) -> Result<(), Violation> {
        self.reading = Reading::Done;
        match width.checked_mul(height) {
            Some(0) => Err(self.untold()),
            Some(pixels) if pixels <= self.limit => Ok(()),
            _ => Err(Violation::TooManyPixels {
                part: self.part,
                limit: self.limit,
            }),
        }
    }

    fn untold(&self) -> Violation {
        Violation::PartType {
            part: self.part,
            reason: "the picture does not say how large it is",
        }
    }
}

/// A BMP whose rows go from top to bottom says their number as a negative one.
fn rows(header: &[u8], height: u64) -> u64 {
    match (Kind::sniff(header), u32::try_from(height)) {
        (Some(Kind::Bmp), Ok(height)) => height.cast_signed().unsigned_abs().into(),
        _ => height,
    }
}

/// The size was not told where it has to be.
struct Untold;

/// Follows the markers of a JPEG until one says how large it is.
#[derive(Debug, Default)]
struct Jpeg {
    /// The beginning of a marker or segment that is not whole yet.
    held: Vec<u8>,
    /// How much of a segment is still to be skipped.
    skip: usize,
}

/// Marker, length, precision, height and width.
const FRAME_BYTES: usize = 9;

impl Jpeg {
    /// Returns width and height, once they are known.
    fn push(&mut self, mut bytes: &[u8]) -> Result<Option<(u16, u16)>, Untold> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let [first, rest @ ..] = bytes else {
                return Ok(None);
            };
            bytes = rest;
            self.held.push(*first);
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
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    self.skip = length.checked_sub(2).ok_or(Untold)?;
                    self.held.clear();
                }
                [0xff, .., a, b, c, d] if self.held.len() == FRAME_BYTES => {
                    let (height, width) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                    return Ok(Some((width, height)));
                }
                [0xff, ..] => {}
                _ => return Err(Untold),
            }
        }
    }
}

/// Tells whether a marker begins a frame: `SOF0` to `SOF15`, among which are
/// three others.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}
