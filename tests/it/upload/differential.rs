//! What the layer accepts, other parsers read as the layer does.
//!
//! Messages are mutated with a fixed seed, 100,000 of them, or as many as
//! `RAMPART_TEST_MESSAGES` says.

use std::convert::Infallible;
use std::io::Write as _;
use std::process::{Command, Stdio};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, Service};
use tower_rampart::upload::{
    FileRule, Kind, TextRule, UploadBody, UploadLayer, UploadReport, UploadSummary,
};

use super::tokio_stream;
use crate::services::skipped;

/// Numbers that are the same each time (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).expect("31 bits") % limit
    }
}

/// What messages are put together from, and what is put in between.
const PIECES: &[&str] = &[
    "--B\r\n",
    "--B--\r\n",
    "--B--",
    "--B",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "-",
    "--",
    ";",
    " ",
    "\t",
    "\"",
    "'",
    "\\",
    "=",
    ":",
    "x",
    "name",
    "filename",
    "filename*",
    "name=\"title\"",
    "name=\"file\"",
    "; name=\"title\"",
    "; filename=\"a.png\"",
    "; filename=\"b.txt\"",
    "; filename*=utf-8''a.png",
    "; filename=\"\"",
    "form-data",
    "Content-Disposition",
    "Content-Disposition: form-data",
    ": ",
    "Content-Type: text/plain\r\n",
    "Content-Type: image/png\r\n",
    "content-type:image/x-png\r\n",
    "Content-Type: text/plain; charset=utf-8\r\n",
    "Content-Transfer-Encoding: binary\r\n",
    "X-Y: z\r\n",
    "\u{89}",
    "PNG",
    "GIF89a",
    "hello",
    "ä",
    "\0",
    "%22",
    "%0d",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    "@",
    "--A",
    "\r\n--",
    "\r\n--B",
    "filename=\"x; filename=y\"",
    "; x=\"y\"",
    "text",
    "a.png",
    ".png",
];

const STARTS: &[&str] = &[
    "Content-Disposition: form-data; name=\"title\"\r\n\r\nhello",
    "Content-Disposition: form-data; name=\"title\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello",
    "Content-Disposition: form-data; name=\"title\"\r\n\r\n",
    "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello, world of texts",
    "Content-Disposition: form-data; name=\"file\"; filename=\"a.gif\"\r\nContent-Type: image/gif\r\n\r\nGIF89a\x01\0\x01\0\0\0\0;",
    "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"; filename*=utf-8''a.txt\r\n\r\nhello",
    "Content-Disposition: form-data; name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n",
    "Content-Type: text/plain\r\nX-Y: z\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\n\r\n\r\n--\r\n-B",
    "content-disposition:form-data;name=\"title\"\r\n\r\n--B\n",
];

/// A form of up to three parts, with up to five changes.
fn message(numbers: &mut Numbers) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..=numbers.below(3) {
        message.extend(b"--B\r\n");
        message.extend(STARTS[numbers.below(STARTS.len())].as_bytes());
        message.extend(b"\r\n");
    }
    message.extend(b"--B--\r\n");
    for _ in 0..numbers.below(6) {
        let at = numbers.below(message.len() + 1);
        let removed = (numbers.below(3) * numbers.below(12)).min(message.len() - at);
        let piece = match numbers.below(4) {
            0 => "",
            _ => PIECES[numbers.below(PIECES.len())],
        };
        message.splice(at..at + removed, piece.bytes());
    }
    message
}

fn form() -> UploadLayer {
    let kinds = [Kind::Gif, Kind::Png, Kind::Text];
    UploadLayer::multipart()
        .file("file", FileRule::kinds(kinds).max_count(3))
        .text("title", TextRule::max_bytes(1_000).max_count(3))
        .canonical()
        .sha256()
        .build()
        .expect("valid")
}

/// What the layer says of a message, and the message with canonical headers.
async fn judged(layer: &UploadLayer, message: &[u8]) -> Option<(UploadSummary, Vec<u8>)> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut service = layer.layer(tower::service_fn(
        move |mut request: Request<UploadBody<Full<Bytes>>>| {
            let sender = sender.clone();
            async move {
                let report = request.extensions_mut().remove::<UploadReport>();
                let read = request.into_body().collect().await.expect("no error");
                let summary = report.expect("a report").verdict().await.expect("accepted");
                sender
                    .send((summary, read.to_bytes().to_vec()))
                    .expect("waited for");
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        },
    ));
    let request = Request::post("/")
        .header("content-type", "multipart/form-data; boundary=B")
        .body(Full::new(Bytes::copy_from_slice(message)))
        .expect("legal");
    let answer = service.call(request).await.expect("never fails");
    (answer.status() == StatusCode::OK).then(|| receiver.recv().expect("sent"))
}

/// Name, file name and content of each part, as multer reads them.
type Parts = Vec<(Option<String>, Option<String>, Bytes)>;

async fn by_multer(message: &[u8], size: usize) -> multer::Result<Parts> {
    let chunks = message.chunks(size);
    let chunks = chunks.map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk)));
    let mut form = multer::Multipart::new(tokio_stream(chunks.collect()), "B");
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await? {
        let name = field.name().map(str::to_owned);
        let filename = field.file_name().map(str::to_owned);
        parts.push((name, filename, field.bytes().await?));
    }
    Ok(parts)
}

/// Compares what a parser read with what the layer says.
#[track_caller]
fn compare(summary: &UploadSummary, parts: &Parts, message: &[u8]) {
    let text = || String::from_utf8_lossy(message).into_owned();
    // An input left empty is a part to a parser, and none to the layer.
    let chosen = parts
        .iter()
        .filter(|(_, filename, content)| filename.as_deref() != Some("") || !content.is_empty());
    let ours: Vec<_> = summary
        .parts()
        .iter()
        .map(|part| {
            let file = part.file().and_then(|file| file.name());
            (part.field(), file, part.bytes())
        })
        .collect();
    let theirs: Vec<_> = chosen
        .clone()
        .map(|(name, filename, content)| {
            (name.as_deref(), filename.as_deref(), content.len() as u64)
        })
        .collect();
    assert_eq!(ours, theirs, "{:?}", text());
    for (part, (_, _, content)) in summary.parts().iter().zip(chosen) {
        if let Some(file) = part.file() {
            assert_eq!(file.sha256(), Some(sha256(content)), "{:?}", text());
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

fn count() -> usize {
    let wanted = std::env::var("RAMPART_TEST_MESSAGES");
    wanted.map_or(100_000, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn multer_reads_what_is_accepted_as_the_layer_does() {
    let layer = form();
    let mut numbers = Numbers(0x5eed);
    let mut accepted = 0;
    for _ in 0..count() {
        let message = message(&mut numbers);
        let Some((summary, canonical)) = judged(&layer, &message).await else {
            continue;
        };
        accepted += 1;
        let size = 1 + numbers.below(message.len());
        let parts = by_multer(&message, size).await;
        let parts = parts.unwrap_or_else(|error| {
            panic!("{error}: {:?}", String::from_utf8_lossy(&message));
        });
        compare(&summary, &parts, &message);
        assert_eq!(by_multer(&canonical, size).await.expect("readable"), parts);
    }
    assert!(accepted > count() / 10, "{accepted}");
}

/// Reads lines of hexadecimal bodies, and writes what is in them as JSON.
const PYTHON: &str = r#"
import json, sys
import python_multipart as m

for line in sys.stdin:
    parts = []
    def field(f):
        parts.append([f.field_name.decode(), None, (f.value or b"").hex()])
    def file(f):
        f.file_object.seek(0)
        name = None if f.file_name is None else f.file_name.decode()
        parts.append([f.field_name.decode(), name, f.file_object.read().hex()])
    parser = m.FormParser("multipart/form-data", field, file, boundary=b"B")
    body = bytes.fromhex(line)
    parser.write(body)
    parser.finalize()
    print(json.dumps(parts))
"#;

#[tokio::test]
async fn python_multipart_reads_what_is_accepted_as_the_layer_does() {
    let python = |script: &str| {
        let mut command = Command::new("python3");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    };
    let found = python("import python_multipart")
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        return skipped("python-multipart");
    }
    let layer = form();
    let mut numbers = Numbers(0xd1ff);
    let (mut lines, mut summaries) = (String::new(), Vec::new());
    while summaries.len() < 5_000 {
        let message = message(&mut numbers);
        if let Some((summary, _)) = judged(&layer, &message).await {
            lines += &message
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>();
            lines += "\n";
            summaries.push((summary, message));
        }
    }
    let mut child = python(PYTHON).spawn().expect("it was there");
    let mut input = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("all was read");
    assert!(output.status.success(), "it refuses what the layer accepts");
    let answers = String::from_utf8(output.stdout).expect("text");
    assert_eq!(answers.lines().count(), summaries.len());
    for (line, (summary, message)) in answers.lines().zip(&summaries) {
        let parts: Vec<[Value; 3]> = serde_json::from_str(line).expect("JSON");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let bytes = |value: &Value| {
            let digits = value.as_str().expect("text").as_bytes();
            let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit");
            let pairs = digits
                .chunks(2)
                .map(|pair| digit(pair[0]) * 16 + digit(pair[1]));
            pairs
                .map(|byte| u8::try_from(byte).expect("two digits"))
                .collect()
        };
        let parts = parts
            .iter()
            .map(|[name, filename, content]| (text(name), text(filename), bytes(content)));
        compare(summary, &parts.collect(), message);
    }
}
