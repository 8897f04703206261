//! Pictures once they are there.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::server::{Server, png, refused, text};

#[tokio::test]
async fn a_picture_is_served_in_ranges_with_a_tag_and_in_a_sandbox() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let picture = png(64, 48, 3_000);
    let image: Value = server
        .upload(&token, "a.png", "image/png", picture.clone())
        .await
        .json()
        .await
        .expect("JSON");
    let url = text(&image, "url");
    let get = |headers: &[(&str, &str)]| {
        let request = server.request(Method::GET, &url).bearer_auth(&token);
        headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .send()
    };
    let whole = get(&[]).await.expect("an answer");
    let headers = whole.headers().clone();
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; frame-ancestors 'none'; sandbox"
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(
        headers["content-disposition"]
            .to_str()
            .expect("ASCII")
            .starts_with("inline; filename=\"")
    );
    let etag = headers["etag"].to_str().expect("ASCII").to_owned();
    assert_eq!(etag, format!("\"{}\"", text(&image, "sha256")));

    let part = get(&[("range", "bytes=10-19")]).await.expect("an answer");
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        part.headers()["content-range"].to_str().expect("ASCII"),
        format!("bytes 10-19/{}", picture.len())
    );
    assert_eq!(part.bytes().await.expect("bytes"), picture[10..20]);
    let tail = get(&[("range", "bytes=-5")]).await.expect("an answer");
    assert_eq!(
        tail.bytes().await.expect("bytes"),
        picture[picture.len() - 5..]
    );
    let beyond = get(&[("range", "bytes=999999-")]).await.expect("an answer");
    assert_eq!(
        beyond.headers()["content-range"].to_str().expect("ASCII"),
        format!("bytes */{}", picture.len())
    );
    refused(beyond, 416, "range_not_satisfiable").await;
    let outdated = get(&[("range", "bytes=0-1"), ("if-range", "\"other\"")])
        .await
        .expect("an answer");
    assert_eq!(outdated.status(), StatusCode::OK);
    let known = get(&[("if-none-match", &etag)]).await.expect("an answer");
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn pictures_of_others_do_not_exist() {
    let server = Server::start();
    let (ann, bob) = (
        server.token("ann@example.com").await,
        server.token("bob@example.com").await,
    );
    let image: Value = server
        .upload(&ann, "a.png", "image/png", png(8, 8, 0))
        .await
        .json()
        .await
        .expect("JSON");
    let path = format!("/api/images/{}", text(&image, "id"));
    for path in [
        path.clone(),
        format!("{path}/content"),
        "/api/images/nonsense".to_owned(),
    ] {
        refused(server.get(&path, &bob).await, 404, "not_found").await;
    }
    let delete = |token: &str| {
        server
            .request(Method::DELETE, &path)
            .bearer_auth(token)
            .send()
    };
    refused(delete(&bob).await.expect("an answer"), 404, "not_found").await;
    assert_eq!(
        delete(&ann).await.expect("an answer").status(),
        StatusCode::NO_CONTENT
    );
    refused(delete(&ann).await.expect("an answer"), 404, "not_found").await;
    refused(server.get(&path, &ann).await, 404, "not_found").await;
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    for _ in 0..51 {
        assert_eq!(
            server
                .upload(&token, "a.png", "image/png", png(1, 1, 0))
                .await
                .status(),
            StatusCode::CREATED
        );
    }
    let first: Value = server
        .get("/api/images", &token)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(first["items"].as_array().map(Vec::len), Some(50));
    let rest = server
        .get(
            &format!("/api/images?cursor={}", text(&first, "next_cursor")),
            &token,
        )
        .await;
    let rest: Value = rest.json().await.expect("JSON");
    assert_eq!(
        (rest["items"].as_array().map(Vec::len), &rest["next_cursor"]),
        (Some(1), &Value::Null)
    );
    refused(
        server.get("/api/images?cursor=x", &token).await,
        400,
        "invalid_cursor",
    )
    .await;
}

#[tokio::test]
async fn a_raw_body_becomes_the_avatar() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let put = |media_type: &str, bytes: Vec<u8>| {
        server
            .request(Method::PUT, "/api/me/avatar")
            .bearer_auth(&token)
            .header("content-type", media_type)
            .body(bytes)
            .send()
    };
    assert_eq!(
        put("image/png", png(8, 8, 0))
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    let me: Value = server
        .get("/api/me", &token)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(
        server
            .get(&text(&me, "avatar"), &token)
            .await
            .bytes()
            .await
            .expect("bytes"),
        png(8, 8, 0)
    );
    refused(
        put("image/jpeg", png(8, 8, 0)).await.expect("an answer"),
        415,
        "media_type_mismatch",
    )
    .await;
    refused(
        put("text/html", b"<p>".to_vec()).await.expect("an answer"),
        415,
        "unsupported_media_type",
    )
    .await;
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(png(8, 8, 0))]);
    let streamed = server
        .request(Method::PUT, "/api/me/avatar")
        .bearer_auth(&token)
        .header("content-type", "image/png");
    let streamed = streamed
        .body(reqwest::Body::wrap_stream(chunks))
        .send()
        .await
        .expect("an answer");
    refused(streamed, 411, "length_required").await;
}

#[tokio::test]
async fn the_page_is_strict_and_its_assets_are_there() {
    let server = Server::start();
    let page = server
        .request(Method::GET, "/")
        .send()
        .await
        .expect("an answer");
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let html = page.text().await.expect("text");
    assert!(
        !html.contains("style=") && !html.contains("onclick"),
        "nothing inline"
    );
    let mut assets = html
        .match_indices("/assets/")
        .map(|(at, _)| html[at..].split('"').next().expect("a path"));
    let mut seen = 0;
    for path in assets
        .by_ref()
        .chain(["/assets/api.js", "/assets/dom.js", "/assets/gallery.js"])
    {
        let asset = server
            .request(Method::GET, path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(asset.status(), StatusCode::OK, "{path}");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
    assert!(
        html.contains("name=\"api\" content=\"\""),
        "the API is where the page is"
    );
}

#[tokio::test]
async fn what_went_wrong_is_logged_under_the_name_that_the_client_was_told() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let objects = server.data.path().join("objects");
    std::fs::remove_dir_all(&objects).expect("removed");
    std::fs::write(&objects, "not a folder").expect("written");
    let answer = server
        .upload(&token, "a.png", "image/png", png(8, 8, 0))
        .await;
    let problem = refused(answer, 503, "temporarily_unavailable").await;
    let id = text(&problem, "request_id");
    let log = server.log();
    let line = log.lines().find(|line| line.contains("request failed"));
    assert!(line.is_some_and(|line| line.contains(&id)), "{id}\n{log}");
    // The client is not told where files are.
    assert!(!problem.to_string().contains("objects"), "{problem}");
}
