//! Every kind by its first bytes, and nothing else by them.

use super::Kind;

/// A start of each kind, and which of its bytes are its mark.
const STARTS: [(Kind, &[u8], &[usize]); 8] = [
    (
        Kind::Png,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        &[0, 1, 2, 3, 4, 5, 6, 7],
    ),
    (Kind::Jpeg, b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", &[0, 1, 2]),
    (Kind::Gif, b"GIF87a\x01\0\x01\0\x80\0", &[0, 1, 2, 3, 4, 5]),
    (Kind::Gif, b"GIF89a\x01\0\x01\0\x80\0", &[0, 1, 2, 3, 4, 5]),
    (Kind::Pdf, b"%PDF-1.7\n%\xe2\xe3", &[0, 1, 2, 3, 4]),
    (Kind::Zip, b"PK\x03\x04\x14\0\0\0\x08\0\0\0", &[0, 1, 2, 3]),
    (
        Kind::WebP,
        b"RIFF\x24\0\0\0WEBPVP8 ",
        &[0, 1, 2, 3, 8, 9, 10, 11],
    ),
    (
        Kind::Bmp,
        b"BM\x46\0\0\0\0\0\0\0\x36\0",
        &[0, 1, 6, 7, 8, 9],
    ),
];

#[test]
fn a_kind_is_told_by_every_byte_of_its_mark_and_by_no_other() {
    for (kind, start, mark) in STARTS {
        assert_eq!(Kind::sniff(start), Some(kind), "{kind:?}");
        for (place, _) in start.iter().enumerate() {
            let mut changed = start.to_vec();
            changed[place] ^= 0x20;
            let told = Kind::sniff(&changed) == Some(kind);
            assert_eq!(told, !mark.contains(&place), "{kind:?}, byte {place}");
        }
        let whole = mark.iter().max().map_or(0, |last| last + 1);
        assert_eq!(Kind::sniff(&start[..whole]), Some(kind), "{kind:?}, cut");
        assert_eq!(
            Kind::sniff(&start[..whole - 1]),
            None,
            "{kind:?}, too short"
        );
    }
    // An archive with nothing in it.
    assert_eq!(Kind::sniff(b"PK\x05\x06\0\0\0\0"), Some(Kind::Zip));
    assert_eq!(Kind::sniff(b"PK\x03\x06\0\0\0\0"), None);
    assert_eq!(Kind::sniff(b"GIF88a\x01\0\x01\0\x80\0"), None);
    // A sound in the same container.
    assert_eq!(Kind::sniff(b"RIFF\x24\0\0\0WAVEfmt "), None);
    assert_eq!(Kind::sniff(b""), None);
}

#[test]
fn only_texts_have_no_mark() {
    let all = [
        (Kind::Bmp, "image/bmp", "bmp", true),
        (Kind::Csv, "text/csv", "csv", false),
        (Kind::Gif, "image/gif", "gif", true),
        (Kind::Jpeg, "image/jpeg", "jpeg", true),
        (Kind::Pdf, "application/pdf", "pdf", false),
        (Kind::Png, "image/png", "png", true),
        (Kind::Text, "text/plain", "txt", false),
        (Kind::WebP, "image/webp", "webp", true),
        (Kind::Zip, "application/zip", "zip", false),
    ];
    for (kind, media_type, extension, pixels) in all {
        assert_eq!(kind.media_type(), media_type);
        assert_eq!(kind.has_pixels(), pixels, "{kind:?}");
        let marked = STARTS.iter().any(|(marked, ..)| *marked == kind);
        assert_eq!(kind.is_text(), !marked, "{kind:?}");
        assert!(kind.is_declared_as(media_type));
        for (other, other_type, other_extension, _) in all {
            let same = kind == other;
            assert_eq!(kind.is_declared_as(other_type), same);
            assert_eq!(kind.has_extension(other_extension), same);
        }
        assert!(kind.has_extension(&extension.to_uppercase()));
        assert!(!kind.has_extension("html"));
        assert!(!kind.has_extension(""));
    }
    // Source code is text too, and is no text to keep; notes are.
    let taken = |extension| Kind::Text.has_extension(extension);
    assert!(["txt", "log", "MD"].into_iter().all(taken));
    assert!(!["c", "rs", "conf", "asm"].into_iter().any(taken));
    for (kind, declared) in [
        (Kind::Bmp, "image/x-ms-bmp"),
        (Kind::Csv, "application/vnd.ms-excel"),
        (Kind::Jpeg, "image/pjpeg"),
        (Kind::Png, "image/x-png"),
        (Kind::Zip, "application/x-zip-compressed"),
    ] {
        for (other, ..) in all {
            assert_eq!(other.is_declared_as(declared), kind == other, "{declared}");
        }
    }
}
