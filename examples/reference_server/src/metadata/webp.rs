//! WebP: chunks in a RIFF file, each padded to an even length (RFC 9649 section 2).

use super::take;

/// What shows the picture.
const SHOWS: &[&[u8; 4]] = &[
    b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP",
];

/// What says in `VP8X` that there are Exif and XMP chunks.
const SAYS_METADATA: u8 = 0b0000_1100;

/// What a frame begins with, before chunks of its own.
const FRAME: usize = 16;

/// Copies what shows the picture.
pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    take(&mut rest, 4).filter(|riff| *riff == b"RIFF")?;
    let length = length(&mut rest)?;
    // Behind the declared end is somebody else's.
    let mut inside = rest.get(..length).unwrap_or(rest);
    take(&mut inside, 4).filter(|form| *form == b"WEBP")?;
    let mut kept = b"RIFF\0\0\0\0WEBP".to_vec();
    kept.reserve(bytes.len());
    let pixels = copy(inside, &mut kept, true);
    let length = u32::try_from(kept.len() - 8).ok()?;
    kept[4..8].copy_from_slice(&length.to_le_bytes());
    pixels.then_some(kept)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    let bytes = take(rest, 4)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// Copies chunks, of the file or of a frame; tells whether there are pixels.
fn copy(mut rest: &[u8], kept: &mut Vec<u8>, frames: bool) -> bool {
    let mut pixels = false;
    while let Some(name) = take(&mut rest, 4) {
        let Some(content) = length(&mut rest).and_then(|length| take(&mut rest, length)) else {
            break;
        };
        if content.len() % 2 == 1 {
            // The padding of the last one may be missing.
            take(&mut rest, 1);
        }
        if !SHOWS.iter().any(|shows| *shows == name) {
            continue;
        }
        let begin = kept.len();
        kept.extend(name);
        kept.extend([0; 4]);
        match name {
            b"VP8X" if !content.is_empty() => {
                kept.push(content[0] & !SAYS_METADATA);
                kept.extend(&content[1..]);
            }
            b"ANMF" if frames && content.len() > FRAME => {
                kept.extend(&content[..FRAME]);
                pixels |= copy(&content[FRAME..], kept, false);
            }
            _ => {
                pixels |= matches!(name, b"VP8 " | b"VP8L");
                kept.extend(content);
            }
        }
        let length = u32::try_from(kept.len() - begin - 8).unwrap_or(u32::MAX);
        kept[begin + 4..begin + 8].copy_from_slice(&length.to_le_bytes());
        if length % 2 == 1 {
            kept.push(0);
        }
    }
    pixels
}
