//! What a file claims to be.

use super::Cases;
use super::pictures::{JPEG, PNG};

pub(super) fn add(cases: &mut Cases<'_>) {
    let page = b"<!DOCTYPE html><script>alert(1)</script>";
    for (status, filename, declared, content) in [
        (200, "a.png", "image/png", PNG),
        (200, "A.PNG", "image/png", PNG),
        (200, "a.png", "image/x-png", PNG),
        (200, "a.png", "IMAGE/PNG", PNG),
        (200, "a.png", "", PNG),
        (200, "a.png", "application/octet-stream", PNG),
        (200, "blob", "image/png", PNG),
        (200, "a.jpg", "image/jpeg", JPEG),
        (200, "a.jpeg", "image/jpg", JPEG),
        (200, "a.jpe", "image/jpeg", JPEG),
        (200, "a.jfif", "image/pjpeg", JPEG),
        (415, "a.png", "image/png", page),
        (415, "a.png", "image/png", b"<?php system($_GET[0]);"),
        (
            415,
            "a.png",
            "image/png",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\">",
        ),
        (
            415,
            "a.png",
            "image/png",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0",
        ),
        (
            415,
            "a.png",
            "image/png",
            b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff",
        ),
        (415, "a.png", "image/png", JPEG),
        (415, "a.jpg", "image/jpeg", PNG),
        (415, "a.jpg", "image/png", PNG),
        (415, "a.php", "image/png", PNG),
        (415, "a.html", "image/png", PNG),
        (415, "a.svg", "image/png", PNG),
        (415, "a.png", "text/html", PNG),
        (
            415,
            "a.svg",
            "image/svg+xml",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\">",
        ),
        (415, "a.pdf", "application/pdf", b"%PDF-1.7\n1 0 obj"),
        (
            415,
            "a.zip",
            "application/zip",
            b"PK\x03\x04\x14\0\0\0\x08\0",
        ),
        (415, "a.txt", "text/plain", b"hello, world"),
        // Shorter than its mark.
        (415, "a.png", "image/png", b""),
        (415, "a.png", "image/png", b"\x89"),
        (415, "a.png", "image/png", b"\x89PN"),
        (415, "a.jpg", "image/jpeg", b"\xff\xd8"),
        // Its mark comes too late.
        (415, "a.png", "image/png", b" \x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        (422, "", "image/png", PNG),
    ] {
        cases.file(status, filename, declared, content);
    }
    cases.form(
        200,
        "no file chosen, beside one that was",
        "--B|Content-Disposition: form-data; name=\"{f}\"; filename=\"\"|Content-Type: application/octet-stream|||--B|Content-Disposition: form-data; name=\"{f}\"; filename=\"a.png\"|Content-Type: image/png||{png}|--B--|",
    );
    names(cases);
}

fn names(cases: &mut Cases<'_>) {
    let whole = format!("{}.png", "x".repeat(251));
    for good in [
        "Mein Bild (1).png",
        "写真.png",
        "žluťoučký kůň.png",
        "v1.2.png",
        "東京：夜景… (1).png",
        "a & b; c.png",
        "a%22b.png",
        &whole,
    ] {
        cases.file(200, good, "image/png", PNG);
    }
    let long = format!("{}.png", "x".repeat(252));
    for bad in [
        "/etc/hax0rd.png",
        "C:\\Windows\\hax0rd.png",
        "C:/Windows/hax0rd.png",
        "\\etc\\hax0rd.png",
        "/etc\\hax0rd.png",
        "subdir/hax0rd.png",
        "subdir\\hax0rd.png",
        "sub/dir\\hax0rd.png",
        "../../hax0rd.png",
        "..\\..\\hax0rd.png",
        "../..\\hax0rd.png",
        "..&#x2F;hax0rd.png",
        "/.",
        "/..",
        "..",
        ".",
        "...",
        "///",
        ".htaccess",
        "a.php.png",
        "a.phtml.png",
        "a.png.php",
        "a.php.",
        "a.png.",
        "a.png ",
        " a.png",
        "a.php::$DATA",
        "a.png:zone",
        "CON.png",
        "aux",
        "lpt1.png",
        "-rf.png",
        "~a.png",
        "a%00.png",
        "a?.png",
        "a*.png",
        "a<b>.png",
        "a\u{202e}gnp.png",
        "a\u{200b}.png",
        "a\u{feff}.png",
        "a\u{3164}.png",
        "a%0d%0ab.png",
        "a%0A.png",
        "x%2ephp",
        "x&period;php",
        "a&#47;b.png",
        "x\u{ff0e}php",
        "a.png\u{ff0e}php",
        "a.php\u{ff1a}\u{ff1a}$DATA",
        "a\u{2026}php",
        "a\u{ff0f}b.png",
        "a\u{2215}b.png",
        "COM\u{b9}.png",
        "conin$",
        "a.php8.png",
        "a.phps.png",
        &long,
    ] {
        cases.file(422, bad, "image/png", PNG);
    }
}
