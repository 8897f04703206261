//! The same for people: a page without scripts.

use std::fmt::Write as _;

use serde_json::Value;
use utoipa::openapi::OpenApi;

/// Writes a page about the interface.
pub(crate) fn page(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>HTTP interface</title>\
         <link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><h1>HTTP interface</h1>\
         <p>For programs: <a href=\"/openapi.json\">openapi.json</a></p>",
    );
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let _ = write!(
                html,
                "<section><h2><code>{} {}</code></h2><p>{}</p><ul>",
                method.to_uppercase(),
                escape(path),
                text(&operation["summary"])
            );
            if operation["security"].is_array() {
                html += "<li>needs an access token</li>";
            }
            for (kind, body) in operation["requestBody"]["content"]
                .as_object()
                .into_iter()
                .flatten()
            {
                let _ = write!(
                    html,
                    "<li>takes {}{}</li>",
                    escape(kind),
                    members(&document, &body["schema"])
                );
            }
            for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                let _ = write!(
                    html,
                    "<li>{}: {}</li>",
                    escape(status),
                    text(&answer["description"])
                );
            }
            html += "</ul></section>";
        }
    }
    html + "</body></html>"
}

/// The members of a schema that is named, in brackets.
fn members(document: &Value, schema: &Value) -> String {
    let name = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next());
    let Some(name) = name else {
        return String::new();
    };
    let schema = &document["components"]["schemas"][name];
    let required = schema["required"].as_array();
    let members = schema["properties"].as_object().into_iter().flatten();
    let members: Vec<_> = members
        .map(|(member, _)| {
            let must = required.is_some_and(|required| required.iter().any(|name| name == member));
            format!("{}{}", escape(member), if must { "" } else { "?" })
        })
        .collect();
    format!(" ({})", members.join(", "))
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
