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
            "a line of boundaries",
            format!("{FILE}{{png}}{}|--B--|", "--B".repeat(50)),
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
            FILE.replace("||", "|X-Y: z||") + "{png}|--B--|",
        ),
        (
            200,
            "a length, as some clients say",
            FILE.replace("||", "|Content-Length: 69||") + "{png}|--B--|",
        ),
        (
            400,
            "another length",
            FILE.replace("||", "|Content-Length: 68||") + "{png}|--B--|",
        ),
        (
            400,
            "a length that is none",
            FILE.replace("||", "|Content-Length: +69||") + "{png}|--B--|",
        ),
        (
            415,
            "a content encoding",
            FILE.replace("||", "|Content-Encoding: gzip||") + "{png}|--B--|",
        ),
        (
            415,
            "a picture in another encoding",
            FILE.replace("image/png", "image/png; charset=utf-16") + "{png}|--B--|",
        ),
    ] {
        cases.form(status, name, &template);
    }
}
