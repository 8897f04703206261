//! What the head of the request says.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::{Cases, FORM};

pub(super) fn add(cases: &mut Cases<'_>) {
    const PICTURE: &str = "|Content-Disposition: form-data; name=\"{f}\"; filename=\"a.png\"|Content-Type: image/png||{png}|";
    let by = |boundary: &str| format!("--{boundary}{PICTURE}--{boundary}--|");
    let long = "b".repeat(71);
    let seventy = "'()+_,-./:=?0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU9";
    for (status, content_type, boundary) in [
        (200, FORM, "B"),
        (200, "Multipart/Form-Data; Boundary=B", "B"),
        (200, "multipart/form-data; boundary=\"B\"", "B"),
        (200, "multipart/form-data; charset=utf-8; boundary=B", "B"),
        (200, "multipart/form-data; boundary=\"a b\"", "a b"),
        (
            200,
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
        (
            200,
            &format!("multipart/form-data; boundary=\"{seventy}\""),
            seventy,
        ),
        (400, "multipart/form-data", "B"),
        (400, "multipart/form-data; boundary=", ""),
        (400, "multipart/form-data; boundary=\"\"", ""),
        (400, "multipart/form-data; boundary=A; boundary=B", "B"),
        (400, "multipart/form-data; boundary=B; boundary=B", "B"),
        (400, "multipart/form-data; boundary=\"A\", boundary=B", "B"),
        (
            400,
            "multipart/form-data; boundary=B, multipart/form-data; boundary=C",
            "B",
        ),
        (400, &format!("multipart/form-data; boundary={long}"), &long),
        (400, "multipart/form-data; boundary=a!b", "a!b"),
        (400, "multipart/form-data; boundary=\"B \"", "B "),
        (400, "multipart/form-data; boundary=a\"b", "a\"b"),
        (400, "multipart/form-data; boundary=\"B", "B"),
        (400, "multipart/form-data; boundary=B\"", "B"),
        (400, "multipart/form-data; boundary=\"a\\b\"", "ab"),
        (400, "multipart/form-data; boundary=a b", "a b"),
        (400, "multipart/form-data; boundary*=UTF-8''B", "B"),
        (400, "multipart/form-data; boundary*0=A; boundary*1=B", "AB"),
        (400, "multipart/form-data; boundary123=B", "B"),
        (415, "multipart/form-data boundary=B", "B"),
        (415, "multipart/form-data; charset=utf-7; boundary=B", "B"),
        (415, "multipart/mixed; boundary=B", "B"),
        (415, "multipart/form-dataX; boundary=B", "B"),
        (415, "application/x-www-form-urlencoded", "B"),
        (415, "application/json", "B"),
        (415, "", "B"),
    ] {
        let body = cases.body(&by(boundary));
        cases.add(
            status,
            format!("content type {content_type:?}"),
            content_type,
            body,
        );
    }
    let body = || b"--B--\r\n".to_vec();
    cases.add_with(415, "no content type", &[], body());
    let twice = [
        (CONTENT_TYPE, FORM),
        (CONTENT_TYPE, "multipart/form-data; boundary=C"),
    ];
    cases.add_with(400, "two content types", &twice, body());
    for coding in ["gzip", "identity, gzip", "x-gzip", "br"] {
        let coded = [(CONTENT_TYPE, FORM), (CONTENT_ENCODING, coding)];
        cases.add_with(415, format!("content coding {coding}"), &coded, body());
    }
}
