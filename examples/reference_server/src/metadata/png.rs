//! PNG: chunks, each with its length, its name and a checksum (W3C PNG, third edition,
//! section 5.3).

use super::take;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What shows the picture: its size, its colours, its pixels, and how it moves.
const SHOWS: &[&[u8; 4]] = &[
    b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];

/// The last chunk, which is always the same.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Copies what shows the picture.
pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(take(&mut rest, SIGNATURE.len()).filter(|start| *start == SIGNATURE)?);
    let mut pixels = false;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some(name) = after.first_chunk::<4>().filter(|name| *name != b"IEND") else {
            break;
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let Some(chunk) = length
            .checked_add(12)
            .and_then(|whole| take(&mut rest, whole))
        else {
            break;
        };
        if SHOWS.contains(&name) {
            pixels |= name == b"IDAT";
            kept.extend(chunk);
        } else if name[0].is_ascii_uppercase() {
            // Without it the picture cannot be shown, whatever it is.
            return None;
        }
    }
    if !pixels {
        return None;
    }
    kept.extend(END);
    Some(kept)
}
