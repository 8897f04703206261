//! Any bytes as an `Origin`, and as the text of a list and of a policy: no panic,
//! and nothing is allowed that one comparison an entry would not allow.
//!
//! Runs as [`verify`](verify.rs) does, with `--bin origins`.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use tower_rampart::cors::{CorsLayer, OriginPolicy};
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::security_headers::SecurityHeadersLayer;

static LIST: LazyLock<OriginPolicy> = LazyLock::new(|| {
    let list = OriginPolicy::builder()
        .csv("LIST", "https://app.example.com,https://foo.com:8443")
        .subdomains_of("https://tenant.example.com")
        .any_port_on("http://localhost");
    list.build().expect("valid")
});

fn naive(origin: &str) -> bool {
    let host = origin.strip_prefix("https://");
    let labels = host.and_then(|host| host.strip_suffix(".tenant.example.com"));
    let legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let port = origin.strip_prefix("http://localhost:");
    [
        "https://app.example.com",
        "https://foo.com:8443",
        "http://localhost",
    ]
    .contains(&origin)
        || labels.is_some_and(|labels| {
            labels.bytes().all(legal)
                && labels
                    .split('.')
                    .all(|label| (1..64).contains(&label.len()))
        })
        || port.is_some_and(|port| {
            port.parse::<u16>()
                .is_ok_and(|number| number != 80 && number.to_string() == port)
        })
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if LIST.allows(&text) {
        assert!(naive(&text), "{text:?}");
    }
    if let Ok(value) = HeaderValue::from_bytes(input) {
        let mut request = HeaderMap::new();
        request.insert(header::ORIGIN, value);
        let cors = CorsLayer::credentialed(&LIST).build().expect("valid");
        let (mut answer, ()) = http::Response::new(()).into_parts();
        cors.decorate(&request, &mut answer);
        let told = answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(told.is_some(), LIST.allows(&text));
    }
    // What is configured is refused or works.
    if let Ok(list) = OriginPolicy::builder().csv("TEXT", &text).build() {
        let each = text.split(',').map(str::trim);
        assert!(each.clone().all(|origin| list.allows(origin)), "{text:?}");
        let layer = CsrfLayer::builder().origins(&list).build();
        assert!(layer.is_ok());
    }
    let policy = SecurityHeadersLayer::web().content_security_policy(text.as_ref());
    let _ = policy.build();
});
