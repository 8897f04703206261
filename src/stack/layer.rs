//! The stack itself.

use tower::ServiceBuilder;
use tower_layer::Layer;

use super::builder::RampartBuilder;
use super::content_length::ContentLengthLayer;
use crate::context::ContextLayer;
use crate::cors::CorsLayer;
use crate::csrf::CsrfLayer;
use crate::gate::{Chain, Gate, GateLayer, Rescue, RescueLayer};
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
pub type RampartService<S> = Gate<Rescue<Gate<S, Chain<Guarded, Known>>>, Answering>;

/// The layers that have something to say about every answer.
type Answering =
    Chain<Option<ContextLayer>, Chain<Option<SecurityHeadersLayer>, Option<CorsLayer>>>;

/// The layers that may refuse to let a request in.
type Guarded = Chain<Option<RateLimitLayer>, Chain<Option<CsrfLayer>, Option<ContentLengthLayer>>>;

/// The layers that are about who is asking.
type Known = Chain<
    Chain<Option<SessionLayer>, Option<JwtLayer>>,
    Chain<Option<RateLimitLayer>, Chain<Option<StrictSessionLayer>, Option<RequireLayer>>>,
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
        // The first is the outermost one. `explain` says why each stands where it does.
        let answering = Chain(
            self.context.clone(),
            Chain(self.security_headers.clone(), self.cors.clone()),
        );
        let guarded = Chain(
            self.rate_limit.clone(),
            Chain(self.csrf.clone(), self.content_length),
        );
        let known = Chain(
            Chain(self.session.clone(), self.jwt.clone()),
            Chain(
                self.rate_limit_subject.clone(),
                Chain(self.strict_session.clone(), self.require.clone()),
            ),
        );
        ServiceBuilder::new()
            .layer(GateLayer::new(answering))
            .layer(RescueLayer)
            .layer(GateLayer::new(Chain(guarded, known)))
            .service(inner)
    }
}
