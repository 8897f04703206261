//! Claims whose types have been checked (RFC 7519 §4.1).

use serde_json::{Map, Value};

use super::error::VerifyErrorKind;
use crate::clock::UnixSeconds;
use crate::identity::Principal;

/// The verified claims of a token.
#[derive(Clone, Debug)]
pub struct Claims {
    members: Map<String, Value>,
    expires_at: UnixSeconds,
    not_before: Option<UnixSeconds>,
    issued_at: Option<UnixSeconds>,
    authenticated_at: Option<UnixSeconds>,
}

impl Claims {
    /// Checks the type of every registered claim; a wrong one is no claim.
    pub(super) fn from_members(members: Map<String, Value>) -> Result<Self, VerifyErrorKind> {
        let time = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .map(UnixSeconds::new)
                .map(Some)
                .ok_or(VerifyErrorKind::Claims),
        };
        let expires_at = time("exp")?.ok_or(VerifyErrorKind::Claims)?;
        let (not_before, issued_at, authenticated_at) =
            (time("nbf")?, time("iat")?, time("auth_time")?);
        let text = |name: &str| members.get(name).is_none_or(Value::is_string);
        let strings = |name: &str| members.get(name).is_none_or(is_string_list);
        let subject = members
            .get("sub")
            .and_then(Value::as_str)
            .is_some_and(|subject| !subject.is_empty());
        let audience = members
            .get("aud")
            .is_none_or(|value| value.is_string() || is_string_list(value));
        if !(subject
            && audience
            && text("iss")
            && text("jti")
            && text("sid")
            && text("scope")
            && strings("roles"))
        {
            return Err(VerifyErrorKind::Claims);
        }
        Ok(Self {
            members,
            expires_at,
            not_before,
            issued_at,
            authenticated_at,
        })
    }

    /// Returns the subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// Returns the session, `sid`.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.text("sid")
    }

    /// Returns the second from which the token is over, without leeway.
    #[must_use]
    pub fn expires_at(&self) -> UnixSeconds {
        self.expires_at
    }

    /// Returns when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixSeconds> {
        self.issued_at
    }

    /// Returns when the subject last proved who they are.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<UnixSeconds> {
        self.authenticated_at
    }

    /// Returns all claims.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Turns the claims into the caller of a request.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        let mut principal = Principal::builder(self.subject())
            .scopes(
                self.text("scope")
                    .unwrap_or_default()
                    .split_ascii_whitespace(),
            )
            .roles(self.members.get("roles").into_iter().flat_map(strings_of));
        if let Some(session) = self.session() {
            principal = principal.session(session);
        }
        if let Some(at) = self.authenticated_at {
            principal = principal.authenticated_at(at);
        }
        principal.claims(self.members).build()
    }

    pub(super) fn not_before(&self) -> Option<UnixSeconds> {
        self.not_before
    }

    pub(super) fn is_for(&self, audience: &str) -> bool {
        match self.members.get("aud") {
            Some(Value::String(only)) => only == audience,
            Some(list) => strings_of(list).any(|entry| entry == audience),
            None => false,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }
}

fn is_string_list(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().all(Value::is_string))
}

fn strings_of(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
