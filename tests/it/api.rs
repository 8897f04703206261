//! What every public type promises.

use std::fmt::Debug;

use tower_rampart::context::ContextLayer;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::gate::{Policy as _, Verdict};
use tower_rampart::jwt::{JwtLayer, KeySet, Verifier};
use tower_rampart::password::Password;
use tower_rampart::rate_limit::{RateLimitLayer, RateLimiter};
use tower_rampart::secret::Secret;
use tower_rampart::security_headers::SecurityHeadersLayer;
use tower_rampart::session::{SessionLayer, TokenIssuer};
use tower_rampart::stack::{Rampart, RampartService};
use tower_rampart::upload::{Upload, UploadLayer};

use crate::support::Hello;

/// No type parameter has to be written to keep a layer or a service.
#[derive(Clone, Debug)]
struct Kept {
    _jwt: JwtLayer,
    _session: SessionLayer,
    _rate_limit: RateLimitLayer,
    _cors: CorsLayer,
    _csrf: CsrfLayer,
    _headers: SecurityHeadersLayer,
    _upload: UploadLayer,
    _rampart: Rampart,
    _service: RampartService<Upload<Hello>>,
}

#[test]
fn layers_and_services_are_clone_debug_send_and_sync() {
    fn check<T: Clone + Debug + Send + Sync + 'static>() {}
    check::<Kept>();
    check::<TokenIssuer>();
    check::<RateLimiter>();
    check::<OriginPolicy>();
}

#[test]
fn nothing_prints_a_secret() {
    let secret = Secret::new("canary-4f1d8b6a-Zq0xWmTvLr7KpYs2NdHu".to_owned());
    let keys = KeySet::from_secret(&secret).expect("strong enough");
    let verifier = Verifier::builder(keys.clone())
        .issuer("i")
        .audience("a")
        .build()
        .expect("valid");
    let layer = JwtLayer::builder(verifier).build().expect("valid");
    for printed in [
        format!("{secret:?}"),
        format!("{keys:?}"),
        format!("{layer:?}"),
    ] {
        assert!(
            !printed.is_empty() && !printed.contains("canary"),
            "{printed}"
        );
    }
}

/// Fails to compile if a type has a trait: there would be two ways to call `lacks`.
macro_rules! lacks {
    ($type:ty: $($trait:path),*) => {$({
        trait Lacks<Ambiguous> {
            fn lacks() {}
        }
        impl<T: ?Sized> Lacks<()> for T {}
        impl<T: ?Sized + $trait> Lacks<u8> for T {}
        <$type as Lacks<_>>::lacks();
    })*};
}

#[test]
fn what_must_not_be_seen_cannot_be_printed_sent_or_multiplied() {
    lacks!(Secret: std::fmt::Display, Clone, serde::Serialize, std::hash::Hash);
    lacks!(Password: std::fmt::Display, Clone, serde::Serialize, std::hash::Hash, PartialEq);
}

#[test]
fn requests_of_several_threads_have_names_of_their_own() {
    let names = || {
        let layer = ContextLayer::new();
        let name = move |_| {
            let (head, ()) = http::Request::new(()).into_parts();
            let Verdict::Pass(context) = layer.admit(&head) else {
                panic!("every request is let in");
            };
            let (mut head, ()) = http::Response::new(()).into_parts();
            layer.leave(context, &mut head);
            let name = &head.headers["x-request-id"];
            name.to_str().expect("digits").to_owned()
        };
        // More than are drawn at a time.
        (0..500).map(name).collect::<Vec<_>>()
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(names)).collect();
    let all: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("no panic"))
        .collect();
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (2_000, 2_000));
    let digits = |name: &String| name.len() == 32 && name.bytes().all(|c| c.is_ascii_hexdigit());
    assert!(all.iter().all(digits));
}
