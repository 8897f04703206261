//! What is on a list, at its edges.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use tower_rampart::cors::OriginPolicy;

fn allows(list: &OriginPolicy, origin: &str) -> bool {
    let value = HeaderValue::from_str(origin).expect("legal");
    let headers: HeaderMap = [(ORIGIN, value)].into_iter().collect();
    list.allowed_origin(&headers).is_some()
}

#[test]
fn any_port_is_of_one_host_and_one_scheme() {
    let list = OriginPolicy::builder().any_port_on("http://localhost");
    let list = list.build().expect("valid");
    for origin in [
        "http://localhost",
        "http://localhost:1",
        "http://localhost:65535",
    ] {
        assert!(allows(&list, origin), "{origin}");
    }
    for origin in [
        "https://localhost",
        "https://localhost:5173",
        "http://localhost.evil.example:5173",
        "http://evil.localhost:5173",
        "http://127.0.0.1:5173",
        "http://localhost:0x1",
        "http://localhost:65536",
    ] {
        assert!(!allows(&list, origin), "{origin}");
    }
}

#[test]
fn the_longest_origin_there_can_be_is_found() {
    // The longest scheme, host (RFC 1035 §2.3.4) and port.
    let label = "b".repeat(63);
    let host = format!("{label}.{label}.{label}.{}", "c".repeat(61));
    let longest = format!("{}://{host}:65535", "a".repeat(64));
    let list = OriginPolicy::builder().origin(longest.as_str()).build();
    let list = list.expect("an origin");
    assert!(allows(&list, &longest));
    assert!(!allows(&list, &format!("{longest}5")));
    let list = OriginPolicy::builder().subdomains_of("https://example.com");
    let list = list.build().expect("valid");
    assert!(allows(&list, "https://a.example.com"));
    assert!(!allows(&list, "https://.example.com"));
    assert!(!allows(&list, "https://example.com"));
}
