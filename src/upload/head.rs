//! What the head of a request already tells.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::{Method, Version, request};
use http_body::Body;

use super::inspector::Inspector;
use super::part::is_utf8;
use super::rules::{Content, FileRule, Rules};
use super::violation::Violation;
use crate::wire::media_type::MediaType;

/// Chooses how to judge a body; `None` if there is none to judge.
pub(super) fn inspector(
    rules: &Arc<Rules>,
    head: &request::Parts,
    body: &impl Body,
) -> Result<Option<Inspector>, Violation> {
    let size = body.size_hint();
    if size.exact() == Some(0) || body.is_end_stream() || has_no_body(head) {
        // None of these has a body to be judged (RFC 9110 §9.3).
        let methods = [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::DELETE,
            Method::TRACE,
        ];
        if methods.contains(&head.method) {
            return Ok(None);
        }
    }
    let mut encodings = head.headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Violation::ContentEncoding);
    }
    let inspector = match &rules.content {
        Content::Raw(rule) => Inspector::raw(rule.clone(), raw_type(rule, head)?, rules.sha256),
        Content::Multipart(_) => Inspector::multipart(rules.clone(), &boundary(head)?),
    };
    let declared = declared_length(head);
    if rules.require_length && declared.is_none() && size.exact().is_none() {
        return Err(Violation::LengthRequired);
    }
    if declared.unwrap_or(0).max(size.lower()) > rules.max_total_bytes {
        return Err(Violation::BodyTooLarge {
            limit: rules.max_total_bytes,
        });
    }
    Ok(Some(inspector))
}

/// How a refused body is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Farewell {
    /// Read on for a while, so that the client gets to reading.
    pub(super) drain: bool,
    /// Say that the connection will be closed.
    pub(super) close: bool,
}

/// `left` is how much of the body is still to come, if that is known.
///
/// HTTP/2 resets the stream on its own. A client that waits for `100 Continue`
/// and will not get it may never send the body, so reading on would hang.
pub(super) fn farewell(
    head: &request::Parts,
    polled: bool,
    left: Option<u64>,
    cap: u64,
) -> Farewell {
    if head.version == Version::HTTP_2 || head.version == Version::HTTP_3 {
        return Farewell {
            drain: false,
            close: false,
        };
    }
    let expects = head
        .headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && !polled {
        return Farewell {
            drain: false,
            close: true,
        };
    }
    Farewell {
        drain: true,
        close: left.is_none_or(|left| left > cap),
    }
}

/// Whether there is no body, by what HTTP/1 says of its length.
fn has_no_body(head: &request::Parts) -> bool {
    head.version <= Version::HTTP_11
        && !head.headers.contains_key(CONTENT_LENGTH)
        && !head.headers.contains_key(TRANSFER_ENCODING)
}

fn declared_length(head: &request::Parts) -> Option<u64> {
    head.headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn content_type(head: &request::Parts, accept: &str) -> Result<MediaType, Violation> {
    let unsupported = || Violation::MediaType {
        accept: accept.to_owned(),
    };
    let mut fields = head.headers.get_all(CONTENT_TYPE).iter();
    let field = fields.next().ok_or_else(unsupported)?;
    if fields.next().is_some() {
        return Err(Violation::Malformed {
            reason: "the content type is given twice",
        });
    }
    let text = field.to_str().map_err(|_| unsupported())?;
    if let Some(media_type) = MediaType::parse(text) {
        return Ok(media_type);
    }
    // Parsers that are less strict would go on; say what is wrong if it is the
    // right type with unreadable parameters.
    let essence = text.split(';').next().unwrap_or_default().trim();
    if accept
        .split(", ")
        .any(|accepted| essence.eq_ignore_ascii_case(accepted))
    {
        return Err(Violation::Malformed {
            reason: "the content type's parameters cannot be read",
        });
    }
    Err(unsupported())
}

fn raw_type(rule: &FileRule, head: &request::Parts) -> Result<String, Violation> {
    let accept: Vec<_> = rule.kinds.iter().map(|kind| kind.media_type()).collect();
    let accept = accept.join(", ");
    let media_type = content_type(head, &accept)?;
    let utf8 = is_utf8(&media_type);
    let essence = media_type.essence;
    if utf8 && rule.kinds.iter().any(|kind| kind.is_declared_as(&essence)) {
        Ok(essence)
    } else {
        Err(Violation::MediaType { accept })
    }
}

/// Reads the one boundary of `multipart/form-data`.
fn boundary(head: &request::Parts) -> Result<String, Violation> {
    const FORM: &str = "multipart/form-data";
    let malformed = |reason| Err(Violation::Malformed { reason });
    let MediaType {
        essence,
        parameters,
    } = content_type(head, FORM)?;
    if essence != FORM {
        return Err(Violation::MediaType {
            accept: FORM.to_owned(),
        });
    }
    let (mut boundary, mut charset) = (None, false);
    for (name, value) in parameters {
        match name.as_str() {
            "boundary" if boundary.is_none() => boundary = Some(value),
            "boundary" => return malformed("the boundary is given twice"),
            // Some parsers read names and texts in it.
            "charset" if !charset && value.eq_ignore_ascii_case("utf-8") => charset = true,
            "charset" if !charset => {
                return Err(Violation::MediaType {
                    accept: FORM.to_owned(),
                });
            }
            _ => return malformed("the content type has an unknown parameter"),
        }
    }
    let Some(boundary) = boundary else {
        return malformed("the content type has no boundary");
    };
    if !is_boundary(&boundary) {
        return malformed("the boundary is not 1 to 70 of the allowed characters");
    }
    Ok(boundary)
}

/// `boundary` of RFC 2046 §5.1.1.
fn is_boundary(boundary: &str) -> bool {
    (1..=70).contains(&boundary.len())
        && !boundary.ends_with(' ')
        && boundary
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte))
}
