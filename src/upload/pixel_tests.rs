//! Pictures that are small until they are unpacked.

use super::kind::Kind;
use super::pixels::Measure;
use super::tests::{body, png, run};
use super::violation::Violation;

/// A JPEG whose frame comes after so many segments of 100 bytes.
fn jpeg(segments: usize, width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"\xff\xd8".to_vec();
    for _ in 0..segments {
        bytes.extend(b"\xff\xe1\0\x66");
        // What looks like a frame inside a segment is none.
        bytes.extend(
            b"\xff\xc0\0\x0b\x08\xff\xff\xff\xff"
                .repeat(12)
                .split_at(100)
                .0,
        );
    }
    bytes.extend(b"\xff\xff\xc2\0\x0b\x08");
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(b"\x01\x01\x11\0\xff\xda and so on");
    bytes
}

#[test]
fn a_picture_that_would_be_too_large_to_unpack_is_refused_by_its_header() {
    let webp = |size: &[u8]| [b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0", size, b"VP8L"].concat();
    // A screen, an extension, and a picture with a table of colours.
    let gif = |screen: &[u8], picture: &[u8]| {
        let colours = [b'x'; 12];
        [
            b"GIF89a",
            screen,
            b"\x81\0\0",
            &colours,
            b"!\xfe\x03,,,\x01,\0",
            b",\0\0\0\0",
            picture,
            b"\x81",
            &colours,
            b"\x02\x02,,\0;",
        ]
        .concat()
    };
    let small = b"\x01\0\x01\0";
    let twice = |first: (u32, u32), second: (u32, u32)| {
        let mut bytes = png(first.0, first.1);
        bytes.extend(&png(second.0, second.1)[8..]);
        bytes
    };
    let hidden = |chunk: &[u8]| [b"\x89PNG\r\n\x1a\n", chunk, &png(50_000, 50_000)[8..]].concat();
    let bmp = |width: i32, height: i32| {
        let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
        [
            b"BM\x40\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
            &size[..],
            &[0; 40],
        ]
        .concat()
    };
    for (kind, bytes, expected) in [
        (Kind::Bmp, bmp(1_000, 1_000), Ok(())),
        // Rows from top to bottom.
        (Kind::Bmp, bmp(1_000, -1_000), Ok(())),
        (Kind::Bmp, bmp(1_000, 1_001), Err(422)),
        (Kind::Bmp, bmp(50_000, 50_000), Err(422)),
        (Kind::Bmp, bmp(0, 10), Err(415)),
        (Kind::Bmp, bmp(-1, 10), Err(415)),
        // The header of an older system, with 16 bits each.
        (
            Kind::Bmp,
            [
                b"BM\x40\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\x10\0\x10\0\x01\0\x18\0",
                &[0; 9][..],
            ]
            .concat(),
            Ok(()),
        ),
        (Kind::Png, png(1_000, 1_000), Ok(())),
        (Kind::Png, png(1_000, 1_001), Err(422)),
        (Kind::Png, png(u32::MAX, u32::MAX), Err(422)),
        (Kind::Png, png(0, 10), Err(415)),
        (Kind::Png, png(10, 10)[..20].to_vec(), Err(415)),
        (Kind::Png, twice((1, 1), (50_000, 50_000)), Err(415)),
        (
            Kind::Png,
            hidden(b"\0\0\0\x08prVt\0\0\0\x01\0\0\0\x01crc!"),
            Err(415),
        ),
        (Kind::Png, png(10, 10)[..12].to_vec(), Err(415)),
        (Kind::Gif, gif(b"\xe8\x03\xe8\x03", small), Ok(())),
        (Kind::Gif, gif(b"\xff\xff\xff\xff", small), Err(422)),
        // Larger than the screen.
        (Kind::Gif, gif(small, b"\xff\xff\xff\xff"), Err(422)),
        (Kind::Gif, gif(small, b"\0\0\0\0"), Err(415)),
        (Kind::Gif, gif(small, small)[..12].to_vec(), Err(415)),
        // Behind something that only some readers skip.
        (
            Kind::Gif,
            [
                b"GIF89a\x01\0\x01\0\0\0\0??",
                &b",\0\0\0\0\xff\xff\xff\xff\0"[..],
            ]
            .concat(),
            Err(422),
        ),
        (Kind::WebP, webp(b"\xe7\x03\0\xe7\x03\0"), Ok(())),
        (Kind::WebP, webp(b"\xff\xff\xff\xff\xff\xff"), Err(422)),
        (
            Kind::WebP,
            [b"RIFF\x1a\0\0\0WEBPXXXL\x0a\0\0\0\x2f", &[0; 30][..]].concat(),
            Err(415),
        ),
        (Kind::Jpeg, jpeg(0, 1_000, 1_000), Ok(())),
        (Kind::Jpeg, jpeg(3, 1_000, 1_000), Ok(())),
        (Kind::Jpeg, jpeg(3, 1_001, 1_000), Err(422)),
        (Kind::Jpeg, jpeg(0, 1_000, 0), Err(415)),
        (Kind::Jpeg, jpeg(3, 10, 10)[..250].to_vec(), Err(415)),
        (Kind::Jpeg, b"\xff\xd8\xff\xd9".to_vec(), Err(415)),
        (Kind::Jpeg, b"\xff\xd8\xff\xda\0\x08".to_vec(), Err(415)),
        (Kind::Jpeg, b"\xff\xd8\xff\xe1\0\x01\xff".to_vec(), Err(415)),
        (Kind::Jpeg, b"\xff\xd8\xff\xe1\0\x02x".to_vec(), Err(415)),
        (Kind::Jpeg, vec![0xff; 500], Err(415)),
    ] {
        let run = |size: usize| {
            let mut measure = Measure::new(0, kind, 1_000_000);
            bytes
                .chunks(size)
                .try_for_each(|chunk| measure.push(chunk))?;
            measure.finish()
        };
        let run =
            |size| run(size).map_err(|fault: Violation| fault.into_rejection().status().as_u16());
        for size in 1..=bytes.len() {
            assert_eq!(run(size), expected, "{kind:?} {bytes:?} in {size}");
        }
    }
    assert!(!Kind::Pdf.has_pixels());
}

/// A picture that is too large in both ways, found by a fuzzer.
#[test]
fn what_comes_first_is_judged_first() {
    let mut bytes = body("--B|Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"||");
    bytes.extend(png(65_000, 65_000));
    bytes.extend([0; 200]);
    let (_, whole) = run([&bytes[..]]);
    for size in 1..bytes.len() {
        let (_, cut) = run(bytes.chunks(size));
        assert_eq!(cut, whole, "in {size}");
    }
    assert!(
        matches!(whole, Err(Violation::TooManyPixels { .. })),
        "{whole:?}"
    );
}

#[test]
fn no_byte_of_a_picture_comes_out_after_it_was_found_too_large() {
    let mut bytes = body("--B|Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"||");
    let head = bytes.len();
    bytes.extend(jpeg(0, 65_000, 65_000));
    bytes.extend(body("|--B--"));
    let (out, verdict) = run(bytes.chunks(1));
    assert_eq!(
        verdict,
        Err(Violation::TooManyPixels {
            part: 0,
            limit: 40_000_000
        })
    );
    // Up to the byte that completes the size.
    assert!(out.len() < head + 2 + 10, "{out:?}");
}

#[test]
fn a_jpeg_has_one_frame_and_it_is_the_one_that_counts() {
    let read = |bytes: &[u8]| {
        let mut measure = Measure::new(0, Kind::Jpeg, 1_000_000);
        let mut all = bytes.chunks(7);
        all.try_for_each(|bytes| measure.push(bytes))
            .and_then(|()| measure.finish())
    };
    let small = b"\xff\xc0\0\x0b\x08\0\x03\0\x04\x01\x01\x11\0";
    let large = b"\xff\xc2\0\x0b\x08\x1b\x58\x1b\x58\x01\x01\x11\0";
    let table = b"\xff\xc4\0\x06\xff\xc0\0\x0b";
    let scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xc0\0\x0b\x08\xff\xff\xff\xff";
    let of = |parts: &[&[u8]]| [b"\xff\xd8", &parts.concat()[..]].concat();
    // Tables, and what looks like a frame among the pixels, say nothing.
    assert!(read(&of(&[small, table, scan])).is_ok());
    assert!(read(&of(&[table, small, b"\xff\xff", table, b"\0\0", scan])).is_ok());
    for parts in [
        &[&small[..], large, scan][..],
        &[small, table, large, scan],
        &[small, small, scan],
        // A frame that is shorter than what it has to say.
        &[b"\xff\xc0\0\x06\x08\0\x03\0\x04", scan],
    ] {
        let refused = read(&of(parts));
        let untold = matches!(refused, Err(Violation::PartType { .. }));
        assert!(untold, "{parts:x?}: {refused:?}");
    }
}

#[test]
fn every_chunk_of_a_webp_that_says_a_size_counts() {
    let chunk = |name: &[u8; 4], bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("small").to_le_bytes();
        let fill = vec![0; bytes.len() % 2];
        [name, &length[..], bytes, &fill].concat()
    };
    let three = |size: u32| (size - 1).to_le_bytes()[..3].to_vec();
    let canvas = |side| {
        chunk(
            b"VP8X",
            &[&[2, 0, 0, 0][..], &three(side), &three(side)].concat(),
        )
    };
    let lossy = |side: u16| {
        let side = side.to_le_bytes();
        chunk(
            b"VP8 ",
            &[b"\x30\0\0\x9d\x01\x2a", &side[..], &side, b"pixels"].concat(),
        )
    };
    let lossless = |side: u32| {
        let bits = (side - 1) | (side - 1) << 14;
        chunk(
            b"VP8L",
            &[&[0x2f][..], &bits.to_le_bytes(), b"pixel"].concat(),
        )
    };
    let frame = |side, picture: &[u8]| {
        let place = [&[0; 6][..], &three(side), &three(side), &[0; 4]].concat();
        chunk(b"ANMF", &[&place, picture].concat())
    };
    let other = chunk(b"ICCP", b"odd");
    let read = |chunks: &[&[u8]]| {
        let mut measure = Measure::new(0, Kind::WebP, 1_000_000);
        let file = [b"RIFF\0\0\0\0WEBP", &chunks.concat()[..]].concat();
        let mut all = file.chunks(5);
        all.try_for_each(|bytes| measure.push(bytes))
            .and_then(|()| measure.finish())
    };
    let small = canvas(1_000);
    for chunks in [
        &[&lossy(1_000)[..]][..],
        &[&lossless(1_000)],
        // What comes behind a picture without a canvas, nobody reads.
        &[&lossy(4), &lossy(7_000)],
        &[&small, &other, &lossy(1_000)],
        &[
            &small,
            &frame(10, &lossless(10)),
            &frame(10, &[&other[..], &lossy(10)].concat()),
        ],
        // The two upper bits say how a picture is to be scaled.
        &[&lossy(0x4000 | 1_000)],
    ] {
        assert!(read(chunks).is_ok(), "{chunks:x?}");
    }
    for chunks in [
        &[&lossy(1_001)[..]][..],
        &[&lossless(1_001)],
        &[&canvas(1_001)],
        &[&small, &lossy(7_000)],
        &[&small, &other, &lossless(7_000)],
        &[&small, &frame(7_000, &lossy(10))],
        &[&small, &frame(10, &lossy(7_000))],
        &[
            &small,
            &frame(10, &lossy(10)),
            &frame(10, &[&other[..], &lossless(7_000)].concat()),
        ],
        &[&small, &canvas(7_000)],
    ] {
        let refused = read(chunks);
        let large = matches!(refused, Err(Violation::TooManyPixels { .. }));
        assert!(large, "{chunks:x?}: {refused:?}");
    }
    let not_a_key_frame = chunk(b"VP8 ", b"\x31\0\0\x9d\x01\x2a\x04\0\x04\0");
    for chunks in [
        &[&other[..], &lossy(4)][..],
        &[&frame(4, &lossy(4))],
        &[&not_a_key_frame],
        &[&chunk(b"VP8 ", b"\x30\0\0\x9d\x01\x2b\x04\0\x04\0")],
        &[&chunk(b"VP8L", b"\x2e\x04\0\x04\0")],
        &[&chunk(b"VP8X", b"short")],
        &[b"VP8X\x0a\0\0\0\0"],
        &[],
    ] {
        let refused = read(chunks);
        let untold = matches!(refused, Err(Violation::PartType { .. }));
        assert!(untold, "{chunks:x?}: {refused:?}");
    }
}
