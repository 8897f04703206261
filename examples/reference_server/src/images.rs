//! Pictures: upload, list, show, download, delete.

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Multipart, Path, Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, IF_RANGE, LOCATION,
    RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_range_header::StartPosition;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_rampart::identity::Principal;
use tower_rampart::upload::{Kind, UploadReport, UploadedFile, UploadedPart};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::app::App;
use crate::db::Image;
use crate::keep::{keep, remove};
use crate::respond::{ApiError, ApiResult};

/// How many pictures a page of the list holds.
const PAGE: i64 = 50;

/// `POST /api/images`: a form with `file` and perhaps `title`. The upload layer
/// has judged every byte that arrives here.
pub(crate) async fn upload(
    State(app): State<App>,
    principal: Principal,
    report: UploadReport,
    mut form: Multipart,
) -> ApiResult<Response> {
    let (mut file, mut title) = (None, String::new());
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        if field.name() == Some("title") {
            title = field.text().await.map_err(unreadable)?;
            continue;
        }
        let mut temporary = app.objects.create();
        while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
            temporary.write(chunk).await?;
        }
        file = Some(temporary);
    }
    let kind = judged(&report).await?;
    let (Some(temporary), Some(kind)) = (file, kind) else {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "missing_field",
            "the form has no file",
        ));
    };
    if title.chars().any(char::is_control) {
        let detail = "a title has no control characters";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_title",
            detail,
        ));
    }
    let image = keep(&app, &principal, kind, title, temporary).await?;
    Ok(created(&image))
}

/// Answers that a picture is kept, and where its record is (RFC 9110 §15.3.2).
pub(crate) fn created(image: &Image) -> Response {
    let location = [(LOCATION, format!("/api/images/{}", image.id))];
    (StatusCode::CREATED, location, Json(describe(image))).into_response()
}

/// `PUT /api/me/avatar`: the body is the picture.
pub(crate) async fn upload_avatar(
    State(app): State<App>,
    principal: Principal,
    report: UploadReport,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Json<Value>> {
    // A part of a picture is no picture (RFC 9110 §14.5).
    if headers.contains_key(CONTENT_RANGE) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "content_range",
            "send the picture whole, without Content-Range",
        ));
    }
    let mut temporary = app.objects.create();
    let mut chunks: BodyDataStream = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        temporary.write(chunk.map_err(unreadable)?).await?;
    }
    let kind = judged(&report).await?;
    let kind = kind.ok_or_else(ApiError::not_found)?;
    let image = keep(&app, &principal, kind, "Avatar".to_owned(), temporary).await?;
    app.db.set_avatar(principal.subject(), &image.id).await?;
    Ok(Json(describe(&image)))
}

/// What the file of an upload is, now that all of it was judged.
async fn judged(report: &UploadReport) -> ApiResult<Option<Kind>> {
    let summary = report.verdict().await.map_err(unreadable)?;
    let mut files = summary.parts().iter().filter_map(UploadedPart::file);
    Ok(files.next().map(UploadedFile::kind))
}

/// A body that stops short of what was judged: the client went away.
fn unreadable(_error: impl std::error::Error) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "body_unreadable",
        "the body could not be read to its end",
    )
}

pub(crate) fn describe(image: &Image) -> Value {
    let mut record = json!(image);
    record["url"] = format!("/api/images/{}/content", image.id).into();
    record
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    cursor: Option<String>,
}

/// `GET /api/images`: newest first, with a cursor to the next page.
pub(crate) async fn list(
    State(app): State<App>,
    principal: Principal,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Json<Value>> {
    let bad = || {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_cursor",
            "the cursor is not one of this list's",
        )
    };
    let Query(page) = page.map_err(|_| ApiError::query("cursor"))?;
    if page
        .cursor
        .as_deref()
        .is_some_and(|cursor| Uuid::parse_str(cursor).is_err())
    {
        return Err(bad());
    }
    let images = app
        .db
        .images(principal.subject(), page.cursor.as_deref(), PAGE)
        .await?;
    let next = (images.len() as i64 == PAGE)
        .then(|| images.last().map(|image| image.id.clone()))
        .flatten();
    let items: Vec<_> = images.iter().map(describe).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

async fn own(app: &App, principal: &Principal, id: &str) -> ApiResult<Image> {
    app.db
        .image(principal.subject(), id)
        .await?
        .ok_or_else(ApiError::not_found)
}

/// `GET /api/images/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    Ok(Json(describe(&own(&app, &principal, &id).await?)))
}

/// `DELETE /api/images/{id}`.
pub(crate) async fn delete(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let image = own(&app, &principal, &id).await?;
    if unmatched(&headers, None) {
        return Err(outdated());
    }
    let work = async move {
        if !remove(&app, principal.subject(), &image).await? {
            return Err(ApiError::not_found());
        }
        Ok(StatusCode::NO_CONTENT)
    };
    tokio::spawn(work.in_current_span()).await?
}

/// `GET /api/images/{id}/content`: the bytes as they are kept, or a range.
pub(crate) async fn content(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let image = own(&app, &principal, &id).await?;
    let etag = format!("\"{}\"", image.sha256);
    let length = u64::try_from(image.bytes).unwrap_or_default();
    // Compared strongly: a weak tag names no bytes (RFC 9110 sections 13.1.1 and 13.1.5).
    let is_ours = |value: &HeaderValue| value.as_bytes() == etag.as_bytes();
    if unmatched(&headers, Some(&etag)) {
        return Err(outdated());
    }
    if names(&headers, &IF_NONE_MATCH, &etag) {
        return Ok(with_headers(
            StatusCode::NOT_MODIFIED.into_response(),
            &image,
            &etag,
        ));
    }
    let outdated = headers.get(IF_RANGE).is_some_and(|value| !is_ours(value));
    let range = headers
        .get(RANGE)
        // Only for GET (RFC 9110 section 14.2).
        .filter(|_| !outdated && method == Method::GET)
        .and_then(|value| value.to_str().ok());
    let range = match range.map(|text| requested(text, length)) {
        None | Some(Requested::Ignored) => None,
        Some(Requested::Part(start, end)) => Some((start, end)),
        Some(Requested::Unsatisfiable) => {
            let mut response = ApiError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_not_satisfiable",
                "the picture is shorter",
            )
            .into_response();
            response
                .headers_mut()
                .insert(CONTENT_RANGE, ascii(format!("bytes */{length}")));
            return Ok(response);
        }
    };
    let mut response = Response::new(app.objects.read(&image.object_key, range).await?);
    let mut sent = length;
    if let Some((start, end)) = range {
        sent = end - start;
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(
            CONTENT_RANGE,
            ascii(format!("bytes {start}-{}/{length}", end - 1)),
        );
    }
    response.headers_mut().insert(CONTENT_LENGTH, sent.into());
    Ok(with_headers(response, &image, &etag))
}

/// Uploads come from strangers: they are shown as what they were judged to be,
/// in a sandbox, and never as a page.
fn with_headers(mut response: Response, image: &Image, etag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, ascii(image.media_type.clone()));
    headers.insert(ETAG, ascii(etag.to_owned()));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    );
    let extension = image.media_type.rsplit('/').next().unwrap_or("bin");
    headers.insert(
        CONTENT_DISPOSITION,
        ascii(format!("inline; filename=\"{}.{extension}\"", image.id)),
    );
    response
}

/// Only texts of this server's own making come here.
fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Tells whether an `If-Match` names nothing that is there (RFC 9110 §13.1.1).
fn unmatched(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let mut tags = tags(headers, &IF_MATCH);
    headers.contains_key(IF_MATCH) && !tags.any(|tag| tag == "*" || Some(tag) == etag)
}

fn outdated() -> ApiError {
    ApiError::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition_failed",
        "If-Match names nothing that is here",
    )
}

fn names(headers: &HeaderMap, name: &http::HeaderName, etag: &str) -> bool {
    tags(headers, name).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// The entity tags that a field lists.
fn tags<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
}

/// What a `Range` field asks for (RFC 9110 §14.2).
enum Requested {
    /// Several ranges, or none that can be read: the whole is sent.
    Ignored,
    /// From, and up to but not including.
    Part(u64, u64),
    Unsatisfiable,
}

fn requested(text: &str, length: u64) -> Requested {
    let Ok(parsed) = http_range_header::parse_range_header(text) else {
        return Requested::Ignored;
    };
    if parsed.ranges.len() > 1 {
        return Requested::Ignored;
    }
    // A suffix that is longer than the whole is the whole (RFC 9110 section 14.1.2).
    if let [range] = &parsed.ranges[..]
        && let StartPosition::FromLast(suffix) = range.start
        && suffix >= length
        && length > 0
    {
        return Requested::Part(0, length);
    }
    match parsed
        .validate(length)
        .ok()
        .and_then(|ranges| ranges.into_iter().next())
    {
        Some(range) => Requested::Part(*range.start(), *range.end() + 1),
        None => Requested::Unsatisfiable,
    }
}

/// `GET /.well-known/upload-policy`: what a front end may tell before it sends.
pub(crate) async fn policy(State(app): State<App>) -> Json<Value> {
    let kinds = [Kind::Gif, Kind::Jpeg, Kind::Png, Kind::WebP].map(Kind::media_type);
    Json(json!({
        "field": "file",
        "media_types": kinds,
        "max_bytes": app.upload.max_bytes,
        "max_pixels": app.upload.max_pixels,
    }))
}
