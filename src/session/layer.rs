//! The layer.

use std::sync::Arc;

use http::{request, response};

use super::cookies::SessionCookies;
use super::issuer::TokenIssuer;
use super::refresh::{Refreshed, Refreshing, Rules};
use crate::gate::{Policy, Settings, Verdict, gate_layer};
use crate::origin::OriginPolicy;

/// Renews the tokens in a browser's cookies before the request goes on.
///
/// Acts when the access cookie is missing or expired and a refresh cookie is
/// there; on safe methods also when less than a fifth of its life is left.
/// Requests that a foreign page makes, other than a navigation, renew nothing. Belongs outside
/// [`JwtLayer`](crate::jwt::JwtLayer), inside [`CsrfLayer`](crate::csrf), and
/// not around the routes that sign in or out. A session that is over is
/// answered 401 and both cookies are cleared; if the store does not answer,
/// 503 and nothing is cleared.
#[derive(Clone, Debug)]
pub struct SessionLayer(Arc<Rules>);

impl SessionLayer {
    /// Renews the tokens of an issuer, in these cookies.
    #[must_use]
    pub fn new(issuer: TokenIssuer, cookies: SessionCookies) -> Self {
        Self(Arc::new(Rules {
            issuer,
            cookies,
            origins: None,
            own_pages_only: false,
        }))
    }

    /// Tells whether it was said which pages of other origins may cause a
    /// renewal, if only that none may.
    #[must_use]
    pub fn names_origins(&self) -> bool {
        self.0.origins.is_some() || self.0.own_pages_only
    }

    /// Says that no page of another origin may cause a renewal, though CORS may
    /// let some read: a stack does not ask for [`origins`](Self::origins) then.
    #[must_use]
    pub fn own_pages_only(self) -> Self {
        let Rules {
            issuer, cookies, ..
        } = &*self.0;
        let (issuer, cookies) = (issuer.clone(), cookies.clone());
        Self(Arc::new(Rules {
            issuer,
            cookies,
            origins: None,
            own_pages_only: true,
        }))
    }

    /// Names the other origins whose pages may cause a renewal; the service's
    /// own may always.
    #[must_use]
    pub fn origins(self, origins: &OriginPolicy) -> Self {
        let Rules {
            issuer, cookies, ..
        } = &*self.0;
        let (issuer, cookies) = (issuer.clone(), cookies.clone());
        Self(Arc::new(Rules {
            issuer,
            cookies,
            origins: Some(origins.clone()),
            own_pages_only: false,
        }))
    }
}

impl Policy for SessionLayer {
    const NAME: &'static str = "session";
    type Pass = Refreshed;
    type Wait = Refreshing;

    fn admit(&self, head: &request::Parts) -> Verdict<Refreshed, Refreshing> {
        self.0.admit(head)
    }

    fn enter(&self, pass: &Refreshed, head: &mut request::Parts) {
        self.0.enter(pass, head);
    }

    fn leave(&self, pass: Refreshed, head: &mut response::Parts) {
        self.0.leave(pass, head);
    }

    fn settings(&self) -> Settings {
        let cookies = &self.0.cookies;
        let names = format!("{}, {}", cookies.access_name(), cookies.refresh_name());
        vec![("cookies", names)]
    }
}

gate_layer!(SessionLayer);
