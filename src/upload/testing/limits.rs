//! What is too much.

use super::Cases;
use super::pictures::{JPEG, JPEG_FRAME, PNG, jpeg, png};

pub(super) fn add(cases: &mut Cases<'_>) {
    const FILE: &str = "--B|Content-Disposition: form-data; name=\"{f}\"; filename=\"a.png\"|Content-Type: image/png||";
    let with = |headers: &str| FILE.replace("||", &format!("{headers}||")) + "{png}|--B--|";
    cases.form(200, "eight headers", &with(&"|X: y".repeat(6)));
    cases.form(413, "nine headers", &with(&"|X: y".repeat(7)));
    let long = |bytes: usize| format!("|X: {}", "y".repeat(bytes));
    cases.form(200, "long headers", &with(&long(3_900)));
    cases.form(413, "headers that are too long", &with(&long(4_096)));
    cases.form(
        413,
        "headers without end",
        &(FILE[..3].to_owned() + &long(70_000)),
    );
    cases.form(
        422,
        "two files where one is allowed",
        &format!("{FILE}{{png}}|{FILE}{{png}}|--B--|"),
    );
    if let Some(limit) = cases.form.max_file_bytes {
        let filled = |bytes: usize| [PNG, &vec![0; bytes - PNG.len()]].concat();
        cases.file(200, "a.png", "image/png", &filled(limit));
        cases.file(413, "a.png", "image/png", &filled(limit + 1));
    }
    if let Some(limit) = cases.form.max_text_bytes {
        let text = |bytes: usize| {
            let text = "x".repeat(bytes);
            format!(
                "--B|Content-Disposition: form-data; name=\"{{t}}\"||{text}|{FILE}{{png}}|--B--|"
            )
        };
        cases.form(200, "a text as long as allowed", &text(limit));
        cases.form(413, "a text that is longer", &text(limit + 1));
    }
    if let Some(limit) = cases.form.max_pixels {
        if let Ok(width) = u32::try_from(limit) {
            cases.file(200, "a.png", "image/png", &png(width, 1));
            cases.file(422, "a.png", "image/png", &png(width, 2));
        }
        cases.file(422, "a.png", "image/png", &png(u32::MAX, u32::MAX));
        cases.file(415, "a.png", "image/png", &png(0, 1));
        cases.file(415, "a.png", "image/png", &PNG[..20]);
        // Its size is told behind the longest segment that there is.
        if cases.form.max_file_bytes.is_none_or(|bytes| bytes > 70_000) {
            cases.file(200, "a.jpg", "image/jpeg", &jpeg(1, 1));
            if limit < u64::from(u16::MAX).pow(2) {
                cases.file(422, "a.jpg", "image/jpeg", &jpeg(u16::MAX, u16::MAX));
            }
        }
        cases.file(415, "a.jpg", "image/jpeg", &JPEG[..JPEG_FRAME]);
        cases.file(
            415,
            "a.jpg",
            "image/jpeg",
            b"\xff\xd8\xff\xda\0\x08 and so on",
        );
    }
}
