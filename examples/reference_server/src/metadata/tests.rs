//! Pictures with more in them than what is shown.

use super::*;

/// What every JPEG begins with, here with a JFIF segment.
const START: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

/// Tables, the frame and the one point of a picture; its end comes after.
fn rest() -> Vec<u8> {
    let mut bytes = b"\xff\xdb\0\x43\0".to_vec();
    bytes.extend([0xff; 64]);
    bytes.extend(b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0");
    bytes.extend(b"\xff\xc4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03");
    bytes.extend(b"\xff\xc4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x37\xff\0\xff\xd0\x37");
    bytes
}

const END: &[u8] = b"\xff\xd9";

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

#[track_caller]
fn check_kept(kind: Kind, told: &[&[u8]], kept: &[&[u8]]) {
    let stripped = strip(kind, &Bytes::from(told.concat())).expect("a picture");
    assert_eq!(stripped, kept.concat());
    let again = strip(kind, &stripped).expect("a picture");
    assert_eq!(
        again.as_ptr(),
        stripped.as_ptr(),
        "what has nothing to take out stays as it is"
    );
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
        b"\xff\xff\xff",
        &segment(0xed, b"Photoshop 3.0\0"),
        &adobe,
        &segment(0xfe, b"Ann was here"),
        &rest,
        END,
    ];
    let which = jpeg::which_side_is_up(6);
    let kept = [START, &which, &colours, &adobe, &rest, END].concat();
    let stripped = strip(Kind::Jpeg, &Bytes::from(told.concat())).expect("a picture");
    assert_eq!(stripped, kept);
    assert_eq!(jpeg::orientation(&which[10..]), Some(6));
    // A second time the word is written anew, and is the same.
    assert_eq!(strip(Kind::Jpeg, &stripped), Some(stripped));
    // The usual side needs no words.
    check_kept(
        Kind::Jpeg,
        &[START, &segment(0xe1, &exif(1)), &rest, END],
        &[START, &rest, END],
    );
}

#[test]
fn a_jpeg_says_nothing_between_its_scans_nor_behind_its_end() {
    let (rest, scan) = (rest(), b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x11\x22");
    let told = [
        START,
        &rest,
        &segment(0xe1, &exif(6)),
        &segment(0xfe, b"Ann was here"),
        &segment(0xc4, b"a table"),
        scan,
        END,
        // A second picture, a film and an archive, as telephones and jokers append them.
        START,
        &segment(0xe1, &exif(6)),
        &rest,
        END,
        b"PK\x03\x04",
    ];
    check_kept(
        Kind::Jpeg,
        &told,
        &[START, &rest, &segment(0xc4, b"a table"), scan, END],
    );
    // One that breaks off is shown up to there.
    check_kept(Kind::Jpeg, &[START, &rest], &[START, &rest, END]);
}

#[test]
fn a_png_keeps_what_is_shown() {
    let chunk = |name: &[u8], content: &[u8]| {
        let length = u32::try_from(content.len()).expect("short").to_be_bytes();
        [&length[..], name, content, b"sum!"].concat()
    };
    let start = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &[0; 13])].concat();
    let (pixels, end) = (chunk(b"IDAT", b"pixels"), b"\0\0\0\0IEND\xae\x42\x60\x82");
    let colours = chunk(b"iCCP", b"colours");
    let told = [
        chunk(b"tEXt", b"Author\0Ann"),
        chunk(b"eXIf", b"MM\0\x2a"),
        chunk(b"caBX", b"who made it"),
        chunk(b"prVt", b"x"),
    ]
    .concat();
    check_kept(
        Kind::Png,
        &[&start, &told, &colours, &pixels, &told, end, b"PK\x03\x04"],
        &[&start, &colours, &pixels, end],
    );
    check_kept(
        Kind::Png,
        &[&start, &pixels, b"\0\0\xff\xffIDAT"],
        &[&start, &pixels, end],
    );
    for nothing in [
        &start[..],
        &[&start, &chunk(b"CRIT", b""), &pixels, &end[..]].concat(),
        b"\x89PNG\r\n\x1a\n",
    ] {
        assert_eq!(strip(Kind::Png, &Bytes::copy_from_slice(nothing)), None);
    }
}

#[test]
fn a_webp_keeps_what_is_shown() {
    let chunk = |id: &[u8], content: &[u8]| {
        let length = u32::try_from(content.len()).expect("short").to_le_bytes();
        [id, &length[..], content, &vec![0; content.len() % 2]].concat()
    };
    let told = [
        chunk(b"EXIF", b"MM\0\x2a"),
        chunk(b"XMP ", b"<x/>"),
        chunk(b"Ann ", b"was here"),
    ]
    .concat();
    let riff = |flags: u8, more: &[u8]| {
        let frame = [&[7_u8; 16][..], &chunk(b"VP8L", b"pixels"), more].concat();
        let chunks = [
            chunk(b"VP8X", &[flags, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            chunk(b"ICCP", b"colours"),
            chunk(b"ANMF", &frame),
            more.to_vec(),
        ];
        chunk(b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
    };
    check_kept(
        Kind::WebP,
        &[&riff(0b0010_1110, &told), b"PK\x03\x04"],
        &[&riff(0b0010_0010, b"")],
    );
    let plain = chunk(
        b"RIFF",
        &[b"WEBP".to_vec(), chunk(b"VP8 ", b"odd")].concat(),
    );
    check_kept(Kind::WebP, &[&plain], &[&plain]);
    assert_eq!(
        strip(Kind::WebP, &Bytes::from_static(b"RIFF\x04\0\0\0WEBP")),
        None
    );
}

#[test]
fn a_gif_keeps_what_is_shown() {
    let start = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let again = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0";
    let shown = b"\x21\xf9\x04\0\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    let told = [
        &b"\x21\xfe\x03Ann\0"[..],
        b"\x21\xff\x0bXMP DataXMP\x03<x>\0",
        b"\x21\x01\x01x\0",
    ]
    .concat();
    check_kept(
        Kind::Gif,
        &[start, &told, again, &told, shown, b";PK\x03\x04"],
        &[start, again, shown, b";"],
    );
    check_kept(
        Kind::Gif,
        &[start, shown, b"\x2c\0\0"],
        &[start, shown, b";"],
    );
    for nothing in [
        &start[..],
        b"GIF89a\x01\0\x01\0\0\0\0!\xfe\x03Ann\0;",
        b"GIF89a",
    ] {
        assert_eq!(strip(Kind::Gif, &Bytes::copy_from_slice(nothing)), None);
    }
}

#[test]
fn a_million_empty_segments_are_no_trouble() {
    let empty = b"\xff\xfe\0\x02".repeat(1_000_000);
    let told = [START, &empty, &rest(), END].concat();
    let kept = strip(Kind::Jpeg, &Bytes::from(told)).expect("a picture");
    assert_eq!(kept, [START, &rest(), END].concat());
}

#[test]
fn nothing_that_is_cut_anywhere_or_has_another_byte_makes_it_fail() {
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;".to_vec();
    let jpeg = [START, &segment(0xe1, &exif(6)), &rest(), END].concat();
    let webp = b"RIFF\x0e\0\0\0WEBPVP8 \x02\0\0\0ab".to_vec();
    for (kind, whole) in [(Kind::Gif, gif), (Kind::Jpeg, jpeg), (Kind::WebP, webp)] {
        for cut in 0..whole.len() {
            let _ = strip(kind, &Bytes::copy_from_slice(&whole[..cut]));
            for byte in [0, 1, 0x7f, 0xff] {
                let mut other = whole.clone();
                other[cut] = byte;
                if let Some(kept) = strip(kind, &Bytes::from(other)) {
                    assert_eq!(strip(kind, &kept), Some(kept), "at {cut}");
                }
            }
        }
    }
}
