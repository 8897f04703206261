//! The stack itself.

use tower::ServiceBuilder;
use tower_layer::Layer;

use super::builder::RampartBuilder;
use super::content_length::ContentLengthLayer;
use crate::context::ContextLayer;
use crate::cors::CorsLayer;
use crate::csrf::CsrfLayer;
use crate::gate::{Gate, GateLayer, Rescue, RescueLayer};
use crate::jwt::{JwtLayer, RequireLayer};
use crate::rate_limit::RateLimitLayer;
use crate::security_headers::SecurityHeadersLayer;
use crate::session::{SessionLayer, StrictSessionLayer};

/// A stack of layers in the right order.
///
/// See the [module docs](crate::stack) for an example.
#[derive(Clone, Debug, Default)]
pub struct Rampart {
    pub(super) context: Option<ContextLayer>,
    pub(super) security_headers: Option<SecurityHeadersLayer>,
    pub(super) cors: Option<CorsLayer>,
    pub(super) rate_limit: Option<RateLimitLayer>,
    pub(super) csrf: Option<CsrfLayer>,
    pub(super) content_length: Option<ContentLengthLayer>,
    pub(super) session: Option<SessionLayer>,
    pub(super) jwt: Option<JwtLayer>,
    pub(super) rate_limit_subject: Option<RateLimitLayer>,
    pub(super) strict_session: Option<StrictSessionLayer>,
    pub(super) require: Option<RequireLayer>,
}

/// A service behind a [`Rampart`]. The type is the same whichever layers are in.
pub type RampartService<S> = Gate<
    Gate<Gate<Rescue<Guarded<S>>, Option<CorsLayer>>, Option<SecurityHeadersLayer>>,
    Option<ContextLayer>,
>;

/// A service behind the layers that may refuse to let a request in.
type Guarded<S> = Gate<
    Gate<Gate<Known<S>, Option<ContentLengthLayer>>, Option<CsrfLayer>>,
    Option<RateLimitLayer>,
>;

/// A service behind the layers that are about who is asking.
type Known<S> = Gate<
    Gate<
        Gate<
            Gate<Gate<S, Option<RequireLayer>>, Option<StrictSessionLayer>>,
            Option<RateLimitLayer>,
        >,
        Option<JwtLayer>,
    >,
    Option<SessionLayer>,
>;

impl Rampart {
    /// Starts an empty stack.
    pub fn builder() -> RampartBuilder {
        RampartBuilder::default()
    }
}

impl<S> Layer<S> for Rampart {
    type Service = RampartService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        // The first layer is the outermost one. `explain` says why each stands
        // where it does.
        ServiceBuilder::new()
            .layer(GateLayer::new(self.context.clone()))
            .layer(GateLayer::new(self.security_headers.clone()))
            .layer(GateLayer::new(self.cors.clone()))
            .layer(RescueLayer)
            .layer(GateLayer::new(self.rate_limit.clone()))
            .layer(GateLayer::new(self.csrf.clone()))
            .layer(GateLayer::new(self.content_length))
            .layer(GateLayer::new(self.session.clone()))
            .layer(GateLayer::new(self.jwt.clone()))
            .layer(GateLayer::new(self.rate_limit_subject.clone()))
            .layer(GateLayer::new(self.strict_session.clone()))
            .layer(GateLayer::new(self.require.clone()))
            .service(inner)
    }
}
