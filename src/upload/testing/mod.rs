//! Uploads for tests, good ones and bad ones, to try against your own service.
//!
//! Describe the form of a route with a [`TestForm`], send each
//! [`UploadCase`], and check the answer. The cases are the ways in which
//! multipart parsers were made to see another file than the one that was
//! checked, with the status that each must get.
//!
//! # What it does not stop
//!
//! Nothing: it finds out what your service does not stop.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::upload::testing::TestForm;
//! use tower_rampart::upload::{FileRule, UploadBody, UploadLayer};
//!
//! let layer = UploadLayer::multipart().file("photo", FileRule::images()).build()?;
//! let service = layer.layer(service_fn(|request: Request<UploadBody<Full<Bytes>>>| async {
//!     request.into_body().collect().await.map_err(std::io::Error::other)?;
//!     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default()))
//! }));
//! for case in TestForm::new("photo").cases() {
//!     let answer = service.clone().oneshot(case.request("/").map(Full::from)).await?;
//!     case.check(answer.status())?;
//! }
//! # Ok(())
//! # }
//! ```

mod dispositions;
mod files;
mod grammar;
mod headers;
mod limits;
mod pictures;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use thiserror::Error;

/// What a route accepts: at most one PNG or JPEG, and perhaps a text.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestForm {
    file: String,
    text: Option<String>,
    max_text_bytes: Option<usize>,
    max_file_bytes: Option<usize>,
    max_pixels: Option<u64>,
}

impl TestForm {
    /// Describes a form with a file field for pictures.
    ///
    /// # Panics
    ///
    /// If the name has a brace or a `|`.
    pub fn new(file_field: impl Into<String>) -> Self {
        Self {
            file: plain(file_field.into()),
            text: None,
            max_text_bytes: None,
            max_file_bytes: None,
            max_pixels: None,
        }
    }

    /// Adds a text field that holds up to so many bytes, 16 at least.
    ///
    /// # Panics
    ///
    /// If the name has a brace or a `|`.
    pub fn text(mut self, field: impl Into<String>, max_bytes: usize) -> Self {
        self.text = Some(plain(field.into()));
        self.max_text_bytes = Some(max_bytes);
        self
    }

    /// Says how large the file may be, 100 bytes at least, for cases that are one
    /// byte larger. They are made in memory.
    pub fn max_file_bytes(mut self, bytes: usize) -> Self {
        self.max_file_bytes = Some(bytes.max(pictures::PNG.len()));
        self
    }

    /// Says how many pixels a picture may have, for cases that have more.
    pub fn max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = Some(pixels);
        self
    }

    /// Writes all cases.
    #[must_use]
    pub fn cases(&self) -> Vec<UploadCase> {
        let mut cases = Cases {
            form: self,
            list: Vec::new(),
        };
        headers::add(&mut cases);
        grammar::add(&mut cases);
        dispositions::add(&mut cases);
        files::add(&mut cases);
        limits::add(&mut cases);
        cases.list
    }
}

/// Names stand in templates, where these mean something.
fn plain(name: String) -> String {
    assert!(
        !name.contains(['{', '}', '|']),
        "a field name without braces and |"
    );
    name
}

/// A request, and the status it must get.
#[derive(Clone, Debug)]
pub struct UploadCase {
    name: String,
    headers: HeaderMap,
    body: Vec<u8>,
    expected: Option<StatusCode>,
}

impl UploadCase {
    /// Returns what is tried, in a few words.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the headers that describe the body.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the status of the refusal, or `None` if it has to be accepted.
    #[must_use]
    pub fn expected(&self) -> Option<StatusCode> {
        self.expected
    }

    /// Writes the request, a `POST`.
    ///
    /// # Panics
    ///
    /// If `uri` is none.
    #[must_use]
    pub fn request(&self, uri: &str) -> Request<Bytes> {
        let mut request = Request::post(uri)
            .body(Bytes::copy_from_slice(&self.body))
            .expect("a URI");
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Checks an answer.
    ///
    /// # Errors
    ///
    /// [`WrongAnswer`] if the case got another status.
    pub fn check(&self, status: StatusCode) -> Result<(), WrongAnswer> {
        let right = self
            .expected
            .map_or(status.is_success(), |expected| status == expected);
        if right {
            return Ok(());
        }
        let expected = self.expected.map_or("any 2xx".to_owned(), |expected| {
            expected.as_u16().to_string()
        });
        Err(WrongAnswer {
            case: self.name.clone(),
            status,
            expected,
        })
    }
}

/// A case got another status than it must.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{case}: answered {}, not {expected}", status.as_u16())]
pub struct WrongAnswer {
    case: String,
    status: StatusCode,
    expected: String,
}

/// The media type that most cases declare.
const FORM: &str = "multipart/form-data; boundary=B";

/// Cases as they are written.
struct Cases<'a> {
    form: &'a TestForm,
    list: Vec<UploadCase>,
}

impl Cases<'_> {
    /// Adds a case; status 200 stands for any success.
    fn add(&mut self, status: u16, name: impl Into<String>, content_type: &str, body: Vec<u8>) {
        self.add_with(status, name, &[(CONTENT_TYPE, content_type)], body);
    }

    fn add_with(
        &mut self,
        status: u16,
        name: impl Into<String>,
        headers: &[(HeaderName, &str)],
        body: Vec<u8>,
    ) {
        let status = StatusCode::from_u16(status).expect("a status");
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a legal value");
            (name.clone(), value)
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        self.list.push(UploadCase {
            name: name.into(),
            headers: map,
            body,
            expected: (!status.is_success()).then_some(status),
        });
    }

    /// Adds a form by a template; see [`Cases::body`].
    fn form(&mut self, status: u16, name: impl Into<String>, template: &str) {
        let body = self.body(template);
        self.add(status, name, FORM, body);
    }

    /// Adds a form with one file, by its declared type, which may be missing.
    fn file(&mut self, status: u16, filename: &str, declared: &str, content: &[u8]) {
        let kind = match declared {
            "" => String::new(),
            declared => format!("|Content-Type: {declared}"),
        };
        let mut body = self.body(&format!(
            "--B|Content-Disposition: form-data; name=\"{{f}}\"; filename=\"{filename}\"{kind}||"
        ));
        body.extend(content);
        body.extend(b"\r\n--B--\r\n");
        let start = String::from_utf8_lossy(&content[..content.len().min(12)]).into_owned();
        let name = format!("{filename:?} declared as {declared:?}, content {start:?}");
        self.add(status, name, FORM, body);
    }

    /// Adds a form with one part whose disposition is given.
    fn disposition(&mut self, status: u16, disposition: &str) {
        let template = format!("--B|Content-Disposition: {disposition}||{{png}}|--B--|");
        self.form(status, format!("disposition {disposition}"), &template);
    }

    /// Writes a body: `|` is CRLF, `{png}` and `{jpeg}` are pictures, `{f}` and
    /// `{t}` the names of the fields, `{ff}` is a byte that no text has.
    fn body(&self, template: &str) -> Vec<u8> {
        let text = self.form.text.as_deref().unwrap_or_default();
        let template = template
            .replace('|', "\r\n")
            .replace("{f}", &self.form.file)
            .replace("{t}", text);
        let mut bytes = Vec::new();
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            bytes.extend(before.as_bytes());
            let (name, after) = after.split_once('}').expect("a closed brace");
            bytes.extend(match name {
                "png" => pictures::PNG,
                "jpeg" => pictures::JPEG,
                "ff" => b"\xff",
                other => panic!("{{{other}}} stands for nothing"),
            });
            rest = after;
        }
        bytes.extend(rest.as_bytes());
        bytes
    }
}
