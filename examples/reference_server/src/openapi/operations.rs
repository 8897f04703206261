//! Every operation.

use super::Answer::{self, Empty, Json, Picture, Text};
use super::Body::{self, Form, OptionalJson};
use super::Operation;
use super::Who;

const NONE: Body = Body::None;

macro_rules! operations {
    ($(
        $method:ident $path:literal $who:ident ($body:expr) $([$($query:literal),*])?
        => $($status:literal $answer:expr),+; $($refused:literal $code:literal),*; $summary:literal
    )*) => {
        &[$(Operation {
            method: stringify!($method),
            path: $path,
            summary: $summary,
            who: Who::$who,
            body: $body,
            query: &[$($($query),*)?],
            done: &[$(($status, $answer)),+],
            refused: &[$(($refused, $code)),*],
        }),*]
    };
}

pub(super) const ALL: &[Operation] = operations! {
    POST "/api/auth/register" Public (Body::Json("Registration")) => 202 Json("Accepted");
        422 "invalid_email", 422 "password_rejected", 503 "overloaded", 503 "read_only";
        "Adds an account; the answer is the same for a known address."
    POST "/api/auth/login" Public (Body::Json("Login")) => 200 Json("Tokens");
        401 "invalid_credentials", 503 "overloaded"; "Signs in."
    POST "/api/auth/refresh" Public (OptionalJson("Refresh")) => 200 Json("Tokens");
        400 "invalid_request", 401 "refresh_invalid", 401 "refresh_reused", 401 "session_idle_timeout", 401 "session_expired",
        401 "session_revoked", 401 "reauthentication_required";
        "Gives new tokens for a refresh token, in a cookie or in the body."
    POST "/api/auth/logout" Public (OptionalJson("Logout")) => 204 Empty; 401 "token_expired", 401 "token_invalid"; "Signs out, here or everywhere."
    POST "/api/auth/password/forgot" Public (Body::Json("Forgotten")) => 202 Json("Accepted");
        422 "invalid_email"; "Sends a link that sets a new password, if there is such an account."
    POST "/api/auth/password/reset" Public (Body::Json("Reset")) => 204 Empty;
        400 "token_used_or_expired", 422 "password_rejected", 503 "overloaded"; "Sets a password with the token of a mail; all sessions end."
    POST "/api/auth/reauth" SignedIn (Body::Json("Reauth")) => 200 Json("AccessToken");
        401 "invalid_credentials", 503 "overloaded"; "Proves again who the caller is."
    GET "/api/auth/sessions" SignedIn (NONE) => 200 Json("Sessions"); ; "Lists the caller's sessions."
    DELETE "/api/auth/sessions/{sid}" SignedIn (NONE) => 204 Empty; 404 "not_found"; "Ends one of the caller's sessions."
    GET "/api/me" SignedIn (NONE) => 200 Json("Account"); ; "Shows the caller's account."
    PATCH "/api/me" SignedIn (Body::Json("Change")) => 200 Json("Account"); 422 "invalid_display_name", 503 "read_only"; "Changes the caller's account."
    DELETE "/api/me" Fresh (NONE) => 204 Empty; 409 "last_admin", 503 "read_only"; "Removes the caller's account, its pictures and its sessions."
    PUT "/api/me/password" SignedIn (Body::Json("ChangePassword")) => 204 Empty;
        403 "invalid_credentials", 409 "conflict", 422 "password_rejected", 503 "overloaded"; "Changes the password; other sessions end."
    PUT "/api/me/avatar" SignedIn (Body::Picture) => 200 Json("Image"); 400 "content_range", 422 "invalid_image", 503 "read_only", 507 "quota_exceeded"; "Sets the caller's picture."
    POST "/api/images" SignedIn (Form) => 201 Json("Image");
        400 "missing_field", 422 "invalid_image", 422 "invalid_title", 503 "read_only", 507 "quota_exceeded"; "Keeps a picture."
    GET "/api/images" SignedIn (NONE) ["cursor"] => 200 Json("Images"); 400 "invalid_cursor", 400 "invalid_query"; "Lists the caller's pictures, newest first."
    GET "/api/images/{id}" SignedIn (NONE) => 200 Json("Image"); 404 "not_found"; "Shows a picture's record."
    DELETE "/api/images/{id}" SignedIn (NONE) => 204 Empty; 404 "not_found", 412 "precondition_failed", 503 "read_only"; "Removes a picture."
    GET "/api/images/{id}/content" SignedIn (NONE) => 200 Picture, 206 Picture, 304 Empty; 404 "not_found", 412 "precondition_failed", 416 "range_not_satisfiable"; "Sends a picture, or a range of it."
    GET "/api/admin/users" Admin (NONE) ["cursor"] => 200 Json("Users"); 400 "invalid_query"; "Lists accounts."
    POST "/api/admin/users/{id}/disable" Admin (OptionalJson("Why")) => 202 Json("Accepted"); 404 "not_found", 409 "own_account"; "Keeps an account from signing in."
    POST "/api/admin/users/{id}/enable" Admin (OptionalJson("Why")) => 202 Json("Accepted"); 404 "not_found"; "Lets an account sign in again."
    POST "/api/admin/users/{id}/revoke" Admin (OptionalJson("Why")) => 202 Json("Accepted"); 404 "not_found"; "Ends the sessions of an account."
    POST "/api/admin/users/{id}/force-reset" Admin (OptionalJson("Why")) => 202 Json("Accepted"); 404 "not_found", 409 "no_mail"; "Asks an account for another password."
    GET "/api/admin/audit" Admin (NONE) ["cursor", "event", "actor", "subject", "incident"] => 200 Json("AuditRows"); 400 "invalid_query"; "Lists the audit log, newest first."
    GET "/api/admin/audit/verify" Admin (NONE) => 200 Json("Verdict"); ; "Finds out whether the audit log was changed."
    GET "/api/admin/incidents" Admin (NONE) => 200 Json("Incidents"); ; "Lists incidents, and what is switched on."
    POST "/api/admin/incidents" Admin (Body::Json("Opening")) => 201 Json("Incident"); 422 "invalid_title"; "Opens an incident."
    GET "/api/admin/incidents/{id}" Admin (NONE) => 200 Json("Incident"); 404 "not_found"; "Shows what was done about an incident."
    POST "/api/admin/incidents/{id}/actions" Admin (Body::Json("Action")) => 200 Json("Outcome");
        404 "not_found", 409 "conflict", 409 "incident_closed", 409 "no_mail"; "Does something about an incident."
    GET "/.well-known/jwks.json" Everybody (NONE) => 200 Answer::JsonAs("application/jwk-set+json", "JwkSet"), 304 Empty; ; "Publishes the public keys of access tokens."
    GET "/.well-known/security.txt" Everybody (NONE) => 200 Text("text/plain"); ; "Says whom to tell about a hole (RFC 9116)."
    GET "/.well-known/upload-policy" Everybody (NONE) => 200 Json("UploadPolicy"); ; "Says which pictures are taken."
    GET "/healthz" Everybody (NONE) => 200 Json("Health"); ; "The process answers."
    GET "/readyz" Everybody (NONE) => 200 Json("Health"); 503 "not_ready"; "What the server needs answers."
    GET "/" Everybody (NONE) => 200 Answer::Text("text/html"); ; "The page."
};
