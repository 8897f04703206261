//! Whether a request needs new tokens before it goes on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, ORIGIN, SET_COOKIE, UPGRADE};
use http::{HeaderValue, request, response};

use super::cookies::SessionCookies;
use super::error::{RefreshError, RefreshErrorKind};
use super::issuer::{Renewed, TokenIssuer};
use super::tokens::IssuedTokens;
use crate::gate::Verdict;
use crate::jwt::{EndReason, RevokedToken};
use crate::origin::OriginPolicy;
use crate::rejection::Reply;
use crate::wire::cookie;

/// The new tokens of a request, if it needed any.
pub(super) type Refreshed = Option<Box<IssuedTokens>>;

/// Waits for new tokens.
pub(super) type Refreshing = Pin<Box<dyn Future<Output = Result<Refreshed, Reply>> + Send>>;

pub(super) struct Rules {
    pub(super) issuer: TokenIssuer,
    pub(super) cookies: SessionCookies,
    /// Whose pages may cause a renewal, beside the service's own.
    pub(super) origins: Option<OriginPolicy>,
    pub(super) own_pages_only: bool,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("cookies", &self.cookies)
            .finish_non_exhaustive()
    }
}

/// What the access token is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Access {
    Good,
    NearlyOver,
    None,
    Ended(EndReason),
}

impl Rules {
    pub(super) fn admit(&self, head: &request::Parts) -> Verdict<Refreshed, Refreshing> {
        let Some(refresh_token) = self.cookies.refresh_token(&head.headers) else {
            return Verdict::Pass(None);
        };
        if head.headers.contains_key(AUTHORIZATION) || !self.may_renew(head) {
            return Verdict::Pass(None);
        }
        let access = self.access(head);
        match access {
            Access::Good => Verdict::Pass(None),
            // The renewal can wait for a request that may be repeated: if this
            // one takes long, its answer brings the new cookies late.
            Access::NearlyOver if !head.method.is_safe() => Verdict::Pass(None),
            // Why is known, so the store need not be asked.
            Access::Ended(reason) => {
                Verdict::Reply(over(RefreshError::ended(reason), &self.cookies))
            }
            Access::NearlyOver | Access::None => {
                let (issuer, cookies) = (self.issuer.clone(), self.cookies.clone());
                Verdict::Wait(Box::pin(refresh(
                    issuer,
                    cookies,
                    refresh_token.to_owned(),
                    access,
                )))
            }
        }
    }

    /// A foreign page could start a renewal and throw its answer away, which
    /// would leave the browser with a token that was used: by a fetch, or in a
    /// frame, but not where the user goes. A prefetch may be thrown away too, and
    /// the answer to an upgrade is not always read for cookies.
    fn may_renew(&self, head: &request::Parts) -> bool {
        if head.headers.contains_key("sec-purpose") || head.headers.contains_key(UPGRADE) {
            return false;
        }
        let says = |name: &'static str, values: &[&str]| {
            head.headers
                .get(name)
                .is_some_and(|value| values.iter().any(|known| value == known))
        };
        let goes_there =
            says("sec-fetch-mode", &["navigate"]) && says("sec-fetch-dest", &["document"]);
        let foreign = if head.headers.contains_key("sec-fetch-site") {
            says("sec-fetch-site", &["same-site", "cross-site"]) && !goes_there
        } else {
            // Browsers that do not say so name the other origin; the service's
            // own only to unsafe methods, which are not decided here.
            head.method.is_safe() && head.headers.contains_key(ORIGIN)
        };
        !foreign
            || self
                .origins
                .as_ref()
                .is_some_and(|origins| origins.allowed_origin(&head.headers).is_some())
    }

    fn access(&self, head: &request::Parts) -> Access {
        let Some(token) = self.cookies.access_token(&head.headers) else {
            return Access::None;
        };
        let now = self.issuer.now();
        let Ok(claims) = self.issuer.verifier().verify(token, now) else {
            return Access::None;
        };
        match self.issuer.revocations().check(&claims, now) {
            Err(RevokedToken::Ended(reason)) => return Access::Ended(reason),
            // The layer of tokens answers that, for whoever has one.
            Err(RevokedToken::Unknown) => return Access::Good,
            Ok(()) => {}
        }
        if claims.expires_at().since(now) < self.issuer.access_lifetime() / 5 {
            Access::NearlyOver
        } else {
            Access::Good
        }
    }

    pub(super) fn enter(&self, refreshed: &Refreshed, head: &mut request::Parts) {
        let Some(tokens) = refreshed else { return };
        if let Some(field) = self
            .cookies
            .replace_access(&head.headers, tokens.access_token().as_str())
        {
            head.headers.insert(COOKIE, field);
            head.extensions.insert(Renewed);
        }
    }

    pub(super) fn leave(&self, refreshed: Refreshed, head: &mut response::Parts) {
        let Some(tokens) = refreshed else { return };
        // A handler that signs out, or in, knows better; one that writes only a
        // fresh access token does not know the new refresh token.
        let [access, refresh] = self.cookies.set(&tokens);
        let written = |name| {
            head.headers
                .get_all(SET_COOKIE)
                .iter()
                .any(|value| cookie::is_for(value, name))
        };
        if written(self.cookies.refresh_name()) {
            return;
        }
        if !written(self.cookies.access_name()) {
            head.headers.append(SET_COOKIE, access);
        }
        head.headers.append(SET_COOKIE, refresh);
        head.headers
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

async fn refresh(
    issuer: TokenIssuer,
    cookies: SessionCookies,
    token: String,
    access: Access,
) -> Result<Refreshed, Reply> {
    match issuer.refresh(&token).await {
        Ok(tokens) => Ok(Some(Box::new(tokens))),
        Err(error) if error.kind() == RefreshErrorKind::Unavailable => {
            crate::trace::degraded("session-refresh", &error);
            // Nothing is known, so nothing is taken away.
            if access == Access::NearlyOver {
                Ok(None)
            } else {
                Err(error.into_rejection().into())
            }
        }
        Err(error) => Err(over(error, &cookies)),
    }
}

/// Refuses a session that is over, and makes the browser forget it.
fn over(error: RefreshError, cookies: &SessionCookies) -> Reply {
    let [access, refresh] = cookies.clear();
    error
        .into_rejection()
        .header(SET_COOKIE, access)
        .header(SET_COOKIE, refresh)
        .into()
}
