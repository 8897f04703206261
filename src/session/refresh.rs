//! Whether a request needs new tokens before it goes on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderName, SET_COOKIE};
use http::{HeaderValue, request, response};

use super::cookies::SessionCookies;
use super::error::RefreshErrorKind;
use super::issuer::TokenIssuer;
use super::tokens::IssuedTokens;
use crate::gate::Verdict;
use crate::rejection::Reply;

/// The new tokens of a request, if it needed any.
pub(super) type Refreshed = Option<Box<IssuedTokens>>;

/// Waits for new tokens.
pub(super) type Refreshing = Pin<Box<dyn Future<Output = Result<Refreshed, Reply>> + Send>>;

pub(super) struct Rules {
    pub(super) issuer: TokenIssuer,
    pub(super) cookies: SessionCookies,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("cookies", &self.cookies)
            .finish_non_exhaustive()
    }
}

/// How much life the access token has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Access {
    Good,
    NearlyOver,
    None,
}

impl Rules {
    pub(super) fn admit(&self, head: &request::Parts) -> Verdict<Refreshed, Refreshing> {
        // A prefetch is not a use, and its `Set-Cookie` may be thrown away.
        let prefetch = head
            .headers
            .contains_key(const { HeaderName::from_static("sec-purpose") });
        let (false, false) = (head.headers.contains_key(AUTHORIZATION), prefetch) else {
            return Verdict::Pass(None);
        };
        let Some(refresh_token) = self.cookies.refresh_token(&head.headers) else {
            return Verdict::Pass(None);
        };
        let access = self.access(head);
        if access == Access::Good {
            return Verdict::Pass(None);
        }
        let refreshing = refresh(
            self.issuer.clone(),
            self.cookies.clone(),
            refresh_token.to_owned(),
            access,
        );
        Verdict::Wait(Box::pin(refreshing))
    }

    fn access(&self, head: &request::Parts) -> Access {
        let Some(token) = self.cookies.access_token(&head.headers) else {
            return Access::None;
        };
        let now = self.issuer.now();
        let Ok(claims) = self.issuer.verifier().verify(token, now) else {
            return Access::None;
        };
        if claims
            .session()
            .is_some_and(|sid| self.issuer.revocations().contains(sid))
        {
            return Access::Good; // Not to be revived: the JWT layer refuses it.
        }
        if claims.expires_at().since(now) * 5 < self.issuer.access_lifetime() {
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
        }
    }

    pub(super) fn leave(&self, refreshed: Refreshed, head: &mut response::Parts) {
        let Some(tokens) = refreshed else { return };
        // A handler that signs out, or in, knows better.
        if head
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .any(|value| self.cookies.is_ours(value))
        {
            return;
        }
        for cookie in self.cookies.set(&tokens) {
            head.headers.append(SET_COOKIE, cookie);
        }
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
        // The access token still holds; the next request tries again.
        Err(error) if access == Access::NearlyOver => {
            crate::trace::degraded("session-refresh", &error);
            Ok(None)
        }
        // Nothing is known, so nothing is taken away.
        Err(error) if error.kind() == RefreshErrorKind::Unavailable => {
            Err(error.into_rejection().into())
        }
        Err(error) => {
            let rejection = error.into_rejection();
            let [access, refresh] = cookies.clear();
            Err(rejection
                .header(SET_COOKIE, access)
                .header(SET_COOKIE, refresh)
                .into())
        }
    }
}
