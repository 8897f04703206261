//! JSON in: strict, small, and with errors that say what to send.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode, request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tower_rampart::password::{Password, PasswordTooLong};
use zeroize::Zeroizing;

use crate::respond::ApiError;

/// A JSON body. Members that are not known are refused.
#[derive(Debug)]
pub(crate) struct Input<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        if !is_json(request.headers().get(CONTENT_TYPE)) {
            return Err(send_json());
        }
        if let Some(refusal) = coded(request.headers()) {
            return Err(refusal);
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| rejection.status().into_response())?;
        parse(&bytes).map_err(ApiError::into_response).map(Self)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalInput<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalInput<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let json = is_json(request.headers().get(CONTENT_TYPE));
        if let Some(refusal) = coded(request.headers()) {
            return Err(refusal);
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| rejection.status().into_response())?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !json {
            return Err(send_json());
        }
        parse(&bytes).map_err(ApiError::into_response).map(Self)
    }
}

fn send_json() -> Response {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    ApiError::new(status, "unsupported_media_type", "send application/json").into_response()
}

/// Refuses what is compressed; the answer says which codings are taken (RFC 9110 §15.5.16).
fn coded(headers: &HeaderMap) -> Option<Response> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return None;
    }
    let refused = ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send the body as it is, without Content-Encoding",
    );
    Some(([(ACCEPT_ENCODING, "identity")], refused).into_response())
}

fn is_json(content_type: Option<&http::HeaderValue>) -> bool {
    let essence = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Tells whether a text holds a file: `data:TYPE;base64,…` (RFC 2397).
fn holds_a_file(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.split("\"data:").skip(1).any(|rest| {
        let value = rest.split('"').next().unwrap_or_default();
        value
            .split(',')
            .next()
            .is_some_and(|kind| kind.ends_with(";base64"))
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if holds_a_file(bytes) {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "data_url",
            "files are no part of JSON; send them to POST /api/images as multipart/form-data",
        ));
    }
    let text = std::str::from_utf8(bytes);
    let Ok(text) = text.map(|text| text.trim_start_matches([' ', '\t', '\r', '\n'])) else {
        // RFC 8259, section 8.1.
        return Err(invalid_json("the body is not UTF-8"));
    };
    // A list of the members in their order would be read as well.
    if text.starts_with('[') {
        return Err(invalid_members());
    }
    serde_json::from_str(text).map_err(|error| {
        // What is no JSON at all is told apart from a member of another type, for which some
        // types complain as if it were none.
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        if error.is_data() || is_json {
            invalid_members()
        } else {
            invalid_json("the body is not JSON")
        }
    })
}

fn invalid_json(detail: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", detail)
}

/// Never names the value: it may be a password.
fn invalid_members() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_members",
        "a member is missing, unknown or of the wrong type",
    )
}

/// A typed password, which may be too long to be one.
#[derive(Debug)]
pub(crate) struct Typed(pub(crate) Result<Password, PasswordTooLong>);

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Ok(Self(Password::new(text.as_str())))
    }
}

/// A text that is read by people, in one line.
#[derive(Debug)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.chars().count() > 500 || text.chars().any(char::is_control) {
            return Err(serde::de::Error::custom(
                "not one line of at most 500 characters",
            ));
        }
        Ok(Self(text))
    }
}

/// An address as it is stored: trimmed, in lower case.
///
/// # Errors
///
/// 422 if it cannot be a mail address.
pub(crate) fn email(text: &str) -> Result<String, ApiError> {
    let email = text.trim().to_lowercase();
    // RFC 5321, section 4.5.3.1; and what no mail could be sent to is no address here.
    let plausible = email.len() <= 254
        && email.rsplit_once('@').is_some_and(|(local, domain)| {
            local.len() <= 64 && domain.contains('.') | (domain == "localhost")
        })
        && !email.contains(['"', '['])
        && email.parse::<lettre::Address>().is_ok();
    if plausible {
        return Ok(email);
    }
    Err(ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_email",
        "this is not a mail address",
    ))
}

/// Whether the caller's token came in a header, so that answers give tokens in
/// bodies instead of cookies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsesBearer(pub bool);

impl<S: Sync> FromRequestParts<S> for UsesBearer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        head: &mut request::Parts,
        _state: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(head.headers.contains_key(http::header::AUTHORIZATION)))
    }
}
