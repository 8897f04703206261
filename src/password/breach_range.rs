//! Asking a service whether a password was leaked, without telling it which.

use std::fmt::Write as _;
use std::time::Duration;

use http::{StatusCode, Uri};
use zeroize::Zeroizing;

use super::breach::{BreachAnswer, BreachChecker, BreachError, BreachErrorKind, digest, read_line};
use super::scheme::Password;

const NO_ANSWER: &str = "the service for leaked passwords gave no usable answer";
const NO_URL: &str = "a service for leaked passwords has a URL of HTTPS, or of HTTP on this machine, \
                      that ends with a slash; write https://HOST/range/";

/// The longest answer that is read, in bytes; a padded one has some 50 KiB.
const MAX_ANSWER: usize = 1 << 20;

/// Asks a service that knows leaked passwords, as Have I Been Pwned does, which is
/// the default. It learns the first 20 bits of the SHA-1 of the password, which some
/// thousand leaked passwords share, and whatever a request tells of a server.
///
/// # Examples
///
/// ```no_run
/// use tower_rampart::password::{BreachChecker as _, BreachRange, Password};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let leaked = BreachRange::new()?.is_breached(&Password::new("correct horse battery staple")?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BreachRange {
    client: reqwest::Client,
    url: String,
}

impl BreachRange {
    /// Asks `https://api.pwnedpasswords.com/range/`.
    ///
    /// # Errors
    ///
    /// If the system's certificates cannot be read.
    pub fn new() -> Result<Self, BreachError> {
        Self::at("https://api.pwnedpasswords.com/range/")
    }

    /// Asks another service with the same interface. The five digits are added to
    /// the URL.
    ///
    /// # Errors
    ///
    /// If the URL is none of HTTPS, or of HTTP on this machine, or does not end with a
    /// slash; if the system's certificates cannot be read.
    pub fn at(url: &str) -> Result<Self, BreachError> {
        let parsed: Option<Uri> = url.parse().ok();
        let scheme = parsed.as_ref().and_then(Uri::scheme_str);
        let host = parsed.as_ref().and_then(Uri::host).unwrap_or_default();
        let local = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        let safe = scheme == Some("https") || (scheme == Some("http") && local);
        if !safe || !url.ends_with('/') || url.contains(['#', '@']) {
            return Err(BreachError::new(BreachErrorKind::Misconfigured, NO_URL));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(3))
            .user_agent("tower-rampart")
            .build();
        Ok(Self {
            client: client.map_err(failed)?,
            url: url.to_owned(),
        })
    }

    async fn ask(&self, digest: Zeroizing<[u8; 20]>) -> Result<bool, BreachError> {
        let mut digits = Zeroizing::new(String::with_capacity(40));
        for byte in *digest {
            write!(digits, "{byte:02X}")
                .map_err(|error| BreachError::unavailable(NO_ANSWER, error))?;
        }
        let (first, rest) = digits.split_at(5);
        let request = self.client.get(format!("{}{first}", self.url));
        // Answers of one length do not tell who watches the line which range it was.
        let request = request.header("add-padding", "true");
        let mut answer = request.send().await.map_err(failed)?;
        if answer.status() != StatusCode::OK {
            return Err(BreachError::new(BreachErrorKind::Unavailable, NO_ANSWER));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(no_answer());
            }
        }
        let text = std::str::from_utf8(&body).map_err(|_| no_answer())?;
        // There is no range without a password in it.
        if text.trim().is_empty() {
            return Err(no_answer());
        }
        let mut found = false;
        for line in text.lines() {
            let (_, count) = read_line(&format!("{first}{line}")).ok_or_else(no_answer)?;
            let same = line
                .get(..35)
                .is_some_and(|tail| tail.eq_ignore_ascii_case(rest));
            found |= same && count != Some(0);
        }
        Ok(found)
    }
}

impl BreachChecker for BreachRange {
    fn is_breached<'a>(&'a self, password: &'a Password) -> BreachAnswer<'a> {
        Box::pin(self.ask(digest(password)))
    }
}

/// The URL holds a part of the password's digest.
fn failed(error: reqwest::Error) -> BreachError {
    BreachError::unavailable(NO_ANSWER, error.without_url())
}

fn no_answer() -> BreachError {
    BreachError::new(BreachErrorKind::Malformed, NO_ANSWER)
}
