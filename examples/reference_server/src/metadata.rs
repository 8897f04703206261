//! What pictures say about the people who took them, taken out.
//!
//! Cameras write down where and when, with which device, and for whom. None of
//! that is needed to show a picture, except which side is up.

use bytes::Bytes;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use img_parts::png::Png;
use img_parts::webp::WebP;
use tower_rampart::upload::Kind;

/// Takes out what is not needed to show a picture. One that has nothing of the
/// kind, or cannot be taken apart, stays as it is, byte by byte.
pub(crate) fn strip(kind: Kind, bytes: Bytes) -> Bytes {
    let stripped = match kind {
        Kind::Jpeg => jpeg(bytes.clone()),
        Kind::Png => png(bytes.clone()),
        Kind::WebP => webp(bytes.clone()),
        _ => None,
    };
    stripped.unwrap_or(bytes)
}

fn jpeg(bytes: Bytes) -> Option<Bytes> {
    let mut picture = Jpeg::from_bytes(bytes).ok()?;
    let segments = picture.segments_mut();
    let before = segments.len();
    let orientation = segments.iter().find_map(orientation);
    segments.retain(|segment| match segment.marker() {
        // JFIF, the colour profile, and how Adobe encodes colours.
        markers::APP0 => segment.contents().starts_with(b"JFIF"),
        markers::APP2 => segment.contents().starts_with(b"ICC_PROFILE"),
        markers::APP14 => segment.contents().starts_with(b"Adobe"),
        markers::COM => false,
        marker => !(markers::APP0..=markers::APP15).contains(&marker),
    });
    if segments.len() == before {
        return None;
    }
    if let Some(orientation) = orientation.filter(|side| (2..=8).contains(side)) {
        let at = usize::from(
            segments
                .first()
                .is_some_and(|first| first.marker() == markers::APP0),
        );
        segments.insert(at, which_side_is_up(orientation));
    }
    Some(picture.encoder().bytes())
}

/// Reads which side is up from a segment, if it is Exif (CIPA DC-008).
fn orientation(segment: &JpegSegment) -> Option<u8> {
    let exif = segment.contents().strip_prefix(b"Exif\0\0")?;
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
fn which_side_is_up(orientation: u8) -> JpegSegment {
    let mut exif = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    JpegSegment::new_with_contents(markers::APP1, exif.into())
}

fn png(bytes: Bytes) -> Option<Bytes> {
    let mut picture = Png::from_bytes(bytes).ok()?;
    let chunks = picture.chunks_mut();
    let before = chunks.len();
    chunks.retain(|chunk| {
        !matches!(
            &chunk.kind(),
            b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf" | b"tIME"
        )
    });
    (chunks.len() < before).then(|| picture.encoder().bytes())
}

fn webp(bytes: Bytes) -> Option<Bytes> {
    let mut picture = WebP::from_bytes(bytes).ok()?;
    let chunks = picture.chunks_mut();
    let before = chunks.len();
    chunks.retain(|chunk| !matches!(&chunk.id(), b"EXIF" | b"XMP "));
    if chunks.len() == before {
        return None;
    }
    // The first chunk of such a file says which others there are.
    for chunk in picture.chunks_mut() {
        if &chunk.id() == b"VP8X"
            && let Some(content) = chunk.content().data()
            && let [flags, rest @ ..] = &content[..]
        {
            let cleared = [&[flags & !0b0000_1100], rest].concat();
            *chunk.content_mut() = img_parts::riff::RiffContent::Data(cleared.into());
        }
    }
    Some(picture.encoder().bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every JPEG begins with, here with a JFIF segment.
    const START: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

    /// Tables, the frame and the one point of a picture.
    fn rest() -> Vec<u8> {
        let mut bytes = b"\xff\xdb\0\x43\0".to_vec();
        bytes.extend([0xff; 64]);
        bytes.extend(b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0");
        bytes.extend(b"\xff\xc4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03");
        bytes.extend(b"\xff\xc4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x37\xff\xd9");
        bytes
    }

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2)
            .expect("short")
            .to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    }

    /// Exif, big-endian: which side is up, then who held the camera.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02".to_vec();
        exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0");
        exif.extend([orientation, 0, 0]);
        exif.extend(b"\x01\x3b\0\x02\0\0\0\x04Ann\0\0\0\0\0");
        exif
    }

    fn stripped(kind: Kind, bytes: &[u8]) -> Bytes {
        strip(kind, Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn a_jpeg_keeps_its_colours_and_which_side_is_up() {
        let rest = rest();
        let colours = segment(0xe2, b"ICC_PROFILE\0\x01\x01and so on");
        let adobe = segment(0xee, b"Adobe\0\x64\0\0\0\0\x01");
        let told = [
            START,
            &segment(0xe1, &exif(6)),
            &segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
            &colours,
            &segment(0xed, b"Photoshop 3.0\0"),
            &adobe,
            &segment(0xfe, b"Ann was here"),
            &rest,
        ]
        .concat();
        let kept = stripped(Kind::Jpeg, &told);
        let which = segment(0xe1, which_side_is_up(6).contents());
        assert_eq!(kept, [START, &which, &colours, &adobe, &rest].concat());
        let read = Jpeg::from_bytes(kept).expect("a JPEG");
        assert_eq!(read.segments().iter().find_map(orientation), Some(6));
        // The usual side needs no words.
        let upright = [START, &segment(0xe1, &exif(1)), &rest].concat();
        assert_eq!(stripped(Kind::Jpeg, &upright), [START, &rest].concat());
    }

    #[test]
    fn a_png_and_a_webp_keep_what_is_shown() {
        let chunk = |id: &[u8], content: &[u8]| {
            let length = u32::try_from(content.len()).expect("short").to_le_bytes();
            let padding = vec![0; content.len() % 2];
            [id, &length[..], content, &padding].concat()
        };
        let riff = |flags: u8, more: &[u8]| {
            let header = [flags, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let chunks = [
                chunk(b"VP8X", &header),
                chunk(b"ICCP", b"colours"),
                chunk(b"VP8L", b"pixels"),
                more.to_vec(),
            ];
            chunk(b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
        };
        let more = [chunk(b"EXIF", b"MM\0\x2a"), chunk(b"XMP ", b"<x/>")].concat();
        assert_eq!(
            stripped(Kind::WebP, &riff(0b0010_1100, &more)),
            riff(0b0010_0000, b"")
        );
    }

    #[test]
    fn what_has_nothing_to_take_out_stays_as_it_is() {
        let plain = [START, &rest(), b"and what somebody put behind it"].concat();
        assert_eq!(stripped(Kind::Jpeg, &plain), plain);
        for (kind, bytes) in [
            (Kind::Jpeg, &b"\xff\xd8\xff and no picture"[..]),
            (Kind::Png, b"\x89PNG\r\n\x1a\n and no chunk"),
            (Kind::WebP, b"RIFF\x04\0\0\0WEBP"),
            (Kind::Gif, b"GIF89a\x01\0\x01\0\0\0\0!\xfe\x03Ann\0;"),
        ] {
            assert_eq!(stripped(kind, bytes), bytes);
        }
    }
}
