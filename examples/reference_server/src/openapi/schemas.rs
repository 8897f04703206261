//! What goes over the wire.

use serde_json::{Value, json};

use crate::incident::Scenario;

/// Every schema with its name.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer"});
    let scenarios = Scenario::ALL.map(Scenario::as_str).map(Value::from);
    let scenarios: Vec<_> = scenarios.into_iter().chain([Value::Null]).collect();
    let maybe = |kind: &str| json!({"type": [kind, "null"]});
    let password = || json!({"type": "string", "format": "password", "maxLength": 256});
    let email = || json!({"type": "string", "format": "email", "maxLength": 254});
    let user = || {
        closed(
            &[
                ("id", text()),
                ("email", text()),
                ("role", json!({"type": "string", "enum": ["user", "admin"]})),
            ],
            &[],
        )
    };
    let list = |of: &str| {
        open(&[
            (
                "items",
                json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{of}")}}),
            ),
            (
                "next_cursor",
                json!({"type": ["string", "integer", "null"]}),
            ),
        ])
    };
    vec![
        (
            "Problem",
            json!({
                "type": "object",
                "description": "A refusal (RFC 9457). Further members say more about some codes.",
                "required": ["type", "title", "status", "code", "request_id"],
                "properties": {"type": text(), "title": text(), "status": number(), "detail": text(), "code": text(), "request_id": text()},
            }),
        ),
        (
            "Registration",
            closed(&[("email", email()), ("password", password())], &[]),
        ),
        (
            "Login",
            closed(
                &[("email", text()), ("password", password())],
                &[(
                    "delivery",
                    json!({"type": "string", "enum": ["cookie", "body"]}),
                )],
            ),
        ),
        ("Refresh", closed(&[], &[("refresh_token", text())])),
        (
            "Logout",
            closed(
                &[],
                &[
                    ("all", json!({"type": "boolean"})),
                    ("refresh_token", text()),
                ],
            ),
        ),
        ("Forgotten", closed(&[("email", email())], &[])),
        (
            "Reset",
            closed(&[("token", text()), ("new_password", password())], &[]),
        ),
        ("Reauth", closed(&[("password", password())], &[])),
        (
            "Change",
            closed(
                &[("display_name", json!({"type": "string", "maxLength": 100}))],
                &[],
            ),
        ),
        (
            "ChangePassword",
            closed(
                &[
                    ("current_password", password()),
                    ("new_password", password()),
                ],
                &[],
            ),
        ),
        ("Why", closed(&[], &[("reason", maybe("string"))])),
        (
            "Opening",
            closed(
                &[(
                    "title",
                    json!({"type": "string", "minLength": 1, "maxLength": 200}),
                )],
                &[
                    (
                        "scenario",
                        json!({"type": ["string", "null"], "enum": scenarios}),
                    ),
                    ("reason", maybe("string")),
                ],
            ),
        ),
        (
            "Action",
            closed(
                &[(
                    "action",
                    json!({"type": "string", "enum": ["rotate_key", "revoke_key", "revoke_everyone", "force_reset", "notify", "read_only", "close"]}),
                )],
                &[
                    ("reason", maybe("string")),
                    ("kid", maybe("string")),
                    ("template", maybe("string")),
                    ("on", maybe("boolean")),
                ],
            ),
        ),
        (
            "Upload",
            closed(
                &[("file", json!({"type": "string", "format": "binary"}))],
                &[("title", json!({"type": "string", "maxLength": 200}))],
            ),
        ),
        (
            "Accepted",
            open(&[("status", json!({"type": "string", "enum": ["accepted"]}))]),
        ),
        (
            "Tokens",
            with_optional(
                &[
                    ("token_type", text()),
                    ("expires_in", number()),
                    ("user", user()),
                ],
                &[("access_token", text()), ("refresh_token", text())],
            ),
        ),
        (
            "AccessToken",
            with_optional(
                &[("token_type", text()), ("expires_in", number())],
                &[("access_token", text())],
            ),
        ),
        (
            "Account",
            open(&[
                ("id", text()),
                ("email", text()),
                ("role", text()),
                ("display_name", text()),
                ("avatar", maybe("string")),
                ("created_at", number()),
            ]),
        ),
        (
            "Sessions",
            json!({"type": "array", "items": open(&[
                ("sid", text()), ("created_at", number()), ("last_used_at", number()), ("client", maybe("string")),
                ("address", maybe("string")), ("current", json!({"type": "boolean"})),
            ])}),
        ),
        (
            "Image",
            open(&[
                ("id", text()),
                ("media_type", text()),
                ("bytes", number()),
                ("width", number()),
                ("height", number()),
                ("sha256", text()),
                ("title", text()),
                ("created_at", number()),
                ("url", text()),
            ]),
        ),
        ("Images", list("Image")),
        (
            "User",
            open(&[
                ("id", text()),
                ("email", text()),
                ("role", text()),
                ("display_name", text()),
                ("created_at", number()),
                ("disabled_at", maybe("integer")),
                ("must_reset_at", maybe("integer")),
            ]),
        ),
        ("Users", list("User")),
        (
            "AuditRow",
            open(&[
                ("seq", number()),
                ("at", number()),
                ("datetime", text()),
                ("event", text()),
                ("level", text()),
                ("detail", json!({"type": "object"})),
                ("prev_hash", text()),
                ("hash", text()),
            ]),
        ),
        ("AuditRows", list("AuditRow")),
        (
            "Verdict",
            open(&[
                ("ok", json!({"type": "boolean"})),
                ("rows", number()),
                ("last_seq", number()),
                ("head", text()),
                ("proved", maybe("boolean")),
                ("remembered", maybe("integer")),
                ("broken_at", maybe("integer")),
                ("problem", maybe("string")),
            ]),
        ),
        (
            "Incident",
            open(&[
                ("id", text()),
                ("title", text()),
                ("scenario", maybe("string")),
                ("opened_by", text()),
                ("opened_at", number()),
                ("closed_at", maybe("integer")),
            ]),
        ),
        (
            "Incidents",
            open(&[
                (
                    "items",
                    json!({"type": "array", "items": {"$ref": "#/components/schemas/Incident"}}),
                ),
                ("read_only", json!({"type": "boolean"})),
            ]),
        ),
        (
            "Outcome",
            open(&[("incident", text()), ("outcome", json!({"type": "object"}))]),
        ),
        (
            "JwkSet",
            open(&[(
                "keys",
                json!({"type": "array", "items": {"type": "object"}}),
            )]),
        ),
        (
            "UploadPolicy",
            open(&[
                ("field", text()),
                ("media_types", json!({"type": "array", "items": text()})),
                ("max_bytes", number()),
                ("max_pixels", number()),
            ]),
        ),
        ("Health", open(&[("status", text())])),
    ]
}

type Members<'a> = &'a [(&'a str, Value)];

/// An object in which all of these members are.
fn open(members: Members<'_>) -> Value {
    with_optional(members, &[])
}

/// An object in which some members may be missing.
fn with_optional(required: Members<'_>, optional: Members<'_>) -> Value {
    let names: Vec<_> = required.iter().map(|(name, _)| *name).collect();
    let members = required
        .iter()
        .chain(optional)
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    let properties: serde_json::Map<_, _> = members.collect();
    json!({"type": "object", "required": names, "properties": properties})
}

/// The same, and nothing else is taken.
fn closed(required: Members<'_>, optional: Members<'_>) -> Value {
    let mut object = with_optional(required, optional);
    object["additionalProperties"] = false.into();
    object
}
