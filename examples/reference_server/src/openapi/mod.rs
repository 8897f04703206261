//! The description of the HTTP interface, as OpenAPI.
//!
//! What handlers answer is said in `operations`; what the layers around them answer
//! is added here, to every operation that stands behind them.

mod operations;
mod page;
mod schemas;

use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, Content, Header, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
    Schema,
};

pub(crate) use page::page;

/// Who may call.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Who {
    /// Anybody, behind no limit.
    Everybody,
    /// Anybody, behind the limit and the check of origins.
    Public,
    /// Whoever has an access token.
    SignedIn,
    /// Whoever signed in during the last five minutes.
    Fresh,
    /// An administrator who did.
    Admin,
}

/// What a request brings.
#[derive(Clone, Copy, Debug)]
enum Body {
    None,
    /// JSON of this schema.
    Json(&'static str),
    /// The same, or nothing.
    OptionalJson(&'static str),
    /// A form with a picture.
    Form,
    /// A picture.
    Picture,
}

/// What comes back if all goes well.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Empty,
    Json(&'static str),
    /// JSON with a media type of its own.
    JsonAs(&'static str, &'static str),
    Picture,
    Text(&'static str),
}

/// One operation, without what layers add.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    who: Who,
    body: Body,
    query: &'static [&'static str],
    done: &'static [(u16, Answer)],
    /// Statuses and codes of refusals by the handler.
    refused: &'static [(u16, &'static str)],
}

/// Describes the interface.
pub(crate) fn document() -> OpenApi {
    let mut paths = Paths::new();
    for operation in operations::ALL {
        let (method, built) = describe(operation);
        paths.add_path_operation(operation.path, vec![method], built);
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("tower-rampart reference server")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "Refusals are problem documents (RFC 9457) with a `code` for programs.",
                ))
                .build(),
        )
        .paths(paths)
        .components(Some(components()))
        .build()
}

fn components() -> Components {
    let mut components = Components::new();
    for (name, schema) in schemas::all() {
        components
            .schemas
            .insert(name.to_owned(), schema_of(schema));
    }
    components.security_schemes.insert(
        "bearerAuth".to_owned(),
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .build(),
        ),
    );
    let cookie = ApiKeyValue::with_description(
        "__Host-access",
        "Set by POST /api/auth/login; scripts cannot read it.",
    );
    components.security_schemes.insert(
        "cookieAuth".to_owned(),
        SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
    );
    components
}

fn schema_of(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema)
        .expect("schemas are written in this crate, and a test reads them all")
}

fn describe(operation: &Operation) -> (HttpMethod, utoipa::openapi::path::Operation) {
    let (method, has_body) = match operation.method {
        "POST" => (HttpMethod::Post, true),
        "PUT" => (HttpMethod::Put, true),
        "PATCH" => (HttpMethod::Patch, true),
        "DELETE" => (HttpMethod::Delete, false),
        _ => (HttpMethod::Get, false),
    };
    let mut built = OperationBuilder::new()
        .summary(Some(operation.summary))
        .operation_id(Some(id(operation)));
    for name in operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    {
        built = built.parameter(parameter(name, ParameterIn::Path, Required::True));
    }
    for name in operation.query {
        built = built.parameter(parameter(name, ParameterIn::Query, Required::False));
    }
    built = built.request_body(request_body(operation.body));
    for (status, answer) in operation.done {
        built = built.response(status.to_string(), success(*status, *answer));
    }
    for (status, codes) in refusals(operation, has_body) {
        built = built.response(status.to_string(), refusal(status, &codes));
    }
    if operation.who >= Who::SignedIn {
        let none: [&str; 0] = [];
        built = built
            .security(SecurityRequirement::new("bearerAuth", none))
            .security(SecurityRequirement::new("cookieAuth", none));
    }
    (method, built.build())
}

/// A name for programs: `post_api_images`.
fn id(operation: &Operation) -> String {
    let path: String = operation
        .path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let words: Vec<_> = path.split('_').filter(|word| !word.is_empty()).collect();
    format!(
        "{}_{}",
        operation.method.to_ascii_lowercase(),
        words.join("_")
    )
}

fn parameter(
    name: &str,
    place: ParameterIn,
    required: Required,
) -> utoipa::openapi::path::Parameter {
    let kind = match name {
        "cursor" if place == ParameterIn::Query => json!({"type": ["string", "integer"]}),
        _ => json!({"type": "string"}),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(schema_of(kind)))
        .build()
}

fn reference(name: &str) -> Content {
    Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name(name))))
}

fn binary() -> Content {
    Content::new(Some(schema_of(
        json!({"type": "string", "format": "binary"}),
    )))
}

const PICTURES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];

fn request_body(body: Body) -> Option<utoipa::openapi::request_body::RequestBody> {
    let builder = RequestBodyBuilder::new();
    Some(match body {
        Body::None => return None,
        Body::Json(name) => builder
            .required(Some(Required::True))
            .content("application/json", reference(name))
            .build(),
        Body::OptionalJson(name) => builder
            .required(Some(Required::False))
            .content("application/json", reference(name))
            .build(),
        Body::Form => builder
            .required(Some(Required::True))
            .content("multipart/form-data", reference("Upload"))
            .build(),
        Body::Picture => {
            let builder = builder.required(Some(Required::True));
            PICTURES
                .iter()
                .fold(builder, |builder, kind| builder.content(*kind, binary()))
                .build()
        }
    })
}

fn success(status: u16, answer: Answer) -> Response {
    let text = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let builder = ResponseBuilder::new().description(text.unwrap_or("done"));
    match answer {
        Answer::Empty => builder.build(),
        Answer::Json(name) => builder.content("application/json", reference(name)).build(),
        Answer::JsonAs(kind, name) => builder.content(kind, reference(name)).build(),
        Answer::Picture => PICTURES
            .iter()
            .fold(builder, |builder, kind| builder.content(*kind, binary()))
            .build(),
        Answer::Text(kind) => builder
            .content(
                kind,
                Content::new(Some(schema_of(json!({"type": "string"})))),
            )
            .build(),
    }
}

/// The refusals of an operation: its own, and those of the layers around it.
fn refusals(
    operation: &Operation,
    has_body: bool,
) -> std::collections::BTreeMap<u16, Vec<&'static str>> {
    let mut all = std::collections::BTreeMap::<u16, Vec<&'static str>>::new();
    let mut add = |status: u16, code: &'static str| {
        let codes = all.entry(status).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    };
    operation
        .refused
        .iter()
        .for_each(|(status, code)| add(*status, code));
    if operation.who == Who::Everybody {
        return all;
    }
    add(429, "rate_limited");
    add(503, "temporarily_unavailable");
    if has_body || operation.method == "DELETE" {
        add(403, "cross_site_request");
    }
    match operation.body {
        Body::None => {}
        Body::Json(_) | Body::OptionalJson(_) => {
            add(400, "invalid_json");
            add(408, "request_timeout");
            add(413, "body_too_large");
            add(415, "unsupported_media_type");
            add(422, "invalid_members");
            add(422, "data_url");
        }
        Body::Form | Body::Picture => {
            for (status, code) in [
                (400, "body_unreadable"),
                (400, "malformed_multipart"),
                (408, "upload_timeout"),
                (411, "length_required"),
                (413, "body_too_large"),
                (413, "part_too_large"),
                (413, "too_many_parts"),
                (415, "media_type_mismatch"),
                (415, "unsupported_media_type"),
                (422, "invalid_filename"),
                (422, "missing_field"),
                (422, "too_many_parts"),
                (422, "too_many_pixels"),
                (422, "unknown_field"),
            ] {
                add(status, code);
            }
        }
    }
    if operation.who >= Who::SignedIn {
        for code in [
            "token_missing",
            "token_invalid",
            "token_expired",
            "token_not_yet_valid",
            "signing_key_revoked",
            "session_revoked",
            "session_expired",
            "session_idle_timeout",
            "reauthentication_required",
        ] {
            add(401, code);
        }
        add(503, "revocation_unavailable");
        add(400, "invalid_request");
    }
    if operation.who >= Who::Fresh {
        add(401, "insufficient_user_authentication");
    }
    if operation.who == Who::Admin {
        add(403, "insufficient_role");
    }
    all
}

fn refusal(status: u16, codes: &[&str]) -> Response {
    let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut builder = ResponseBuilder::new()
        .description(format!("Refused: {}", codes.join(", ")))
        .content("application/problem+json", reference("Problem"));
    let mut header = |name: &str, text: &str| {
        let mut header = Header::default();
        header.description = Some(text.to_owned());
        builder = std::mem::take(&mut builder).header(name, header);
    };
    match status {
        401 => header("WWW-Authenticate", "What to send (RFC 6750)."),
        429 => {
            header("Retry-After", "Seconds until another attempt makes sense.");
            header("RateLimit", "What is left, as a structured field.");
            header("RateLimit-Policy", "The limits, as a structured field.");
        }
        503 => header("Retry-After", "Seconds until another attempt makes sense."),
        _ => {}
    }
    builder.build()
}
