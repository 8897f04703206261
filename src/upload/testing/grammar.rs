//! What parsers read differently.

use super::Cases;

pub(super) fn add(cases: &mut Cases<'_>) {
    const FILE: &str = "--B|Content-Disposition: form-data; name=\"{f}\"; filename=\"a.png\"|Content-Type: image/png||";
    const HIDDEN: &str =
        "Content-Disposition: form-data; name=\"{f}\"; filename=\"evil.php\"||<?php ?>|";
    let padding = "x".repeat(70_000);
    for (status, name, template) in [
        (400, "an empty body", String::new()),
        (400, "a preamble", format!("preamble|{FILE}{{png}}|--B--|")),
        (400, "an endless preamble", padding.clone()),
        (
            400,
            "a line end before the first boundary",
            format!("|{FILE}{{png}}|--B--|"),
        ),
        (
            400,
            "a boundary in the middle of a line",
            format!("x{FILE}{{png}}|--B--|"),
        ),
        (
            200,
            "no line end behind the last boundary",
            format!("{FILE}{{png}}|--B--"),
        ),
        (400, "an epilogue", format!("{FILE}{{png}}|--B--|epilogue")),
        (
            400,
            "a long epilogue",
            format!("{FILE}{{png}}|--B--|{padding}"),
        ),
        (
            400,
            "text behind the last boundary",
            format!("{FILE}{{png}}|--B--evil|"),
        ),
        (
            400,
            "a part behind the last boundary",
            format!("{FILE}{{png}}|--B--|--B|{HIDDEN}--B--|"),
        ),
        (400, "no last boundary", format!("{FILE}{{png}}|")),
        (
            400,
            "a last boundary with one dash",
            format!("{FILE}{{png}}|--B-"),
        ),
        (400, "cut in the content", format!("{FILE}{{png}}")),
        (
            400,
            "cut in the headers",
            "--B|Content-Disposition: form-data; na".to_owned(),
        ),
        (400, "cut behind the first boundary", "--B".to_owned()),
        (
            400,
            "line feeds only",
            format!("{FILE}{{png}}|--B--|").replace('|', "\n"),
        ),
        (
            400,
            "one header ends with a line feed",
            FILE.replacen('|', "\n", 2) + "{png}|--B--|",
        ),
        (
            400,
            "a header block ends with line feeds",
            FILE.replace("||", "\n\n") + "{png}|--B--|",
        ),
        (
            400,
            "a boundary behind a line feed",
            format!("{FILE}{{png}}\n--B|{HIDDEN}--B--|"),
        ),
        (
            400,
            "a boundary behind a carriage return",
            format!("{FILE}{{png}}\r--B|{HIDDEN}--B--|"),
        ),
        (
            400,
            "a boundary that goes on",
            format!("{FILE}{{png}}|--BX|{HIDDEN}--B--|"),
        ),
        (
            400,
            "a boundary with spaces behind it",
            format!("{FILE}{{png}}|--B  |{HIDDEN}--B--|"),
        ),
        (
            400,
            "a boundary with a tab behind it",
            format!("--B\t{}{{png}}|--B--|", &FILE[3..]),
        ),
        (
            200,
            "a boundary inside a line",
            format!("{FILE}{{png}}x--B|{HIDDEN}x--B--|--B--|"),
        ),
        (
            200,
            "most of a boundary",
            format!("{FILE}{{png}}|--|-||--|\r\n--A|--B--|").replace("--A", "-B"),
        ),
        (
            400,
            "an empty part without line end of its own",
            format!("{}--B|{HIDDEN}--B--|", FILE),
        ),
        (400, "no headers at all", "--B||{png}|--B--|".to_owned()),
        (
            400,
            "a folded header, space",
            FILE.replace("; filename", ";| filename") + "{png}|--B--|",
        ),
        (
            400,
            "a folded header, tab",
            FILE.replace("; filename", ";|\tfilename") + "{png}|--B--|",
        ),
        (
            400,
            "a carriage return in a value",
            FILE.replace("; filename", ";\rfilename") + "{png}|--B--|",
        ),
        (
            400,
            "a carriage return in a name",
            FILE.replace("Content-Type", "Content\r-Type") + "{png}|--B--|",
        ),
        (
            400,
            "a NUL in a header",
            FILE.replace("image/png", "image/png\0") + "{png}|--B--|",
        ),
        (
            400,
            "a byte in a header that is no text",
            FILE.replace("a.png", "a{ff}.png") + "{png}|--B--|",
        ),
        (
            400,
            "a header without colon",
            FILE.replace("||", "|X||") + "{png}|--B--|",
        ),
        (
            400,
            "a header without name",
            FILE.replace("||", "|: x||") + "{png}|--B--|",
        ),
        (
            400,
            "a space in a header's name",
            FILE.replace("||", "|X Y: x||") + "{png}|--B--|",
        ),
        (
            400,
            "a space behind a header's name",
            FILE.replace("Content-Type:", "Content-Type :") + "{png}|--B--|",
        ),
        (
            400,
            "a bracket in a header's name",
            FILE.replace("||", "|X<: x||") + "{png}|--B--|",
        ),
        (
            400,
            "an umlaut in a header's name",
            FILE.replace("||", "|Xä: x||") + "{png}|--B--|",
        ),
        (
            400,
            "a boundary among the headers",
            FILE.replace("||", "|--B: x||") + "{png}|--B--|",
        ),
        (
            400,
            "two dispositions",
            FILE.replace(
                "||",
                "|Content-Disposition: form-data; name=\"{f}\"; filename=\"evil.php\"||",
            ) + "{png}|--B--|",
        ),
        (
            400,
            "two types",
            FILE.replace("||", "|content-type: text/html||") + "{png}|--B--|",
        ),
        (
            400,
            "no disposition",
            "--B|Content-Type: image/png||{png}|--B--|".to_owned(),
        ),
        (
            400,
            "a part whose type is none",
            FILE.replace("image/png", "image") + "{png}|--B--|",
        ),
        (
            415,
            "a nested form",
            FILE.replace("image/png", "multipart/mixed; boundary=C") + "--C--|--B--|",
        ),
        (
            415,
            "base64",
            FILE.replace("||", "|Content-Transfer-Encoding: base64||") + "iVBORw0KGgo=|--B--|",
        ),
        (
            415,
            "quoted-printable",
            FILE.replace("||", "|Content-Transfer-Encoding: quoted-printable||") + "=89PNG|--B--|",
        ),
        (
            200,
            "binary, as some clients say",
            FILE.replace("||", "|Content-Transfer-Encoding: binary||") + "{png}|--B--|",
        ),
        (
            200,
            "a header that nobody knows",
            FILE.replace("||", "|Content-Length: 69||") + "{png}|--B--|",
        ),
    ] {
        cases.form(status, name, &template);
    }
    dispositions(cases);
}

fn dispositions(cases: &mut Cases<'_>) {
    for (status, disposition) in [
        (200, "form-data; name=\"{f}\"; filename=\"a.png\""),
        (200, "Form-Data; name=\"{f}\"; filename=\"a.png\""),
        (200, "form-data;name=\"{f}\";filename=\"a.png\""),
        // The order of .NET.
        (
            200,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=utf-8''a.png",
        ),
        (
            200,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=UTF-8''%C3%A4.png",
        ),
        (400, "form-data"),
        (400, "form-data; filename=\"a.png\""),
        (400, "attachment; name=\"{f}\"; filename=\"a.png\""),
        (400, "form-data name=\"{f}\"; filename=\"a.png\""),
        (400, "form-data; name=\"{f}\" filename=\"a.png\""),
        (400, "form-data; name={f}; filename=a.png"),
        (400, "form-data; name='{f}'; filename='a.png'"),
        (400, "form-data; name=\"{f}\"; filename=\"a.png"),
        (400, "form-data; name=\"\"; filename=\"a.png\""),
        (
            400,
            "form-data; name=\"x\"; name=\"{f}\"; filename=\"a.png\"",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename=\"evil.php\"",
        ),
        (400, "form-data; NAME=\"{f}\"; filename=\"a.png\""),
        (400, "form-data; name=\"{f}\"; FILENAME=\"evil.php\""),
        (
            400,
            "form-data; name=\"{f}\"; note=\"x; filename=evil.exe \"; filename=\"a.png\"",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"x; filename=evil.exe \"",
        ),
        (400, "form-data; filename=\"a; name=admin \"; name=\"{f}\""),
        (400, "form-data; name=\"{f}\"; filename=\"a.jpg\".html"),
        (400, "form-data; name=\"{f}\"; filename=\"a\\\".php\""),
        (400, "form-data; name=\"{f}\"; filename=\"a.png\\\""),
        (400, "form-data; name*=utf-8''{f}; filename=\"a.png\""),
        (400, "form-data; name=\"{f}\"; filename*=utf-8''a.png"),
        (
            400,
            "form-data; name=\"{f}\"; filename*=utf-8''evil.php; filename=\"a.png\"",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=utf-8''evil.php",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=latin-1''a.png",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=utf-8''%zz.png",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=utf-8''%ff.png",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=utf-8''..%2Fa.png",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename*0=\"a.\"; filename*1=\"png\"",
        ),
        (400, "form-data; name=\"{f}\"; filename=\"a\u{1}.png\""),
        (422, "form-data; name=\"{f}\""),
        (422, "form-data; name=\"_charset_\""),
        (422, "form-data; name=\"unknown\"; filename=\"a.png\""),
        (422, "form-data; name=\"{f}[0][x]\"; filename=\"a.png\""),
    ] {
        cases.disposition(status, disposition);
    }
    let long = format!(
        "form-data; name=\"{}\"; filename=\"a.png\"",
        "n".repeat(101)
    );
    cases.disposition(422, &long);
    let deep = format!(
        "form-data; name=\"{{f}}{}\"; filename=\"a.png\"",
        "[a]".repeat(20)
    );
    cases.disposition(422, &deep);
    if cases.form.text.is_some() {
        cases.disposition(422, "form-data; name=\"{t}\"; filename=\"a.png\"");
        texts(cases);
    }
}

fn texts(cases: &mut Cases<'_>) {
    const TEXT: &str = "--B|Content-Disposition: form-data; name=\"{t}\"||";
    let file = |template: &str| {
        format!(
            "{template}|--B|Content-Disposition: form-data; name=\"{{f}}\"; filename=\"a.png\"|Content-Type: image/png||{{png}}|--B--|"
        )
    };
    let with = |header: &str| TEXT.replace("||", &format!("|{header}||"));
    for (status, name, template) in [
        (200, "a text", format!("{TEXT}hello")),
        (200, "an empty text", TEXT.to_owned()),
        (200, "a text in another script", format!("{TEXT}žluť")),
        (200, "a text of line ends", format!("{TEXT}||||")),
        (200, "a text of dashes", format!("{TEXT}------")),
        (
            200,
            "a text that says it is UTF-8",
            with("Content-Type: text/plain; charset=UTF-8") + "hello",
        ),
        (415, "a text that is none", format!("{TEXT}a{{ff}}b")),
        (
            415,
            "a text that ends in a character",
            format!("{TEXT}a{{ff}}"),
        ),
        (415, "a text with a NUL", format!("{TEXT}a\0b")),
        (
            415,
            "a text in another encoding",
            with("Content-Type: text/plain; charset=utf-7") + "hello",
        ),
        (
            415,
            "a text that is a page",
            with("Content-Type: text/html") + "hello",
        ),
        (422, "a text twice", format!("{TEXT}a|{TEXT}b")),
    ] {
        cases.form(status, name, &file(&template));
    }
}
