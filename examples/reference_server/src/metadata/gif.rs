//! GIF: pictures and extensions, in blocks of at most 255 bytes (GIF89a, section 15).

use super::take;

const END: u8 = 0x3b;
const PICTURE: u8 = 0x2c;
const EXTENSION: u8 = 0x21;

/// How a picture is shown, and what programs added that also shows it: how often it
/// is repeated, and its colours.
const CONTROL: u8 = 0xf9;
const APPLICATION: u8 = 0xff;
const APPLICATIONS: &[&[u8; 11]] = &[b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];

/// Copies what shows the picture.
pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let mut kept = Vec::with_capacity(bytes.len() + 1);
    let head = take(&mut rest, 13).filter(|head| head.starts_with(b"GIF8"))?;
    kept.extend(head);
    kept.extend(take(&mut rest, colours(head[10]))?);
    let mut pictures = 0;
    while let Some([kind]) = take(&mut rest, 1) {
        let block = match *kind {
            PICTURE => picture(rest),
            EXTENSION => extension(rest),
            _ => break,
        };
        // One that breaks off is shown up to there by nobody alike.
        let Some((length, shows)) = block else { break };
        let block = take(&mut rest, length)?;
        if shows {
            kept.push(*kind);
            kept.extend(block);
            pictures += usize::from(*kind == PICTURE);
        }
    }
    kept.push(END);
    (pictures > 0).then_some(kept)
}

/// The length of a table of colours, by the flags that announce it.
fn colours(flags: u8) -> usize {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 0x07) + 1),
    }
}

/// The length of a picture, and that it is shown.
fn picture(bytes: &[u8]) -> Option<(usize, bool)> {
    let head = 9 + colours(*bytes.get(8)?) + 1;
    Some((head + blocks(bytes.get(head..)?)?, true))
}

/// The length of an extension, and whether it is needed.
fn extension(bytes: &[u8]) -> Option<(usize, bool)> {
    let label = *bytes.first()?;
    let length = 1 + blocks(&bytes[1..])?;
    let name = bytes.get(2..13).unwrap_or_default();
    let shows = match label {
        CONTROL => true,
        APPLICATION => APPLICATIONS.iter().any(|known| *known == name),
        _ => false,
    };
    Some((length, shows))
}

/// The length of blocks up to and with the empty one.
fn blocks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}
