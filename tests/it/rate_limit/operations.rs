//! What the layer does beside deciding: costs, exemptions, bans, keys, fields.

use std::time::Duration;

use http::StatusCode;
use tower::Layer;
use tower_rampart::clock::{ManualClock, UnixSeconds};
use tower_rampart::identity::{ClientAddrResolver, PeerAddr, Principal, Route};
use tower_rampart::rate_limit::{
    Caller, Fields, Key, Memory, Problem, Quota, RateLimitLayer, RateLimitLayerBuilder,
    WithoutAddress,
};

use super::from;
use crate::support::{Answer, Body, Hello, call, request};

fn clock() -> ManualClock {
    ManualClock::at(UnixSeconds::new(1_800_000_000))
}

fn builder(quota: &str, clock: &ManualClock) -> RateLimitLayerBuilder {
    let quota: Quota = quota.parse().expect("a quota");
    RateLimitLayer::builder("api", quota).clock(clock.clone())
}

async fn statuses(layer: &RateLimitLayer, times: usize, headers: &[(&str, &str)]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(from(layer, "192.0.2.1:1", headers).await.status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn requests_cost_what_the_application_says() {
    let layer = builder("10/1m", &clock())
        .cost(|head| match head.headers.get("x-rows") {
            Some(rows) => rows
                .to_str()
                .ok()
                .and_then(|rows| rows.parse().ok())
                .unwrap_or(10),
            None => 0,
        })
        .build()
        .expect("valid");
    // What costs nothing is not counted, and says nothing.
    let free = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(
        (free.status(), free.header("ratelimit")),
        (StatusCode::OK, None)
    );
    let four = from(&layer, "192.0.2.1:1", &[("x-rows", "4")]).await;
    assert_eq!(four.header("ratelimit"), Some("\"api\";r=6"));
    let never = from(&layer, "192.0.2.1:1", &[("x-rows", "11")]).await;
    assert_eq!(never.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(never.header("retry-after"), None, "waiting does not help");
    // Seven need one more than there is: six seconds.
    let seven = from(&layer, "192.0.2.1:1", &[("x-rows", "7")]).await;
    assert_eq!(seven.header("retry-after"), Some("6"));
    let six = from(&layer, "192.0.2.1:1", &[("x-rows", "6")]).await;
    assert_eq!(six.header("ratelimit"), Some("\"api\";r=0"));
}

#[tokio::test]
async fn a_second_and_a_half_is_told_as_two_and_less_than_one_as_one() {
    // The default of a neighbour: one each 500 ms, eight at once.
    let clock = clock();
    let layer = builder("8/4s", &clock).build().expect("valid");
    assert_eq!(statuses(&layer, 8, &[]).await, [200; 8]);
    let refused = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    clock.advance(Duration::from_millis(500));
    assert_eq!(statuses(&layer, 2, &[]).await, [200, 429]);
}

#[tokio::test]
async fn preflights_and_exempt_clients_are_not_counted() {
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "PUT"),
    ];
    let options = async |layer: &RateLimitLayer, headers: &[(&str, &str)]| {
        let mut request = request("OPTIONS", "/", headers);
        let peer = "192.0.2.1:1".parse().expect("an address");
        request.extensions_mut().insert(PeerAddr(peer));
        call(layer.layer(Hello::default()), request).await
    };
    let layer = builder("1/1h", &clock())
        .exempt(["198.51.100.0/24", "2001:db8::1"])
        .exempt_when(|head| head.uri.path() == "/healthz")
        .build()
        .expect("valid");
    for _ in 0..5 {
        let answer = options(&layer, &preflight).await;
        assert_eq!(
            (answer.status(), answer.header("ratelimit")),
            (StatusCode::OK, None)
        );
        for peer in ["198.51.100.9:1", "[2001:db8::1]:1"] {
            assert_eq!(from(&layer, peer, &[]).await.status(), StatusCode::OK);
        }
        let health = request("GET", "/healthz", &[]);
        assert_eq!(
            call(layer.layer(Hello::default()), health).await.status(),
            StatusCode::OK
        );
    }
    assert_eq!(
        from(&layer, "[2001:db8::2]:1", &[]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        from(&layer, "[2001:db8::2]:1", &[]).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    // Half a preflight is a request.
    assert_eq!(
        options(&layer, &preflight[..1]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        options(&layer, &preflight[..1]).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    let counting = builder("1/1h", &clock())
        .count_preflights()
        .build()
        .expect("valid");
    assert_eq!(
        options(&counting, &preflight).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        options(&counting, &preflight).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(layer.handle().stats().exempt, 20);
}

#[tokio::test]
async fn what_the_response_excuses_is_given_back() {
    let layer = builder("2/1h", &clock())
        .refund_when(|head| head.status.is_success())
        .build()
        .expect("valid");
    for _ in 0..10 {
        let answer = from(&layer, "192.0.2.1:1", &[]).await;
        assert_eq!(answer.header("ratelimit"), Some("\"api\";r=2"));
    }
    let failing = tower::service_fn(|_: http::Request<Body>| async {
        let answer = http::Response::builder().status(404);
        Ok::<_, std::convert::Infallible>(answer.body(Body::default()).expect("legal"))
    });
    for (left, status) in [("1", 404), ("0", 404), ("0;t=1800", 429)] {
        let answer = call(layer.layer(failing), request("GET", "/", &[])).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(
            answer.header("ratelimit"),
            Some(&*format!("\"api\";r={left}"))
        );
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_stays_counted() {
    let layer = builder("1/1h", &clock())
        .refund_when(|_| true)
        .build()
        .expect("valid");
    let never = tower::service_fn(|_: http::Request<Body>| {
        std::future::pending::<Result<http::Response<Body>, std::convert::Infallible>>()
    });
    let mut call_it = Box::pin(call(layer.layer(never), request("GET", "/", &[])));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call_it.as_mut().poll(&mut context).is_pending());
    drop(call_it);
    assert_eq!(statuses(&layer, 1, &[]).await, [429]);
}

#[tokio::test]
async fn who_does_not_stop_is_banned() {
    let clock = clock();
    let layer = builder("2/1m", &clock)
        .ban(
            "3/10m".parse().expect("a quota"),
            Duration::from_secs(3_600),
        )
        .build()
        .expect("valid");
    assert_eq!(statuses(&layer, 5, &[]).await, [200, 200, 429, 429, 429]);
    clock.advance(Duration::from_secs(120));
    let banned = from(&layer, "192.0.2.1:1", &[]).await;
    assert_eq!(banned.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(banned.header("retry-after"), Some("3480"));
    assert_eq!(
        banned.json()["type"],
        "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"
    );
    assert_eq!(banned.header("cache-control"), Some("no-store"));
    assert_eq!(banned.header("ratelimit"), None);
    assert_eq!(
        from(&layer, "192.0.2.2:1", &[]).await.status(),
        StatusCode::OK
    );
    clock.advance(Duration::from_secs(3_480));
    assert_eq!(statuses(&layer, 1, &[]).await, [200]);
    let stats = layer.handle().stats();
    assert_eq!((stats.allowed, stats.limited, stats.banned), (4, 3, 1));
}

#[tokio::test]
async fn who_is_let_in_again_starts_with_no_refusals() {
    for forgiving in ["unban", "reset"] {
        let layer = builder("1/1h", &clock()).ban(
            "3/10h".parse().expect("a quota"),
            Duration::from_secs(3_600),
        );
        let layer = layer.build().expect("valid");
        let handle = layer.handle();
        let caller = Caller::address("192.0.2.1".parse().expect("an address"));
        let (before, after) = match forgiving {
            "unban" => (3, 2),
            _ => (2, 2),
        };
        assert_eq!(statuses(&layer, before + 1, &[]).await[before], 429);
        if forgiving == "unban" {
            assert!(handle.unban(&caller).await);
        } else {
            handle.reset(&caller).await;
            assert_eq!(statuses(&layer, 1, &[]).await, [200]);
        }
        // The third from here on would ban.
        assert_eq!(statuses(&layer, after, &[]).await, [429; 2]);
        assert_eq!(handle.stats().banned, 0, "{forgiving}");
        statuses(&layer, 2, &[]).await;
        assert_eq!(handle.stats().banned, 1, "{forgiving}");
    }
}

#[tokio::test]
async fn what_no_cors_layer_answers_is_counted() {
    let layer = builder("1/1h", &clock()).build().expect("valid");
    let options = async |origins: &[&'static str]| {
        let answer = with(&layer, |request| {
            *request.method_mut() = http::Method::OPTIONS;
            let asked = http::HeaderValue::from_static("GET");
            let headers = request.headers_mut();
            headers.insert("access-control-request-method", asked);
            for origin in origins {
                headers.append("origin", http::HeaderValue::from_static(origin));
            }
        });
        answer.await.status().as_u16()
    };
    for _ in 0..3 {
        assert_eq!(options(&["https://a.example"]).await, 200);
    }
    let two = ["https://a.example", "https://b.example"];
    assert_eq!((options(&two).await, options(&two).await), (200, 429));
}

/// A client that says it speaks gRPC has its refusals in another place, and no
/// more attempts.
#[tokio::test]
async fn refusals_are_not_taken_for_successes_in_another_protocol() {
    use tower_rampart::context::ContextLayer;
    use tower_rampart::csrf::CsrfLayer;
    use tower_rampart::rejection::{GrpcStatus, Refusal};
    let layer = builder("2/1h", &clock()).refund_when(|head| head.status.is_success());
    let layer = layer.build().expect("valid");
    let csrf = CsrfLayer::builder().build().expect("valid");
    let service = ContextLayer::new()
        .render(GrpcStatus)
        .layer(layer.layer(csrf.layer(Hello::default())));
    let mut told = Vec::new();
    for _ in 0..3 {
        let forged = [
            ("content-type", "application/grpc"),
            ("origin", "https://evil.example"),
        ];
        let answer = call(service.clone(), request("POST", "/", &forged)).await;
        let refusal = answer.head.extensions.get::<Refusal>().expect("refused");
        told.push((answer.status().as_u16(), refusal.status().as_u16()));
    }
    assert_eq!(told, [(200, 403), (200, 403), (200, 429)]);
}

#[tokio::test]
async fn one_that_only_watches_needs_no_address() {
    let layer = builder("1/1h", &clock()).dangerous_only_watch();
    let layer = layer.build().expect("valid");
    let answer = with(&layer, |request| {
        request.extensions_mut().remove::<PeerAddr>();
    });
    assert_eq!(answer.await.status(), StatusCode::OK);
}

#[tokio::test]
async fn one_that_only_watches_refuses_nothing() {
    let layer = builder("1/1h", &clock())
        .dangerous_only_watch()
        .build()
        .expect("valid");
    for _ in 0..3 {
        let answer = from(&layer, "192.0.2.1:1", &[]).await;
        assert_eq!(
            (answer.status(), answer.header("ratelimit")),
            (StatusCode::OK, None)
        );
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.allowed, stats.limited, stats.shadowed), (1, 2, 2));
    let banning = builder("1/1h", &clock())
        .ban("1/1h".parse().expect("a quota"), Duration::from_secs(60))
        .dangerous_only_watch()
        .build()
        .expect("valid");
    assert_eq!(statuses(&banning, 5, &[]).await, [200; 5]);
    assert_eq!(banning.handle().stats().banned, 0);
    // Whoever is exempt is so from a limit of everybody, too.
    let all = builder("1/1h", &clock())
        .key(Key::Global)
        .exempt(["192.0.2.1"]);
    assert_eq!(
        statuses(&all.build().expect("valid"), 3, &[]).await,
        [200; 3]
    );
}

#[tokio::test]
async fn operators_see_who_is_refused() {
    let layer = builder("1/1h", &clock()).key(Key::All(vec![Key::ClientAddr, Key::Route]));
    let layer = layer.build().expect("valid");
    for (peer, times) in [
        ("192.0.2.1:1", 5),
        ("[2001:db8::7]:1", 3),
        ("192.0.2.3:1", 1),
    ] {
        for _ in 0..times {
            from(&layer, peer, &[]).await;
        }
    }
    let top: Vec<_> = layer
        .handle()
        .top_denied(10)
        .into_iter()
        .map(|denials| (denials.caller, denials.count))
        .collect();
    let expected = [
        ("192.0.2.1, route ".to_owned(), 4),
        ("2001:db8::7, route ".to_owned(), 2),
    ];
    assert_eq!(top, expected);
    let caller = Caller::all([
        Caller::address("192.0.2.1".parse().expect("an address")),
        Caller::route(""),
    ]);
    let handle = layer.handle();
    assert_eq!(
        handle.peek(&caller).await,
        Some(vec![("api".to_owned(), 0)])
    );
    // An IPv6 address has three counters.
    assert_eq!(handle.occupancy().0, 1 + 3 + 1);
    handle.reset(&caller).await;
    assert_eq!(statuses(&layer, 1, &[]).await, [200]);
}

#[tokio::test]
async fn fields_are_as_configured() {
    let clock = clock();
    let legacy = builder("300/1m,burst=20", &clock)
        .fields(Fields::Draft10AndLegacy)
        .build()
        .expect("valid");
    let answer = from(&legacy, "192.0.2.1:1", &[]).await;
    // 20 at once, and those are back in 4 s.
    assert_eq!(answer.header("ratelimit-policy"), Some("\"api\";q=20;w=4"));
    assert_eq!(answer.header("x-ratelimit-limit"), Some("20"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("19"));
    assert_eq!(answer.header("x-ratelimit-reset"), Some("1"));
    let silent = builder("1/1m", &clock)
        .fields(Fields::None)
        .build()
        .expect("valid");
    from(&silent, "192.0.2.1:1", &[]).await;
    let refused = from(&silent, "192.0.2.1:1", &[]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert!(refused.header_names("ratelimit").is_empty());
}

/// Reads a list of strings with parameters, by a parser that is not ours
/// (RFC 9651).
fn structured(text: &str) -> Vec<(String, std::collections::BTreeMap<String, i64>)> {
    use sfv::{BareItem, List, ListEntry, Parser};
    let list: List = Parser::new(text).parse().expect("a list");
    list.into_iter()
        .map(|entry| {
            let ListEntry::Item(item) = entry else {
                panic!("an inner list");
            };
            let BareItem::String(name) = item.bare_item else {
                panic!("{:?} is no string", item.bare_item);
            };
            let parameters = item.params.into_iter().map(|(name, value)| {
                let BareItem::Integer(value) = value else {
                    panic!("{value:?} is no integer");
                };
                (name.as_str().to_owned(), i64::from(value))
            });
            (name.as_str().to_owned(), parameters.collect())
        })
        .collect()
}

#[tokio::test]
async fn another_parser_reads_the_fields() {
    let clock = clock();
    let layer = builder("3/1s", &clock)
        .and("hourly-2.x_", "4/1h,burst=2".parse().expect("a quota"))
        .build()
        .expect("valid");
    for left in [(2, 1), (1, 0)] {
        let answer = from(&layer, "192.0.2.1:1", &[]).await;
        let policy = structured(answer.header("ratelimit-policy").expect("a policy"));
        let names: Vec<_> = policy.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["api", "hourly-2.x_"]);
        assert_eq!((policy[0].1["q"], policy[0].1["w"]), (3, 1));
        assert_eq!((policy[1].1["q"], policy[1].1["w"]), (2, 1_800));
        let limit = structured(answer.header("ratelimit").expect("a limit"));
        assert_eq!((limit[0].1["r"], limit[1].1["r"]), left);
        assert_eq!(limit[1].0, "hourly-2.x_");
    }
    clock.advance(Duration::from_millis(100));
    let refused = from(&layer, "192.0.2.1:1", &[]).await;
    let limit = structured(refused.header("ratelimit").expect("a limit"));
    assert_eq!(limit.len(), 1, "what refuses");
    assert_eq!(
        (limit[0].0.as_str(), limit[0].1["r"], limit[0].1["t"]),
        ("hourly-2.x_", 0, 900)
    );
    assert_eq!(refused.header("retry-after"), Some("900"));
}

async fn with(layer: &RateLimitLayer, change: impl FnOnce(&mut http::Request<Body>)) -> Answer {
    let mut request = request("GET", "/", &[]);
    change(&mut request);
    call(layer.layer(Hello::default()), request).await
}

#[tokio::test]
async fn what_is_counted_together_is_of_one_kind() {
    let clock = clock();
    let key = |key: Key| builder("1/1h", &clock).key(key).build().expect("valid");
    let cookie = key(Key::Cookie("tenant".to_owned()));
    let tenant = async |value: &'static str| {
        let answer = with(&cookie, |request| {
            request
                .headers_mut()
                .insert("cookie", value.parse().expect("legal"));
        });
        answer.await.status().as_u16()
    };
    assert_eq!(tenant("tenant=a").await, 200);
    assert_eq!(tenant("other=1; tenant=a").await, 429);
    assert_eq!(tenant("tenant=b").await, 200);
    // Two of one name are none: the address counts.
    assert_eq!(tenant("tenant=c; tenant=d").await, 200);
    assert_eq!(tenant("tenant=e; tenant=f").await, 429);

    let route = key(Key::Route);
    let on = async |pattern: Option<&'static str>| {
        let answer = with(&route, |request| {
            if let Some(pattern) = pattern {
                request.extensions_mut().insert(Route::new(pattern));
            }
        });
        answer.await.status().as_u16()
    };
    assert_eq!(
        (
            on(Some("/a")).await,
            on(Some("/a")).await,
            on(Some("/b")).await
        ),
        (200, 429, 200)
    );
    assert_eq!((on(None).await, on(None).await), (200, 429));

    let both = key(Key::All(vec![
        Key::Subject,
        Key::Header("x-a".parse().expect("a name")),
    ]));
    assert!(both.counts_subjects());
    let who = async |subject: &'static str, header: Option<&'static str>| {
        let answer = with(&both, |request| {
            request
                .extensions_mut()
                .insert(Principal::builder(subject).build());
            if let Some(header) = header {
                request
                    .headers_mut()
                    .insert("x-a", header.parse().expect("legal"));
            }
        });
        answer.await.status().as_u16()
    };
    assert_eq!(
        (who("ab", Some("c")).await, who("a", Some("bc")).await),
        (200, 200)
    );
    assert_eq!(
        (who("ab", Some("c")).await, who("ab", None).await),
        (429, 200)
    );
}

#[test]
fn callers_of_different_kinds_are_different() {
    let address = |text: &str| Caller::address(text.parse().expect("an address"));
    let layer = builder("1/1h", &clock()).build().expect("valid");
    let handle = layer.handle();
    let callers = [
        Caller::everybody(),
        address("192.0.2.1"),
        address("2001:db8::1"),
        Caller::subject("a"),
        Caller::text(b"a"),
        Caller::field("a"),
        Caller::route("a"),
        Caller::cookie("a"),
        Caller::header(b"a"),
        Caller::all([Caller::text(b"a"), Caller::text(b"b")]),
        Caller::text(b"ab"),
    ];
    crate::support::now(async {
        for (index, caller) in callers.iter().enumerate() {
            handle.ban(caller, Duration::from_secs(60)).await;
            for other in &callers[index + 1..] {
                assert_ne!(caller.to_string(), other.to_string());
            }
        }
    });
    let mapped = address("::ffff:192.0.2.1");
    assert_eq!(mapped.to_string(), "192.0.2.1");
    assert_eq!(mapped, address("192.0.2.1"));
}

#[tokio::test]
async fn unknown_addresses_count_together_only_if_that_is_said() {
    let layer = builder("1/1h", &clock())
        .without_address(WithoutAddress::Together)
        .build()
        .expect("valid");
    let nobody = async || {
        let answer = with(&layer, |request| {
            request.extensions_mut().remove::<PeerAddr>();
        });
        answer.await.status().as_u16()
    };
    assert_eq!((nobody().await, nobody().await), (200, 429));
}

#[test]
fn settings_that_make_no_sense_are_all_told() {
    let quota: Quota = "1/1s".parse().expect("a quota");
    let problems = RateLimitLayer::builder("api", quota)
        .ban("1/1s,strict".parse().expect("a quota"), Duration::ZERO)
        .and("strict", "1/1s,strict".parse().expect("a quota"))
        .memory(Memory::Strict)
        .exempt(["0.0.0.0/0", "lan", "::ffff:192.0.2.0/120"])
        .key(Key::All(vec![
            Key::All(Vec::new()),
            Key::Cookie("a b".to_owned()),
        ]))
        .client_addr(ClientAddrResolver::default())
        .build()
        .expect_err("eight are wrong")
        .into_problems();
    assert!(
        matches!(
            problems[..],
            [
                Problem::StrictQuota { .. },
                Problem::Ban,
                Problem::StrictBan,
                Problem::Cookie { .. },
                Problem::Key,
                Problem::ExemptsEverybody { .. },
                Problem::Exempt { .. },
                Problem::Exempt { .. },
            ]
        ),
        "{problems:?}"
    );
    for (text, good) in [
        ("10/1s,burst=5", true),
        ("10/1s,strict", true),
        ("10/1s,burst=0", false),
        ("1/31d,burst=2", false),
        ("10/1s,fast", false),
        ("70000/1s,strict", false),
        ("10/1s,strict,burst=5", false),
        ("10/1s,", false),
    ] {
        let parsed = text.parse::<Quota>();
        assert_eq!(parsed.is_ok(), good, "{text}");
        if let Ok(quota) = parsed {
            assert_eq!(quota.to_string(), text);
        }
    }
    assert!(Quota::per_minute(0).is_err());
    assert_eq!(Quota::per_second(5).expect("a rate").to_string(), "5/1s");
    assert_eq!(Quota::per_hour(5).expect("a rate").to_string(), "5/1h");
}
