//! Pictures that are made here.

/// A real PNG: one colour, and random bytes in a comment up to `size`.
pub(crate) fn png(width: u32, height: u32, size: usize) -> Vec<u8> {
    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let checked = [kind, data].concat();
        let length = u32::try_from(data.len()).expect("a short chunk");
        [
            &length.to_be_bytes()[..],
            &checked,
            &crc(&checked).to_be_bytes(),
        ]
        .concat()
    }
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 {
                    crc >> 1 ^ 0xedb8_8320
                } else {
                    crc >> 1
                }
            })
        })
    }
    fn adler(bytes: &[u8]) -> u32 {
        let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        b << 16 | a
    }
    let row = [vec![0_u8], vec![0x7f; width as usize]].concat();
    let pixels = row.repeat(height as usize);
    let mut zlib = vec![0x78, 0x01];
    let mut blocks = pixels.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("a short block");
        zlib.push(u8::from(blocks.peek().is_none()));
        zlib.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
        zlib.extend(block);
    }
    zlib.extend(adler(&pixels).to_be_bytes());
    let header = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[8, 0, 0, 0, 0],
    ]
    .concat();
    let mut bytes = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &zlib),
    ]
    .concat();
    // A palette that is only suggested: it stays, as what shows the picture does.
    // Twelve bytes for its own frame and twelve for the end.
    let padding = size.saturating_sub(bytes.len() + 24);
    let comment: Vec<u8> = (0..padding).map(|index| (index * 31 % 251) as u8).collect();
    bytes.extend(chunk(b"sPLT", &comment));
    bytes.extend(chunk(b"IEND", &[]));
    bytes
}
