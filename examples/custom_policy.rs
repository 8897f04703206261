//! A layer of one's own: an API key in a header, in twenty lines.
//!
//! Run with `cargo run --example custom_policy --features full`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use http::{Request, Response, StatusCode, request};
use tower::{Layer, ServiceExt, service_fn};
use tower_rampart::gate::{GateLayer, NoWait, Policy, Verdict};
use tower_rampart::identity::Principal;
use tower_rampart::rejection::{Rejection, RejectionCode};
use tower_rampart::secret::Secret;

/// Admits whoever shows the key.
#[derive(Clone, Debug)]
struct ApiKey(Arc<Secret>);

impl Policy for ApiKey {
    const NAME: &'static str = "api-key";
    type Pass = ();
    type Wait = NoWait<()>;

    fn admit(&self, head: &request::Parts) -> Verdict<(), NoWait<()>> {
        let shown = head
            .headers
            .get("x-api-key")
            .map(|value| Secret::new(value.as_bytes()));
        if shown.as_ref() == Some(&self.0) {
            return Verdict::Pass(());
        }
        let code = RejectionCode::Other("api_key_invalid");
        Rejection::new(StatusCode::UNAUTHORIZED, code)
            .detail("send the key in x-api-key")
            .into()
    }

    fn enter(&self, (): &(), head: &mut request::Parts) {
        head.extensions
            .insert(Principal::builder("machine").build());
    }
}

/// Sends a request without and one with the key.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let key = Arc::new(Secret::new("a key from the environment".to_owned()));
    let service =
        GateLayer::new(ApiKey(key)).layer(service_fn(|request: Request<String>| async move {
            let who = request
                .extensions()
                .get::<Principal>()
                .map(|who| who.subject().to_owned());
            Ok::<_, Infallible>(Response::new(who.unwrap_or_default()))
        }));
    for (key, expected) in [
        ("a guess", StatusCode::UNAUTHORIZED),
        ("a key from the environment", StatusCode::OK),
    ] {
        let request = Request::get("/")
            .header("x-api-key", key)
            .body(String::new())?;
        let answer = service.clone().oneshot(request).await?;
        println!("{}", answer.status());
        assert_eq!(answer.status(), expected);
    }
    Ok(())
}
