//! An attack, and the answer it must get.

use std::fmt;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use thiserror::Error;

use super::{TestKeys, claim_attacks, header_attacks, key_attacks, wire_attacks};

/// A request that must be refused.
#[derive(Clone)]
pub struct Attack {
    name: String,
    authorization: Vec<HeaderValue>,
    query: String,
    expected: StatusCode,
    code: &'static str,
}

/// A service let an attack pass, or answered it badly.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{attack}: {what}")]
pub struct Survived {
    attack: String,
    what: String,
}

impl Attack {
    /// A token in its usual place that must be answered 401 `token_invalid`.
    pub(super) fn token(name: impl Into<String>, token: impl AsRef<str>) -> Self {
        let mut attack = Self::raw(name, format!("Bearer {}", token.as_ref()));
        attack.expected = StatusCode::UNAUTHORIZED;
        attack.code = "token_invalid";
        attack
    }

    /// A field that must be answered 400 `invalid_request`.
    pub(super) fn raw(name: impl Into<String>, authorization: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(authorization.as_ref());
        Self {
            name: name.into(),
            authorization: value.into_iter().collect(),
            query: String::new(),
            expected: StatusCode::BAD_REQUEST,
            code: "invalid_request",
        }
    }

    /// Adds a field.
    pub(super) fn and(mut self, authorization: impl AsRef<[u8]>) -> Self {
        self.authorization
            .extend(HeaderValue::from_bytes(authorization.as_ref()));
        self
    }

    /// Sends a token in the query instead, which is no place for one.
    pub(super) fn query(name: &str, token: &str) -> Self {
        Self {
            name: name.to_owned(),
            authorization: Vec::new(),
            query: format!("access_token={token}"),
            expected: StatusCode::UNAUTHORIZED,
            code: "token_missing",
        }
    }

    /// Expects another code, with 401.
    pub(super) fn answered(mut self, code: &'static str) -> Self {
        self.expected = StatusCode::UNAUTHORIZED;
        self.code = code;
        self
    }

    /// Returns what is tried.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the status that the attack must be answered with.
    #[must_use]
    pub fn expected_status(&self) -> StatusCode {
        self.expected
    }

    /// Returns the code that the layer of this crate answers with.
    #[must_use]
    pub fn expected_code(&self) -> &'static str {
        self.code
    }

    /// Returns the `Authorization` fields.
    #[must_use]
    pub fn authorization(&self) -> &[HeaderValue] {
        &self.authorization
    }

    /// Makes the request, a `GET` of a path.
    #[must_use]
    pub fn request<B>(&self, path: &str, body: B) -> Request<B> {
        let mut request = Request::new(body);
        let target = if self.query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", self.query)
        };
        if let Ok(uri) = target.parse() {
            *request.uri_mut() = uri;
        }
        for value in &self.authorization {
            request.headers_mut().append(AUTHORIZATION, value.clone());
        }
        request
    }

    /// Checks the answer: the status, and a `Bearer` challenge that says no
    /// more than RFC 6750 §3.1 wants said. 431 is as good for tokens that a
    /// server finds too large.
    ///
    /// # Errors
    ///
    /// [`Survived`] with what is wrong.
    pub fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), Survived> {
        let wrong = |what: String| Survived {
            attack: self.name.clone(),
            what,
        };
        let large = self
            .authorization
            .iter()
            .any(|value| value.len() > 8 * 1024);
        if large && status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
            return Ok(());
        }
        if status != self.expected {
            return Err(wrong(format!("answered {status}, not {}", self.expected)));
        }
        let challenge = headers.get(WWW_AUTHENTICATE).map(HeaderValue::as_bytes);
        let challenge = String::from_utf8_lossy(challenge.unwrap_or_default());
        if !challenge.starts_with("Bearer") {
            return Err(wrong("there is no Bearer challenge".to_owned()));
        }
        let error = match self.code {
            "token_missing" => None,
            "invalid_request" => Some("error=\"invalid_request\""),
            _ => Some("error=\"invalid_token\""),
        };
        match error {
            Some(error) if !challenge.contains(error) => {
                Err(wrong(format!("the challenge lacks {error}")))
            }
            None if challenge.contains("error=") => Err(wrong(
                "the challenge names an error, though nothing was sent".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attack").field(&self.name).finish()
    }
}

/// The published attacks, made for one key. It iterates over them.
#[derive(Clone, Debug)]
pub struct Attacker(std::vec::IntoIter<Attack>);

impl Attacker {
    /// Makes the attacks for the key that a service verifies with, and for what
    /// its tokens say.
    #[must_use]
    pub fn new(keys: &TestKeys) -> Self {
        let mut attacks = wire_attacks::attacks(keys);
        attacks.extend(header_attacks::attacks(keys));
        attacks.extend(key_attacks::attacks(keys));
        attacks.extend(claim_attacks::attacks(keys));
        Self(attacks.into_iter())
    }
}

impl Iterator for Attacker {
    type Item = Attack;

    fn next(&mut self) -> Option<Attack> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Attacker {}
