//! Private parsers: tables and properties.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::authorization::{Bearer, bearer};
use super::claim_set::ClaimSet;
use super::cookie::{CookieLookup, lookup, replaced};
use super::forwarded::{addresses, node_address};
use super::media_type::MediaType;
use super::origin::{OriginFault, OriginParts, canonical};
use super::{strict_json, vary};

fn fields(name: &'static str, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a legal field value");
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

#[track_caller]
fn check_bearer(values: &[&str], expected: Bearer<'_>) {
    assert_eq!(
        bearer(&fields("authorization", values)),
        expected,
        "{values:?}"
    );
}

#[test]
fn bearer_credentials_are_read_by_the_grammar() {
    check_bearer(&[], Bearer::Absent);
    check_bearer(&["Basic YTpi"], Bearer::Absent);
    check_bearer(&["Bearerx a.b.c"], Bearer::Absent);
    check_bearer(&["bEaReR a.b.c"], Bearer::Token("a.b.c"));
    check_bearer(&["Bearer abc=="], Bearer::Token("abc=="));
    for malformed in [
        "Bearer",
        "Bearer ",
        "Bearer  x",
        "Bearer a b",
        "Bearer a,",
        "Bearer é",
        "Bearer =",
    ] {
        check_bearer(&[malformed], Bearer::Malformed);
    }
    check_bearer(&["Bearer a", "Bearer a"], Bearer::Malformed);
}

#[test]
fn a_cookie_that_occurs_twice_is_ambiguous() {
    let headers = fields("cookie", &["a=1; b=2", "a=3"]);
    assert_eq!(lookup(&headers, "a"), CookieLookup::Ambiguous);
    assert_eq!(lookup(&headers, "b"), CookieLookup::Value("2"));
    assert_eq!(lookup(&headers, "c"), CookieLookup::Absent);
    let field = replaced(&headers, "a", "9").expect("a legal field");
    assert_eq!(field, "b=2; a=9");
    let mut strange = HeaderMap::new();
    strange.append(
        "cookie",
        HeaderValue::from_bytes(b"theme=M\xfcller; b=2; c=\xfc").expect("a legal field value"),
    );
    assert_eq!(
        lookup(&strange, "b"),
        CookieLookup::Value("2"),
        "somebody else's cookie hides nothing"
    );
    assert_eq!(lookup(&strange, "c"), CookieLookup::Ambiguous);
    assert!(
        replaced(&strange, "b", "9")
            .is_some_and(|field| field.as_bytes().starts_with(b"theme=M\xfcller; "))
    );
}

#[track_caller]
fn check_node(node: &str, expected: Option<&str>) {
    let expected: Option<IpAddr> = expected.map(|text| text.parse().expect("an address"));
    assert_eq!(node_address(node), expected, "{node}");
}

#[test]
fn a_node_is_an_address_with_or_without_port_and_zone() {
    check_node("192.0.2.1", Some("192.0.2.1"));
    check_node("192.0.2.1:443", Some("192.0.2.1"));
    check_node("2001:db8::1", Some("2001:db8::1"));
    check_node("[2001:db8::1]", Some("2001:db8::1"));
    check_node("[2001:db8::1%eth0]:9", Some("2001:db8::1"));
    check_node("::ffff:192.0.2.1", Some("192.0.2.1"));
    for unreadable in [
        "",
        "unknown",
        "_hidden",
        "192.0.2.1:",
        "192.0.2.1:x",
        "[::1",
        "[::1]x",
        "1.2.3.4:123456",
    ] {
        check_node(unreadable, None);
    }
}

#[test]
fn forwarded_keeps_commas_inside_quoted_strings() {
    let headers = fields(
        "forwarded",
        &[
            r#"For="1.1.1.1, For=2.2.2.2, For=3.3.3.3", For="4.4.4.4""#,
            r#"for="[2001:db8::1]:8";proto=https"#,
        ],
    );
    let expected = [None, Some("4.4.4.4"), Some("2001:db8::1")]
        .map(|text| text.map(|t| t.parse().expect("an address")));
    assert_eq!(
        addresses(&headers, &HeaderName::from_static("forwarded")),
        expected
    );
}

#[track_caller]
fn check_origin_fault(text: &str, expected: OriginFault, suggestion: Option<&str>) {
    assert_eq!(OriginParts::parse(text), Err(expected), "{text}");
    assert_eq!(canonical(text).as_deref(), suggestion, "{text}");
}

#[test]
fn an_origin_is_accepted_only_in_the_form_browsers_send() {
    for good in [
        "http://localhost:5173",
        "https://app.example",
        "https://a_b.example",
        "http://[::1]:3000",
        "tauri://localhost",
    ] {
        assert!(OriginParts::parse(good).is_ok(), "{good}");
    }
    let a = Some("https://a.example");
    check_origin_fault("https://a.example/", OriginFault::Path, a);
    check_origin_fault("https://a.example:443", OriginFault::DefaultPort, a);
    check_origin_fault("https://A.example", OriginFault::UpperCase, a);
    check_origin_fault("a.example", OriginFault::SchemeMissing, a);
    check_origin_fault("https://u@a.example", OriginFault::Userinfo, a);
    check_origin_fault("https://é.fr", OriginFault::Unicode, None);
    check_origin_fault("null", OriginFault::Null, Some("https://null"));
    check_origin_fault("https://*.com", OriginFault::Wildcard, None);
    check_origin_fault("http://localhost:05173", OriginFault::BadPort, None);
    check_origin_fault("http://localhost:+5173", OriginFault::BadPort, None);
    check_origin_fault("https://a..example", OriginFault::BadHost, None);
    check_origin_fault("https://a.example.", OriginFault::BadHost, None);
}

#[test]
fn media_types_are_read_with_their_parameters() {
    let parsed =
        MediaType::parse(r#"Multipart/Form-Data; Boundary="a b"; charset=utf-8"#).expect("legal");
    assert_eq!(parsed.essence, "multipart/form-data");
    assert_eq!(
        parsed.parameters,
        [
            ("boundary".into(), "a b".into()),
            ("charset".into(), "utf-8".into())
        ]
    );
    for bad in [
        "",
        "image",
        "image/",
        "image/png; a",
        "image/png; a=\"b",
        "image/png; a=\"b\"c",
        "image/png x",
        "a/b; =c",
    ] {
        assert_eq!(MediaType::parse(bad), None, "{bad}");
    }
}

#[test]
fn vary_gains_a_name_once_and_keeps_the_rest() {
    let mut headers = fields("vary", &["Accept-Encoding, origin"]);
    vary::add(&mut headers, "Origin");
    assert_eq!(headers.get_all("vary").iter().count(), 1);
    vary::add(&mut headers, "Accept");
    assert_eq!(headers.get_all("vary").iter().count(), 2);
}

#[test]
fn a_repeated_member_name_is_not_an_object() {
    let skipped = |text: &str| strict_json::members(text, strict_json::Skip).is_some();
    assert!(strict_json::object(r#"{"a":1,"b":{"c":[true,null,"x"]}}"#).is_some());
    for bad in [
        r#"{"a":1,"a":1}"#,
        r#"{"exp":1,"\u0065xp":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        "[]",
        "{} {}",
        "1",
        r#"{"a":1e400}"#,
    ] {
        assert!(strict_json::object(bad).is_none(), "{bad}");
        assert!(!skipped(bad), "{bad}");
    }
    let deep = ["{\"a\":".repeat(10_000), "1".to_owned(), "}".repeat(10_000)].concat();
    assert!(strict_json::object(&deep).is_none() && !skipped(&deep));
    // Past the number of names that are compared one by one.
    let many: Vec<_> = (0..40).map(|index| format!("\"m{index}\":0")).collect();
    assert!(skipped(&format!("{{{}}}", many.join(","))));
    for repeated in ["m3", "m20", "m39"] {
        assert!(!skipped(&format!(
            "{{{},\"{repeated}\":0}}",
            many.join(",")
        )));
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,80}") {
        let _ = OriginParts::parse(&text);
        let _ = canonical(&text);
        let _ = node_address(&text);
        let _ = MediaType::parse(&text);
        let _ = strict_json::object(&text);
        if let Ok(value) = HeaderValue::from_str(&text) {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", value.clone());
            headers.insert("cookie", value.clone());
            headers.insert("forwarded", value);
            let _ = bearer(&headers);
            let _ = lookup(&headers, "a");
            let _ = addresses(&headers, &HeaderName::from_static("forwarded"));
        }
    }

    #[test]
    fn a_suggested_origin_is_always_a_valid_one(text in "(https?://)?[a-zA-Z0-9.:/@-]{1,30}") {
        if let Some(suggestion) = canonical(&text) {
            prop_assert!(OriginParts::parse(&suggestion).is_ok());
        }
    }
}

#[test]
fn a_claims_set_is_read_in_place_and_escapes_are_resolved() {
    let json = r#"{"iss":"i","sub":"us\u0065r","aud":["a","b\n"],"roles":["x"],"scope":"s t","exp":7,"more":{"n":[1]}}"#;
    let set = ClaimSet::parse(json.to_owned()).expect("a claims set");
    assert_eq!(set.subject(), "user");
    assert_eq!(set.registered.issuer.map(|span| set.text(span)), Some("i"));
    assert_eq!(
        set.texts(&set.registered.audience).collect::<Vec<_>>(),
        ["a", "b\n"]
    );
    assert_eq!(set.texts(&set.registered.roles).collect::<Vec<_>>(), ["x"]);
    assert_eq!(set.registered.expires_at, Some(7));
    assert_eq!(set.members()["more"]["n"][0], 1);
    for bad in [
        r#"{"sub":1}"#,
        r#"{"exp":1.5}"#,
        r#"{"exp":-1}"#,
        r#"{"exp":"1"}"#,
        r#"{"exp":18446744073709551616}"#,
        r#"{"aud":["a",1]}"#,
        r#"{"aud":{}}"#,
        r#"{"roles":"admin"}"#,
        r#"{"scope":["a"]}"#,
        r#"{"jti":1}"#,
        r#"{"nbf":null}"#,
        r#"{"sub":"a","s\u0075b":"b"}"#,
        "[]",
        r#"{"sub":"a"}{}"#,
    ] {
        assert!(ClaimSet::parse(bad.to_owned()).is_none(), "{bad}");
    }
}
