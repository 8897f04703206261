//! How large a picture says it is, told before it is unpacked.
//!
//! A few bytes of header may stand for gigabytes of pixels, and a second header
//! behind the first for more than that. A BMP says it in its first bytes; the others
//! are followed as they come in, until nothing more can say it.

mod gif;
mod jpeg;
mod png;
mod webp;

use super::kind::Kind;
use super::violation::Violation;

/// How many bytes of a BMP say it.
const HEADER_BYTES: usize = 26;

/// Measures one picture as it comes in.
#[derive(Debug)]
pub(super) struct Measure {
    part: u32,
    limit: u64,
    reading: Reading,
    /// Whether a size was told already.
    told: bool,
}

#[derive(Debug)]
enum Reading {
    /// The header of a BMP, as far as it is there.
    Header(Vec<u8>),
    Gif(gif::Gif),
    Jpeg(jpeg::Jpeg),
    Png(png::Png),
    WebP(webp::WebP),
    Done,
}

/// What a picture said, byte by byte.
enum Said {
    /// Nothing yet.
    Nothing,
    /// Width and height.
    Size(u32, u32),
    /// That nothing more will follow.
    Enough,
}

/// The size was not told where it has to be, or twice.
#[derive(Debug)]
struct Untold;

/// A format that is read byte by byte, and may skip what says nothing.
trait Follow {
    /// How many of the next bytes are of no interest.
    fn skip(&mut self) -> &mut u64;

    /// Takes the next byte.
    fn step(&mut self, byte: u8) -> Result<Said, Untold>;
}

impl Measure {
    /// Starts to measure a kind that has pixels.
    pub(super) fn new(part: u32, kind: Kind, limit: u64) -> Self {
        let reading = match kind {
            Kind::Gif => Reading::Gif(gif::Gif::default()),
            Kind::Jpeg => Reading::Jpeg(jpeg::Jpeg::default()),
            Kind::Png => Reading::Png(png::Png::default()),
            Kind::WebP => Reading::WebP(webp::WebP::default()),
            _ => Reading::Header(Vec::new()),
        };
        Self {
            part,
            limit,
            reading,
            told: false,
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
            Reading::Gif(_) | Reading::Jpeg(_) | Reading::Png(_) | Reading::WebP(_) => {
                self.follow(bytes)
            }
            Reading::Done => Ok(()),
        }
    }

    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        loop {
            let format: &mut dyn Follow = match &mut self.reading {
                Reading::Gif(gif) => gif,
                Reading::Jpeg(jpeg) => jpeg,
                Reading::Png(png) => png,
                Reading::WebP(webp) => webp,
                Reading::Header(..) | Reading::Done => return Ok(()),
            };
            let skip = format.skip();
            let skipped = usize::try_from(*skip)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            *skip -= skipped as u64;
            let [byte, rest @ ..] = &bytes[skipped..] else {
                return Ok(());
            };
            bytes = rest;
            match format.step(*byte) {
                Ok(Said::Nothing) => {}
                Ok(Said::Size(width, height)) => self.judge(width.into(), height.into())?,
                Ok(Said::Enough) => self.reading = Reading::Done,
                Err(Untold) => return Err(self.untold()),
            }
        }
    }

    /// Ends the file: by now it must have said how large it is.
    pub(super) fn finish(&mut self) -> Result<(), Violation> {
        if let Reading::Header(header) = &self.reading {
            let size = bmp(header);
            self.reading = Reading::Done;
            let (width, height) = size.ok_or_else(|| self.untold())?;
            self.judge(width, height)?;
        }
        if self.told {
            Ok(())
        } else {
            Err(self.untold())
        }
    }

    fn judge(&mut self, width: u64, height: u64) -> Result<(), Violation> {
        self.told = true;
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

/// A BMP says it in 16 bits or in 32, by the length of its second header; rows
/// that go from top to bottom have a negative number.
fn bmp(header: &[u8]) -> Option<(u64, u64)> {
    let [a, b, c, d, e, f, g, h, ..] = *header.get(18..)? else {
        return None;
    };
    if header[14..18] == [12, 0, 0, 0] {
        let (width, height) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        return Some((width.into(), height.into()));
    }
    let width = i32::from_le_bytes([a, b, c, d]);
    let height = i32::from_le_bytes([e, f, g, h]);
    Some((u64::try_from(width).ok()?, height.unsigned_abs().into()))
}
