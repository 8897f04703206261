//! What a part is called, and what texts say.

use super::Cases;

pub(super) fn add(cases: &mut Cases<'_>) {
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
            "form-data; name=\"{f}\"; filename=\"ä.png\"; filename*=UTF-8''%C3%A4.png",
        ),
        (
            400,
            "form-data; name=\"{f}\"; filename=\"a.png\"; filename*=UTF-8''b.png",
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
            200,
            "a text that says it is ASCII",
            with("Content-Type: text/plain; charset=us-ascii") + "hello",
        ),
        (
            415,
            "a text that says it is ASCII and is not",
            with("Content-Type: text/plain; charset=us-ascii") + "é",
        ),
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
