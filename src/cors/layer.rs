//! The layer.

use std::sync::Arc;

use http::{HeaderMap, request, response};

use super::rules::{AllowOrigin, Rules};
use crate::gate::{NoWait, Policy, Settings, Verdict, gate_layer};

/// Tells browsers which pages may read the answers.
///
/// See the [module docs](crate::cors) for an example.
#[derive(Clone, Debug)]
pub struct CorsLayer(pub(super) Arc<Rules>);

impl CorsLayer {
    /// Completes an answer that was not made inside this layer, as it would
    /// have been: for a middleware outside of it, a timeout for instance, whose
    /// answers pages could not read otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, header};
    /// use tower_rampart::cors::{CorsLayer, OriginPolicy};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let origins = OriginPolicy::builder().origin("http://localhost:5173").build()?;
    /// let cors = CorsLayer::credentialed(&origins).build()?;
    /// let (mut request, mut answer) = (HeaderMap::new(), HeaderMap::new());
    /// request.insert(header::ORIGIN, HeaderValue::from_static("http://localhost:5173"));
    /// cors.decorate(&request, &mut answer);
    /// assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:5173");
    /// # Ok(())
    /// # }
    /// ```
    pub fn decorate(&self, request: &HeaderMap, response: &mut HeaderMap) {
        self.0.leave(self.0.allowed(request), response);
    }
}

/// Says that an outer layer decides already.
#[derive(Clone, Copy, Debug)]
struct Decided;

impl Policy for CorsLayer {
    const NAME: &'static str = "cors";
    /// `None` if an outer layer decides.
    type Pass = Option<AllowOrigin>;
    type Wait = NoWait<Self::Pass>;

    fn admit(&self, head: &request::Parts) -> Verdict<Self::Pass, Self::Wait> {
        if head.extensions.get::<Decided>().is_some() {
            self.0.warn_of_another();
            return Verdict::Pass(None);
        }
        self.0.admit(head)
    }

    fn enter(&self, pass: &Self::Pass, head: &mut request::Parts) {
        // The first extension of a request allocates, which a warning is not
        // worth; what names requests or routes has added one already.
        if pass.is_some() && !head.extensions.is_empty() {
            head.extensions.insert(Decided);
        }
    }

    fn leave(&self, pass: Self::Pass, head: &mut response::Parts) {
        if let Some(allow) = pass {
            self.0.leave(allow, &mut head.headers);
        }
    }

    fn settings(&self) -> Settings {
        self.0.settings()
    }
}

gate_layer!(CorsLayer);
