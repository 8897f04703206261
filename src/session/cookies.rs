//! The cookies that carry the two tokens.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::error::{ConfigError, Problem};
use super::tokens::{AccessToken, IssuedTokens};
use crate::config::Problems;
use crate::wire::cookie::{self, CookieLookup};

/// Writes and reads the session's cookies.
///
/// Both are `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/` and without
/// `Domain`, as the prefix `__Host-` demands. Browsers accept them from
/// `http://localhost` too. `Max-Age` is what is left of the token.
///
/// # Examples
///
/// ```
/// use tower_rampart::session::SessionCookies;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cookies = SessionCookies::default();
/// assert!(cookies.clear()[0].to_str()?.starts_with("__Host-access=; Max-Age=0; "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionCookies {
    access: String,
    refresh: String,
}

impl Default for SessionCookies {
    /// Names the cookies `__Host-access` and `__Host-refresh`.
    fn default() -> Self {
        Self {
            access: "__Host-access".to_owned(),
            refresh: "__Host-refresh".to_owned(),
        }
    }
}

impl SessionCookies {
    /// Names the cookies otherwise.
    ///
    /// # Errors
    ///
    /// [`Problem::Cookie`] for a name that is no token, that lacks the prefix
    /// `__Host-`, or that both share.
    pub fn named(
        access: impl Into<String>,
        refresh: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let cookies = Self {
            access: access.into(),
            refresh: refresh.into(),
        };
        let mut problems = Vec::new();
        for name in [&cookies.access, &cookies.refresh] {
            let reason = if !cookie::is_name(name) {
                "is not a token (RFC 6265 §4.1.1)"
            } else if !name.starts_with("__Host-") {
                "can be planted by a sibling host; begin it with __Host-"
            } else {
                continue;
            };
            problems.push(Problem::Cookie {
                name: name.clone(),
                reason,
            });
        }
        if cookies.access == cookies.refresh {
            let name = cookies.access.clone();
            problems.push(Problem::Cookie {
                name,
                reason: "carries both tokens; give each a name of its own",
            });
        }
        Problems::check(problems, || cookies)
    }

    /// Returns the name of the access cookie, for
    /// [`Source::Cookie`](crate::jwt::Source::Cookie).
    #[must_use]
    pub fn access_name(&self) -> &str {
        &self.access
    }

    pub(super) fn refresh_name(&self) -> &str {
        &self.refresh
    }

    /// Returns the refresh token of a request, if it has exactly one.
    #[must_use]
    pub fn refresh_token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        match cookie::lookup(headers, &self.refresh) {
            CookieLookup::Value(token) if !token.is_empty() => Some(token),
            _ => None,
        }
    }

    /// Returns the access token of a request, if it has exactly one.
    #[must_use]
    pub fn access_token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        match cookie::lookup(headers, &self.access) {
            CookieLookup::Value(token) if !token.is_empty() => Some(token),
            _ => None,
        }
    }

    /// Writes both `Set-Cookie` values.
    #[must_use]
    pub fn set(&self, tokens: &IssuedTokens) -> [HeaderValue; 2] {
        [
            self.set_access(tokens.access_token()),
            set_cookie(
                &self.refresh,
                tokens.refresh_token(),
                tokens.refresh_lifetime(),
            ),
        ]
    }

    /// Writes the `Set-Cookie` value of an access token.
    #[must_use]
    pub fn set_access(&self, token: &AccessToken) -> HeaderValue {
        set_cookie(&self.access, token.as_str(), token.lifetime())
    }

    /// Writes both `Set-Cookie` values that make a browser forget.
    #[must_use]
    pub fn clear(&self) -> [HeaderValue; 2] {
        [
            set_cookie(&self.access, "", Duration::ZERO),
            set_cookie(&self.refresh, "", Duration::ZERO),
        ]
    }

    /// Replaces the access token in what the request says.
    pub(super) fn replace_access(&self, headers: &HeaderMap, token: &str) -> Option<HeaderValue> {
        cookie::replaced(headers, &self.access, token)
    }
}

fn set_cookie(name: &str, value: &str, lifetime: Duration) -> HeaderValue {
    let text = format!(
        "{name}={value}; Max-Age={}; Path=/; Secure; HttpOnly; SameSite=Lax",
        lifetime.as_secs()
    );
    let mut header = HeaderValue::try_from(text)
        .expect("cookie names are tokens and our tokens are base64url and dots");
    header.set_sensitive(true);
    header
}
