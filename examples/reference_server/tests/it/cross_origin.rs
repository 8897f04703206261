//! Pages of several origins in a real browser, and what of their requests
//! arrives.
//!
//! Another port of one host is the same site: cookies with `SameSite=Strict` go
//! along, and only the list of origins stands between.

use serde_json::{Value, json};

use crate::recorder::{Setup, setup};
use crate::server::PASSWORD;
use crate::services::skipped;

fn blocked() -> Value {
    json!({"error": "TypeError"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_can_neither_read_nor_spend() {
    let Some(setup) = setup().await else {
        return skipped("browser");
    };
    let sign_in = format!(
        r#"
        const credentials = {{ email: "ann@example.com", password: "{PASSWORD}" }};
        await fetch(api + "/api/auth/register", json("POST", credentials));
        return (await fetch(api + "/api/auth/login", json("POST", credentials))).status;
        "#
    );
    let (signed_in, _) = setup.run(&setup.app, &sign_in).await;
    assert_eq!(signed_in, 200);

    may_read(&setup).await;
    may_not_read(&setup).await;
    may_not_act(&setup).await;
    strangers_without_origin(&setup).await;
    answers_are_readable(&setup).await;
    pictures(&setup).await;
    nothing_is_embedded_or_timed(&setup).await;

    // After all of this, the owner's cookie is still worth a session.
    let (refreshed, seen) = setup
        .run(
            &setup.app,
            r#"return read(await fetch(api + "/api/auth/refresh", json("POST", {})));"#,
        )
        .await;
    assert_eq!(refreshed["status"], 200, "{refreshed}");
    assert!(
        seen.iter()
            .any(|seen| seen.method == "POST" && seen.sets_cookie),
        "{seen:#?}"
    );
}

/// B1, B3, B21, B22: the pages on the list.
async fn may_read(setup: &Setup) {
    for page in [&setup.app, &setup.other] {
        let me = r#"const answer = await fetch(api + "/api/me", { credentials: "include" });
            return { email: (await answer.json()).email, seen: [...answer.headers.keys()] };"#;
        let (result, seen) = setup.run(page, me).await;
        assert_eq!(result["email"], "ann@example.com", "{}", page.origin);
        let seen_headers = result["seen"].as_array().expect("a list");
        for exposed in ["x-request-id", "ratelimit", "ratelimit-policy"] {
            assert!(seen_headers.contains(&exposed.into()), "{seen_headers:?}");
        }
        for hidden in ["set-cookie", "x-content-type-options", "vary"] {
            assert!(!seen_headers.contains(&hidden.into()), "{seen_headers:?}");
        }
        assert!(
            matches!(&seen[..], [one] if one.cookie && one.origin == page.origin),
            "{seen:#?}"
        );

        // One preflight for two requests, of each page; and it carries nothing.
        let change = r#"for (const _ of [1, 2]) {
            await fetch(api + "/api/me", {
              ...json("PATCH", { nothing: 1 }),
              headers: { "Content-Type": "application/json", Authorization: "Bearer x" },
            });
          }"#;
        let (_, seen) = setup.run(page, change).await;
        let methods: Vec<_> = seen.iter().map(|seen| seen.method.as_str()).collect();
        assert_eq!(methods, ["OPTIONS", "PATCH", "PATCH"], "{}", page.origin);
        assert!(!seen[0].cookie && !seen[0].authorization && seen[0].status == 204);
        assert!(seen[1].cookie && seen[1].authorization);
    }
    let bearer = format!(
        r#"
        const body = {{ email: "ann@example.com", password: "{PASSWORD}", delivery: "body" }};
        const login = await fetch(api + "/api/auth/login", {{ ...json("POST", body), credentials: "omit" }});
        const headers = {{ Authorization: "Bearer " + (await login.json()).access_token }};
        return (await fetch(api + "/api/me", {{ credentials: "omit", headers }})).status;
        "#
    );
    let (status, seen) = setup.run(&setup.app, &bearer).await;
    assert_eq!(status, 200);
    assert!(seen.iter().all(|seen| !seen.cookie), "{seen:#?}");
}

/// B2, B7, B12, B13, B15: what the browser keeps from pages, or never sends.
async fn may_not_read(setup: &Setup) {
    let me = r#"return (await fetch(api + "/api/me", { credentials: "include" })).status;"#;
    let (result, seen) = setup.run(&setup.sibling, me).await;
    assert_eq!(result, blocked());
    assert!(
        matches!(&seen[..], [one] if one.cookie && one.site == "same-site" && one.status == 200),
        "it did arrive, with the cookies: {seen:#?}"
    );
    for (page, script, arrives) in [
        (
            &setup.sibling,
            r#"await fetch(api + "/api/me", { method: "DELETE", credentials: "include" });"#,
            403,
        ),
        (
            &setup.app,
            r#"await fetch(api + "/api/me", { headers: { "X-Evil": "1" } });"#,
            204,
        ),
        (
            &setup.app,
            r#"await fetch(api + "/api/images", { method: "patch" });"#,
            204,
        ),
    ] {
        let (result, seen) = setup.run(page, script).await;
        assert_eq!(result, blocked(), "{script}");
        let [one] = &seen[..] else {
            panic!("{script}: {seen:#?}")
        };
        assert_eq!(
            (one.method.as_str(), one.status),
            ("OPTIONS", arrives),
            "{script}"
        );
    }
    let through = format!(
        r#"await fetch("{}/redirect/" + encodeURIComponent(api + "/api/me"));"#,
        setup.sibling.origin
    );
    let (result, seen) = setup.run(&setup.app, &through).await;
    assert_eq!(result, blocked());
    assert!(
        matches!(&seen[..], [one] if one.origin == "null"),
        "{seen:#?}"
    );
}

/// B4, B5, B6, B20: the refresh cookie cannot be spent by others.
async fn may_not_act(setup: &Setup) {
    let refresh = r#"await fetch(api + "/api/auth/refresh", { method: "POST", credentials: "include", body: "x" });"#;
    let form = r#"
        const frame = document.createElement("iframe");
        frame.name = "target";
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: api + "/api/auth/refresh", target: "target", enctype: "text/plain" });
        document.body.append(frame, form);
        form.submit();"#;
    let beacon = r#"navigator.sendBeacon(api + "/api/auth/refresh", "x");"#;
    for script in [refresh, form, beacon] {
        setup.recorder.take();
        let (_, mut seen) = setup.run(&setup.sibling, script).await;
        seen.extend(setup.recorder.until(1 - seen.len()).await);
        let [one] = &seen[..] else {
            panic!("{seen:#?}")
        };
        assert_eq!(
            (one.method.as_str(), one.origin.as_str()),
            ("POST", setup.sibling.origin.as_str())
        );
        assert!(
            one.cookie && one.site == "same-site",
            "the browser sends it: {one:?}"
        );
        assert!(one.status == 403 && !one.sets_cookie, "{script}: {one:?}");
    }
    for page in &setup.foreign {
        let (result, seen) = setup.run(page, refresh).await;
        assert_eq!(result, blocked());
        let [one] = &seen[..] else {
            panic!("{seen:#?}")
        };
        assert!(
            !one.cookie && one.site == "cross-site" && one.status == 403,
            "{one:?}"
        );
    }
    let socket = r#"return new Promise((resolve) => {
        const socket = new WebSocket(api.replace("http", "ws") + "/api/me");
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
    });"#;
    for (page, refused) in [(&setup.sibling, true), (&setup.app, false)] {
        let (result, seen) = setup.run(page, socket).await;
        assert_eq!(result, "refused", "nothing speaks that here");
        let [one] = &seen[..] else {
            panic!("{seen:#?}")
        };
        assert_eq!(one.status == 403, refused, "{one:?}");
    }
}

/// B14: a page that has no origin.
async fn strangers_without_origin(setup: &Setup) {
    let sandboxed = r#"
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        const inner = `fetch("${api}/api/auth/refresh", { method: "POST", credentials: "include", body: "x" })`;
        frame.srcdoc = `<script>${inner}.then(() => "read", () => "blocked").then((told) => parent.postMessage(told, "*"))<\/script>`;
        const told = new Promise((resolve) => addEventListener("message", (event) => resolve(event.data), { once: true }));
        document.body.append(frame);
        return told;"#;
    let (result, seen) = setup.run(&setup.app, sandboxed).await;
    assert_eq!(result, "blocked");
    assert!(
        matches!(&seen[..], [one] if one.origin == "null" && one.status == 403 && !one.sets_cookie),
        "{seen:#?}"
    );
}

/// B8 to B11: refusals that the page may read, as any other answer.
async fn answers_are_readable(setup: &Setup) {
    let upload = |bytes: usize, kind: &str| {
        format!(
            r#"const form = new FormData();
            form.append("file", new Blob([new Uint8Array({bytes})], {{ type: "{kind}" }}), "a.png");
            return read(await fetch(api + "/api/images", {{ method: "POST", credentials: "include", body: form }}));"#
        )
    };
    for (script, status, code) in [
        (upload(300_000, "image/png"), 413, "body_too_large"),
        (upload(1_000, "application/pdf"), 415, "media_type_mismatch"),
        (
            r#"return read(await fetch(api + "/api/nowhere", { credentials: "include" }));"#
                .to_owned(),
            404,
            "not_found",
        ),
        (
            r#"return read(await fetch(api + "/api/auth/login", { credentials: "include" }));"#
                .to_owned(),
            405,
            "method_not_allowed",
        ),
    ] {
        let (result, _) = setup.run(&setup.app, &script).await;
        assert_eq!(result, json!({"status": status, "code": code}), "{script}");
    }
    let expired = r#"
        const answer = await fetch(api + "/api/me", { credentials: "omit", headers: { Authorization: "Bearer a.b.c" } });
        return { ...await read(answer), challenge: answer.headers.get("WWW-Authenticate") !== null };"#;
    let (result, _) = setup.run(&setup.app, expired).await;
    assert_eq!(
        result,
        json!({"status": 401, "code": "token_invalid", "challenge": true})
    );
    let limited = r#"
        for (let i = 0; i < 10; i++) {
          const answer = await fetch(api + "/api/auth/login", json("POST", { email: "b@example.com", password: "wrong" }));
          if (answer.status === 429) {
            return { ...await read(answer), wait: Number(answer.headers.get("Retry-After")) > 0 };
          }
        }"#;
    let (result, _) = setup.run(&setup.app, limited).await;
    assert_eq!(
        result,
        json!({"status": 429, "code": "rate_limited", "wait": true})
    );
}

/// B17: a picture may be fetched by a page on the list, and embedded by none.
async fn pictures(setup: &Setup) {
    // A picture that a canvas has painted is a real one.
    let upload = r#"
        const canvas = new OffscreenCanvas(8, 8);
        canvas.getContext("2d").fillRect(0, 0, 8, 8);
        const form = new FormData();
        form.append("file", await canvas.convertToBlob(), "a.png");
        const answer = await fetch(api + "/api/images", { method: "POST", credentials: "include", body: form });
        return (await answer.json()).url;"#;
    let (url, _) = setup.run(&setup.app, upload).await;
    let url = url.as_str().expect("a path").to_owned();
    let embed = format!(
        r#"return new Promise((resolve) => {{
            const image = new Image();
            image.onload = () => resolve("shown");
            image.onerror = () => resolve("blocked");
            image.src = api + "{url}";
        }});"#
    );
    let (result, seen) = setup.run(&setup.sibling, &embed).await;
    assert_eq!(result, "blocked");
    let [one] = &seen[..] else {
        panic!("{seen:#?}")
    };
    assert_eq!(
        (one.status, one.site.as_str()),
        (200, "same-site"),
        "{one:?}"
    );
    let fetch =
        format!(r#"return (await fetch(api + "{url}", {{ credentials: "include" }})).status;"#);
    let (result, _) = setup.run(&setup.app, &fetch).await;
    assert_eq!(result, 200, "whatever another page has cached");
}

/// B18, B23, B24: JSON is no script, times are not told, and whoever opens the
/// service's page has no hold of it.
async fn nothing_is_embedded_or_timed(setup: &Setup) {
    let script = r#"return new Promise((resolve) => {
        const script = document.createElement("script");
        script.onload = () => resolve("ran");
        script.onerror = () => resolve("blocked");
        script.src = api + "/api/me";
        document.body.append(script);
    });"#;
    let (result, seen) = setup.run(&setup.sibling, script).await;
    assert_eq!(result, "blocked");
    assert!(
        matches!(&seen[..], [one] if one.cookie && one.status == 200),
        "{seen:#?}"
    );
    let timed = r#"await (await fetch(api + "/api/me?timed", { credentials: "include" })).text();
        let entry;
        for (let i = 0; i < 200 && !entry; i++) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          [entry] = performance.getEntriesByName(api + "/api/me?timed");
        }
        return [entry.requestStart, entry.responseStart, entry.transferSize];"#;
    let (result, _) = setup.run(&setup.app, timed).await;
    assert_eq!(result, json!([0, 0, 0]));
    let opened = r#"const page = open(api + "/");
        for (let i = 0; i < 200 && !page.closed; i++) await new Promise((resolve) => setTimeout(resolve, 50));
        return page.closed;"#;
    let (result, seen) = setup.run(&setup.sibling, opened).await;
    assert_eq!(result, true, "cut off from who opened it");
    assert!(
        seen.iter().any(|seen| seen.status == 200),
        "a link works: {seen:#?}"
    );
}
