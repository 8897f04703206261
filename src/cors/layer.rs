//! The layer.

use std::sync::Arc;

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, request, response};

use super::rules::{AllowOrigin, Rules};
use crate::gate::{NoWait, Policy, Settings, Verdict, gate_layer};
use crate::wire::preflight::is_preflight;

/// Tells browsers which pages may read the answers.
///
/// See the [module docs](crate::cors) for an example.
#[derive(Clone, Debug)]
pub struct CorsLayer(pub(super) Arc<Rules>);

impl CorsLayer {
    /// Tells whether pages may send cookies and other credentials.
    #[must_use]
    pub fn sends_credentials(&self) -> bool {
        self.0.audience.sends_credentials()
    }

    /// Tells whether pages may set `Authorization`.
    #[must_use]
    pub fn lets_pages_authorize(&self) -> bool {
        let names = self
            .0
            .allow_headers
            .as_ref()
            .and_then(|value| value.to_str().ok());
        names.is_some_and(|names| names.split(',').any(|name| name == "authorization"))
    }

    /// Completes an answer that was not made inside this layer, as it would
    /// have been: for a middleware outside of it, a timeout for instance, whose
    /// answers pages could not read otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, Response, header};
    /// use tower_rampart::cors::{CorsLayer, OriginPolicy};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let origins = OriginPolicy::builder().origin("http://localhost:5173").build()?;
    /// let cors = CorsLayer::credentialed(&origins).build()?;
    /// let mut request = HeaderMap::new();
    /// request.insert(header::ORIGIN, HeaderValue::from_static("http://localhost:5173"));
    /// let (mut answer, ()) = Response::new(()).into_parts();
    /// cors.decorate(&request, &mut answer);
    /// assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:5173");
    /// # Ok(())
    /// # }
    /// ```
    pub fn decorate(&self, request: &HeaderMap, response: &mut response::Parts) {
        self.finish(self.0.allowed(request), response);
    }

    /// Opens an answer to an origin, unless a layer further in closes it.
    fn finish(&self, allow: AllowOrigin, head: &mut response::Parts) {
        let closed = head.extensions.get::<Closed>().is_some();
        let allow = allow.filter(|_| !closed);
        self.0.leave(allow, &mut head.headers);
    }
}

/// Says to the layer that decides that an inner one would not allow this.
#[derive(Clone, Copy, Debug)]
struct Closed;

/// What a layer has decided about a request.
#[derive(Clone, Debug)]
pub struct Sharing {
    allow: AllowOrigin,
    /// Whether an outer layer decides, unless this one closes.
    nested: bool,
}

impl Policy for CorsLayer {
    const NAME: &'static str = "cors";
    type Pass = Sharing;
    type Wait = NoWait<Sharing>;

    fn admit(&self, head: &request::Parts) -> Verdict<Sharing, NoWait<Sharing>> {
        let allow = self.0.allowed(&head.headers);
        // No layer further in ever sees one.
        if is_preflight(head) {
            return Verdict::Reply(self.0.answer(allow));
        }
        let origin = head.headers.get(ORIGIN);
        let nested = origin.is_some_and(HeaderValue::is_sensitive);
        if nested {
            self.0.warn_of_another();
        }
        Verdict::Pass(Sharing { allow, nested })
    }

    fn enter(&self, pass: &Sharing, head: &mut request::Parts) {
        // Tells layers further in that this one decides: a mark that costs no
        // allocation, which an extension would.
        if !pass.nested
            && let Some(origin) = head.headers.get_mut(ORIGIN)
        {
            origin.set_sensitive(true);
        }
    }

    fn leave(&self, pass: Sharing, head: &mut response::Parts) {
        if !pass.nested {
            return self.finish(pass.allow, head);
        }
        self.0.vary(&mut head.headers);
        if pass.allow.is_none() {
            head.extensions.insert(Closed);
        }
    }

    fn settings(&self) -> Settings {
        self.0.settings()
    }
}

gate_layer!(CorsLayer);
