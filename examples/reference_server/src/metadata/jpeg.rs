//! JPEG: segments, and between them what the pixels were packed into (ITU-T T.81,
//! annex B).

use super::take;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// Copies what shows the picture.
pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(take(&mut rest, 2).filter(|start| *start == [0xff, START])?);
    // Where a word about the right side up belongs: behind JFIF, which comes first.
    let (mut words, mut side, mut scans) = (kept.len(), None, 0);
    while let Some(marker) = marker(&mut rest) {
        match marker {
            END => break,
            // They stand alone, and mean nothing here.
            0x01 | 0xd0..=0xd7 => continue,
            _ => {}
        }
        let Some(length) = rest
            .first_chunk::<2>()
            .map(|length| usize::from(u16::from_be_bytes(*length)))
        else {
            break;
        };
        let Some(segment) = take(&mut rest, length.max(2)) else {
            break;
        };
        let content = &segment[2..];
        if marker == 0xe1 && side.is_none() && scans == 0 {
            side = content.strip_prefix(b"Exif\0\0").map(orientation);
        }
        if shows(marker, content) {
            kept.extend([0xff, marker]);
            kept.extend(segment);
            if marker == 0xe0 && kept.len() == words + segment.len() + 2 {
                words = kept.len();
            }
        }
        if marker == SCAN {
            scans += 1;
            let length = packed(rest);
            kept.extend(take(&mut rest, length)?);
        }
    }
    if scans == 0 {
        return None;
    }
    kept.extend([0xff, END]);
    if let Some(side @ 2..=8) = side.flatten() {
        kept.splice(words..words, which_side_is_up(side));
    }
    Some(kept)
}

/// Takes the next marker; `None` if something else comes.
fn marker(rest: &mut &[u8]) -> Option<u8> {
    let mut seen = false;
    loop {
        match (take(rest, 1)?, seen) {
            // As many of these as somebody likes may fill the space before a marker.
            ([0xff], _) => seen = true,
            ([marker], true) if *marker != 0 => return Some(*marker),
            _ => return None,
        }
    }
}

/// Whether a segment is needed: frames, tables and scans, and of the applications'
/// those with the density, the colour profile and how Adobe encodes colours.
fn shows(marker: u8, content: &[u8]) -> bool {
    match marker {
        0xc8 => false,
        0xc0..=0xcf | SCAN..=0xdf => true,
        0xe0 => content.starts_with(b"JFIF\0"),
        0xe2 => content.starts_with(b"ICC_PROFILE\0"),
        0xee => content.starts_with(b"Adobe"),
        _ => false,
    }
}

/// How many bytes of packed pixels come next: up to a marker that is neither a byte
/// that was escaped nor a restart.
fn packed(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = rest[at..].iter().position(|byte| *byte == 0xff) {
        at += found;
        match rest.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            _ => return at,
        }
    }
    rest.len()
}

/// Reads which side is up (CIPA DC-008).
pub(super) fn orientation(exif: &[u8]) -> Option<u8> {
    // Cameras write entries that are broken, beside good ones.
    let read = exif::Reader::new()
        .continue_on_error(true)
        .read_raw(exif.to_vec());
    let exif = read
        .or_else(|error| error.distill_partial_result(|_| {}))
        .ok()?;
    let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?;
    u8::try_from(field.value.get_uint(0)?).ok()
}

/// An Exif segment that says one thing: a TIFF header and a directory with one
/// entry, tag 0x0112, one short number.
pub(super) fn which_side_is_up(orientation: u8) -> Vec<u8> {
    let mut segment =
        b"\xff\xe1\0\x22Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    segment.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    segment
}
