//! The layer.

use http::header::{AUTHORIZATION, COOKIE, Entry, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue, request, response};

use crate::gate::{NoWait, Policy, Settings, Verdict, gate_layer};
use crate::identity::{ClientAddr, ClientAddrResolver, RequestId};
use crate::rejection::{Render, Renderer};
use crate::secret::random_name;

/// Names each request and finds out where it comes from.
#[derive(Clone, Debug, Default)]
pub struct ContextLayer {
    resolver: ClientAddrResolver,
    renderer: Option<Renderer>,
}

/// What was found out about a request.
#[derive(Clone, Debug)]
pub struct Context {
    id: RequestId,
    address: Option<ClientAddr>,
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl ContextLayer {
    /// Starts with no trusted proxies and problem details.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how client addresses are found.
    #[must_use]
    pub fn client_addr(mut self, resolver: ClientAddrResolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Replaces how all layers below render refusals.
    #[must_use]
    pub fn render(mut self, render: impl Render) -> Self {
        self.renderer = Some(Renderer::new(render));
        self
    }
}

impl Policy for ContextLayer {
    const NAME: &'static str = "context";
    type Pass = Context;
    type Wait = NoWait<Context>;

    fn admit(&self, head: &request::Parts) -> Verdict<Context, NoWait<Context>> {
        Verdict::Pass(Context {
            id: head.extensions.get().cloned().unwrap_or_else(fresh),
            address: self.resolver.resolve(head),
        })
    }

    fn enter(&self, pass: &Context, head: &mut request::Parts) {
        head.headers.remove(X_REQUEST_ID);
        hide(&mut head.headers, &[AUTHORIZATION, COOKIE]);
        head.extensions.insert(pass.id.clone());
        if let Some(address) = pass.address {
            head.extensions.insert(address);
        }
        if let Some(renderer) = &self.renderer {
            head.extensions.insert(renderer.clone());
        }
    }

    fn leave(&self, pass: Context, head: &mut response::Parts) {
        // One that the application chose may not fit into a header.
        if let Ok(id) = HeaderValue::try_from(pass.id.as_str()) {
            head.headers.insert(X_REQUEST_ID, id);
        }
        hide(&mut head.headers, &[SET_COOKIE]);
    }

    fn settings(&self) -> Settings {
        vec![("client address", self.resolver.in_words())]
    }
}

fn fresh() -> RequestId {
    RequestId::new(std::str::from_utf8(&random_name()).unwrap_or_default())
}

/// Keeps credentials out of what prints headers.
fn hide(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        // An entry of an absent name would make the map larger.
        if headers.contains_key(name)
            && let Entry::Occupied(mut lines) = headers.entry(name)
        {
            lines.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

gate_layer!(ContextLayer);
