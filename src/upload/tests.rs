//! The scanner: every row whole, byte by byte, and cut at every place.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::builder::UploadLayerBuilder;
use super::filename;
use super::inspector::Inspector;
use super::layer::UploadLayer;
use super::report::UploadSummary;
use super::rules::{FileRule, Rules, TextRule};
use super::violation::Violation;

const PNG: &str = "\u{1}PNG-stand-in";

/// A form with a picture of up to 100 bytes and a title of up to 20.
fn form() -> UploadLayerBuilder {
    UploadLayer::multipart()
        .file("file", FileRule::images().max_bytes(100))
        .text("title", TextRule::max_bytes(20))
        .max_total_bytes(6_000)
        .max_parts(3)
}

fn rules() -> Arc<Rules> {
    form().build().expect("valid").rules()
}

/// Runs chunks through an inspector; what came out, and the verdict.
pub(super) fn run<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Result<(), Violation>) {
    let (out, verdict) = run_by(rules(), chunks);
    (out, verdict.map(drop))
}

pub(super) fn run_by<'a>(
    rules: Arc<Rules>,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Result<UploadSummary, Violation>) {
    let mut inspector = Inspector::multipart(rules, "B");
    let mut out = VecDeque::new();
    let mut verdict = Ok(());
    for chunk in chunks {
        verdict = verdict.and_then(|()| inspector.push(Bytes::copy_from_slice(chunk), &mut out));
    }
    let verdict = verdict.and_then(|()| inspector.finish(&mut out));
    (out.into_iter().flatten().collect(), verdict)
}

/// The header of a picture.
pub(super) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(b"\x08\x02\0\0\0crc!");
    bytes
}

/// Writes a body: `PNG` stands for the signature, `|` for CRLF.
pub(super) fn body(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, piece) in text.split(PNG).enumerate() {
        if index > 0 {
            bytes.extend_from_slice(&png(8, 8));
        }
        bytes.extend_from_slice(piece.replace('|', "\r\n").as_bytes());
    }
    bytes
}

/// The verdict must not depend on how the bytes are cut.
#[track_caller]
fn verdict(bytes: &[u8]) -> Result<(), Violation> {
    let (whole, verdict) = run([bytes]);
    let (single, single_verdict) = run(bytes.chunks(1));
    assert_eq!(verdict, single_verdict, "whole and byte by byte");
    if verdict.is_ok() {
        assert!(
            whole == bytes && single == bytes,
            "accepted bytes pass unchanged"
        );
    }
    for cut in 0..bytes.len().min(700) {
        let (_, cut_verdict) = run([&bytes[..cut], &bytes[cut..]]);
        assert_eq!(verdict, cut_verdict, "cut at {cut}");
    }
    verdict
}

const TITLE: &str = "--B|Content-Disposition: form-data; name=\"title\"||";
const FILE: &str = "--B|Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"|Content-Type: image/png||";

#[track_caller]
fn accepted(text: &str) {
    assert_eq!(verdict(&body(text)), Ok(()), "{text}");
}

#[track_caller]
fn refused(text: &str, status: u16) {
    let violation = verdict(&body(text)).expect_err(text);
    let rejection = violation.clone().into_rejection();
    assert_eq!(rejection.status().as_u16(), status, "{text}: {violation:?}");
}

#[test]
fn forms_that_all_parsers_read_alike_pass_unchanged() {
    accepted("--B--");
    accepted("--B--|");
    accepted(&format!("{TITLE}hello|--B--|"));
    accepted(&format!("{FILE}{PNG}|--B--"));
    accepted(&format!("{FILE}{PNG}|{TITLE}x|--B--|"));
    // An empty text field, with a CRLF of its own.
    accepted(&format!("{TITLE}|--B--|"));
    // A file field left empty in a browser.
    accepted(
        "--B|Content-Disposition: form-data; name=\"file\"; filename=\"\"|Content-Type: application/octet-stream|||--B--|",
    );
    // The same beside a file that was chosen, in either order.
    let unchosen = "--B|Content-Disposition: form-data; name=\"file\"; filename=\"\"||";
    accepted(&format!("{unchosen}|{FILE}{PNG}|--B--|"));
    accepted(&format!("{FILE}{PNG}|{unchosen}|--B--|"));
    // .NET sends both names, in this order.
    accepted(&format!(
        "--B|Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"; filename*=utf-8''a.png||{PNG}|--B--"
    ));
    // Near misses of a delimiter inside content.
    for content in [
        "x--B", "x--By", "|", "||", "|-", "|--", "|--A", "\r", "\n", "---", "x----B",
    ] {
        accepted(&format!("{TITLE}{content}|--B--"));
    }
}

#[test]
fn a_boundary_in_doubtful_company_is_refused() {
    refused("", 400);
    refused("preamble|--B--", 400);
    refused("|--B--", 400);
    refused("--Bx|", 400);
    refused("--B |", 400);
    refused("--B\n", 400);
    refused("--B--x", 400);
    refused("--B--|x", 400);
    refused("--B--\r", 400);
    refused(&format!("{TITLE}hello"), 400);
    refused(&format!("{TITLE}hello|--B"), 400);
    refused(&format!("{TITLE}hello\n--B--"), 400);
    refused(&format!("{TITLE}hello\r--B--"), 400);
    refused(&format!("{TITLE}hello|--Bx"), 400);
    // The line end of the headers is not the part's own.
    refused(&format!("{TITLE}--Bx|--B--"), 400);
    refused(&format!("{FILE}{PNG}|{TITLE}--Bx|--B--"), 400);
    refused(&format!("{TITLE}--B--"), 400);
    refused(&format!("--B--|{TITLE}hello|--B--"), 400);
}

#[test]
fn headers_that_parsers_read_differently_are_refused() {
    for disposition in [
        "form-data",
        "attachment; name=\"title\"",
        "form-data; name=title",
        "form-data; name='title'",
        "form-data name=\"title\"",
        "form-data; name=\"title",
        "form-data; name=\"title\"x",
        "form-data; name=\"\"",
        "form-data; NAME=\"title\"",
        "form-data; name=\"title\"; name=\"file\"",
        "form-data; name=\"a\\\"b\"",
        "form-data; name*=utf-8''title",
        "form-data; name=\"title\"; note=\"x\"",
        "form-data; name=\"file\"; filename=\"x; filename=evil.exe \"",
        "form-data; name=\"x; name=title \"",
        "form-data; filename*=utf-8''a.png; name=\"file\"",
        "form-data; name=\"file\"; filename=\"a.png\"; filename*=utf-8''a.php",
        "form-data; name=\"file\"; filename=\"a.jpg\".html",
        "form-data; filename=\"my name.png\"; name=\"file\"",
        "form-data; name=\"file\"; filename=\"\"; filename*=utf-8''evil",
        "form-data; name=\"file\"; filename=\"a\\\".php\"",
    ] {
        refused(
            &format!("--B|Content-Disposition: {disposition}||x|--B--"),
            400,
        );
    }
    // A boundary among headers, and content that another parser would then read
    // as headers.
    refused(
        "--B|Content-Disposition: form-data; name=\"title\"|--B: x|||Content-Disposition: form-data; name=\"a\"||x|--B--",
        400,
    );
    refused("--B||x|--B--", 400);
    refused("--B|X: y||x|--B--", 400);
    refused(
        "--B|Content-Disposition: form-data;| name=\"title\"||x|--B--",
        400,
    );
    refused(
        "--B|Content-Disposition: form-data; name=\"title\"\nX: y||x|--B--",
        400,
    );
    refused(
        "--B|Content Disposition: form-data; name=\"title\"||x|--B--",
        400,
    );
    refused(
        &format!(
            "{}{}",
            TITLE.replace("||", "|Content-Disposition: form-data; name=\"file\"||"),
            "x|--B--"
        ),
        400,
    );
    refused(
        &format!(
            "{}{}",
            TITLE.replace("||", "|Content-Transfer-Encoding: base64||"),
            "x|--B--"
        ),
        415,
    );
    accepted(&format!(
        "{}{}",
        TITLE.replace("||", "|Content-Transfer-Encoding: 8bit||"),
        "x|--B--"
    ));
    refused(
        &format!(
            "{}{}",
            TITLE.replace("||", "|Content-Type: text/plain; charset=utf-7||"),
            "x|--B--"
        ),
        415,
    );
    refused(
        &format!(
            "{}{}",
            TITLE.replace("||", "|Content-Type: multipart/mixed; boundary=C||"),
            "x|--B--"
        ),
        415,
    );
}

#[test]
fn sizes_and_counts_are_limited_where_they_are_crossed() {
    accepted(&format!("{TITLE}{}|--B--", "x".repeat(20)));
    refused(&format!("{TITLE}{}|--B--", "x".repeat(21)), 413);
    accepted(&format!("{FILE}{PNG}{}|--B--", "x".repeat(67)));
    refused(&format!("{FILE}{PNG}{}|--B--", "x".repeat(68)), 413);
    refused(&format!("{FILE}{PNG}|{FILE}{PNG}|--B--"), 422);
    let nine = "|X: y".repeat(8);
    refused(
        &format!("{}x|--B--", TITLE.replace("||", &format!("{nine}||"))),
        413,
    );
    let long = format!("|X: {}||", "y".repeat(4_096));
    refused(&format!("{}x|--B--", TITLE.replace("||", &long)), 413);
    let total = format!(
        "--B|Content-Disposition: form-data; name=\"title\"|X: {}||",
        "y".repeat(3_900)
    );
    refused(&format!("{total}x|{}", total.replace("title", "file")), 413);
}

#[test]
fn a_file_is_what_its_type_its_name_and_its_content_agree_on() {
    let file = |name: &str, declared: &str, content: &str| {
        let declared = if declared.is_empty() {
            String::new()
        } else {
            format!("|Content-Type: {declared}")
        };
        format!(
            "--B|Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"{declared}||{content}|--B--"
        )
    };
    for (name, declared) in [
        ("a.png", "image/png"),
        ("A.PNG", "image/x-png"),
        ("a.png", ""),
        ("blob", "application/octet-stream"),
        ("my.photo.png", "image/png"),
    ] {
        accepted(&file(name, declared, PNG));
    }
    for (name, declared, content) in [
        ("a.png", "image/png", "<html><script>alert(1)"),
        ("a.png", "image/png", "GIF89a\u{1}\0\u{1}\0\u{1}\u{1}"),
        ("a.png", "image/jpeg", PNG),
        ("a.jpg", "image/png", PNG),
        ("a.php", "image/png", PNG),
        ("a.html", "", PNG),
        ("a.png", "image/png", "x"),
        ("a.png", "image/png", ""),
        ("a.png", "image/svg+xml", "<svg xmlns=\"http://"),
    ] {
        refused(&file(name, declared, content), 415);
    }
    refused(&file("", "image/png", PNG), 422);
    refused(&file("C:\\x\\a.png", "image/png", PNG), 422);
    let long = format!(
        "--B|Content-Disposition: form-data; name=\"{}\"||x|--B--",
        "n".repeat(101)
    );
    refused(&long, 422);
    refused(
        "--B|Content-Disposition: form-data; name=\"file\"||x|--B--",
        422,
    );
    refused(
        "--B|Content-Disposition: form-data; name=\"title\"; filename=\"a.png\"||x|--B--",
        422,
    );
    refused(
        "--B|Content-Disposition: form-data; name=\"other\"||x|--B--",
        422,
    );
}

#[test]
fn names_that_mean_something_to_a_system_are_refused() {
    for bad in [
        "/etc/passwd",
        "..\\a.png",
        "C:\\x\\a.png",
        "a/b.png",
        "..",
        ".htaccess",
        "a.php.png",
        "a.png.php",
        "a.php.",
        "a.png ",
        " a.png",
        "a.php::$DATA",
        "CON.png",
        "lpt1",
        "-rf.png",
        "a\u{202e}gnp.exe",
        "a\u{200b}.png",
        "a%00.png",
        "a\u{7f}.png",
        "~a.png",
        "a?.png",
    ] {
        assert!(filename::fault(bad).is_some(), "{bad}");
    }
    assert!(filename::fault(&"x".repeat(256)).is_some());
    for good in [
        "a.png",
        "Ein Bild (1).png",
        "žluťoučký kůň.webp",
        "写真.jpg",
        "v1.2.png",
        "a%22b.png",
        "console.png",
        "",
    ] {
        assert_eq!(filename::fault(good), None, "{good}");
    }
}

#[test]
fn no_byte_of_a_refused_part_comes_out() {
    let refused = body(&format!(
        "{TITLE}good|--B|Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"||<html>evil evil|--B--"
    ));
    let (out, verdict) = run([&refused[..]]);
    assert!(verdict.is_err());
    let out = String::from_utf8_lossy(&out).into_owned();
    assert!(
        out.contains("good") && !out.contains("evil") && !out.contains("filename"),
        "{out}"
    );
}

proptest! {
    #[test]
    fn any_bytes_get_the_same_verdict_however_they_are_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "--B", "\r\n", "\r", "\n", "--", "-", "x", "Content-Disposition: form-data; name=\"title\"", "\r\n\r\n", "\r\n--B", ":", "hello",
        ]), 0..30),
        size in 1_usize..9,
    ) {
        let bytes = format!("--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n{}", pieces.concat()).into_bytes();
        let (whole, verdict) = run([&bytes[..]]);
        let (cut, cut_verdict) = run(bytes.chunks(size));
        prop_assert_eq!(&verdict, &cut_verdict);
        if verdict.is_ok() {
            prop_assert_eq!(&whole, &bytes);
            prop_assert_eq!(&cut, &bytes);
        }
    }
}
