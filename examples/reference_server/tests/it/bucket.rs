//! Pictures in a bucket, as another program serves it.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, png, refused, text};
use crate::services;

/// A bucket of its own.
struct Bucket {
    client: Client,
    endpoint: String,
    name: &'static str,
}

impl Bucket {
    async fn create(name: &'static str) -> Option<Self> {
        Some(Self::create_at(services::s3()?, name).await)
    }

    async fn create_at(service: &services::Service, name: &'static str) -> Self {
        let endpoint = format!("http://127.0.0.1:{}", service.port);
        let client = Client::new();
        let created = client.put(format!("{endpoint}/{name}")).send().await;
        assert!(created.expect("an answer").status().is_success());
        Self {
            client,
            endpoint,
            name,
        }
    }

    fn server(&self, more: &[(&str, &str)]) -> Server {
        let storage = format!("s3://{}/pictures", self.name);
        let mut settings = vec![
            ("STORAGE_URL", &*storage),
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        settings.extend(more);
        Server::start_with(&settings)
    }

    /// The keys that are there, or the uploads that were begun.
    async fn list(&self, what: &str) -> Vec<String> {
        let url = format!("{}/{}?{what}", self.endpoint, self.name);
        let answer = self.client.get(url).send().await.expect("an answer");
        let text = answer.text().await.expect("text");
        let keys = text.split("<Key>").skip(1);
        keys.map(|rest| rest.split('<').next().expect("a key").to_owned())
            .collect()
    }

    /// Waits until nothing temporary is there.
    async fn settled(&self) -> Vec<String> {
        for _ in 0..100 {
            let keys = self.list("list-type=2").await;
            let begun = self.list("uploads").await;
            if begun.is_empty() && keys.iter().all(|key| key.starts_with("pictures/blobs/")) {
                return keys;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!(
            "something temporary stays: {:?}",
            self.list("list-type=2").await
        );
    }
}

#[tokio::test]
async fn a_picture_lives_in_a_bucket_as_it_does_in_a_folder() {
    let Some(bucket) = Bucket::create("pictures").await else {
        return;
    };
    let server = bucket.server(&[("UPLOAD_MAX_BYTES", "20MiB")]);
    let token = server.token("ann@example.com").await;
    // In one request, and in parts.
    for size in [500, 12_000_000] {
        let picture = png(8, 8, size);
        let uploaded = server
            .upload(&token, "a.png", "image/png", picture.clone())
            .await;
        assert_eq!(uploaded.status(), StatusCode::CREATED);
        let image: Value = uploaded.json().await.expect("JSON");
        let sha256 = text(&image, "sha256");
        let key = format!("pictures/blobs/sha256/{}/{sha256}", &sha256[..2]);
        assert_eq!(bucket.settled().await, std::slice::from_ref(&key));
        let stored = bucket
            .client
            .get(format!("{}/pictures/{key}", bucket.endpoint));
        // It asks who it is, and believes everybody.
        let somebody = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let stored = stored.header("authorization", somebody).send().await;
        let stored = stored.expect("an answer");
        assert_eq!(stored.headers()["content-type"], "image/png");
        let content = server.get(&text(&image, "url"), &token).await;
        assert_eq!(content.bytes().await.expect("bytes"), picture);
        let part = server.request(Method::GET, &text(&image, "url"));
        let part = part.bearer_auth(&token).header("range", "bytes=100-199");
        let part = part.send().await.expect("an answer");
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.bytes().await.expect("bytes"), picture[100..200]);
        let path = format!("/api/images/{}", text(&image, "id"));
        let deleted = server
            .request(Method::DELETE, &path)
            .bearer_auth(&token)
            .send()
            .await;
        assert_eq!(deleted.expect("an answer").status(), StatusCode::NO_CONTENT);
        assert_eq!(bucket.settled().await, [] as [String; 0]);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_in_a_bucket() {
    let Some(bucket) = Bucket::create("half").await else {
        return;
    };
    let server = bucket.server(&[("UPLOAD_MAX_BYTES", "40MiB")]);
    let token = server.token("ann@example.com").await;
    let stream = crate::objects::half_an_upload(&server, &token, &png(8, 8, 30_000_000));
    let mut begun = Vec::new();
    for _ in 0..200 {
        begun = bucket.list("uploads").await;
        if !begun.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(begun.len(), 1, "it is being written in parts");
    drop(stream);
    assert_eq!(bucket.settled().await, [] as [String; 0]);
}

#[tokio::test]
async fn what_goes_straight_to_the_bucket_is_judged_before_it_is_kept() {
    let Some(bucket) = Bucket::create("direct").await else {
        return;
    };
    let server = bucket.server(&[("UPLOAD_MAX_BYTES", "100KiB")]);
    let ann = server.token("ann@example.com").await;
    let bob = server.token("bob@example.com").await;
    let begin = async |kind: &str| {
        let request = server
            .request(Method::POST, "/api/images/direct")
            .bearer_auth(&ann);
        request
            .json(&json!({"media_type": kind}))
            .send()
            .await
            .expect("an answer")
    };
    let complete = async |id: &str, token: &str| {
        let path = format!("/api/images/direct/{id}");
        let request = server.request(Method::POST, &path).bearer_auth(token);
        request
            .json(&json!({"title": "Mine"}))
            .send()
            .await
            .expect("an answer")
    };
    let write = async |bytes: Vec<u8>| {
        let begun: Value = begin("image/png").await.json().await.expect("JSON");
        let put = bucket.client.put(text(&begun, "url"));
        let put = put.header("content-type", text(&begun["headers"], "content-type"));
        let put = put.body(bytes).send().await.expect("an answer");
        assert!(put.status().is_success(), "{put:?}");
        text(&begun, "id")
    };
    refused(begin("image/svg+xml").await, 415, "unsupported_media_type").await;

    let picture = png(8, 6, 50_000);
    let id = write(picture.clone()).await;
    // Of somebody else it is not there.
    refused(complete(&id, &bob).await, 404, "not_found").await;
    let answer = complete(&id, &ann).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let image: Value = answer.json().await.expect("JSON");
    assert_eq!(
        (&image["width"], &image["title"]),
        (&json!(8), &json!("Mine"))
    );
    let content = server.get(&text(&image, "url"), &ann).await;
    assert_eq!(content.bytes().await.expect("bytes"), picture);
    assert_eq!(bucket.settled().await.len(), 1);
    refused(complete(&id, &ann).await, 404, "not_found").await;

    for (bytes, status, code) in [
        (
            b"<html><script>alert(1)</script>".to_vec(),
            415,
            "media_type_mismatch",
        ),
        (png(8, 8, 200_000), 413, "body_too_large"),
        (
            png(10_000, 10_000, 0)[..100].to_vec(),
            422,
            "too_many_pixels",
        ),
        (
            b"\xff\xd8\xff\xe0 a picture of another kind".to_vec(),
            415,
            "media_type_mismatch",
        ),
    ] {
        let id = write(bytes).await;
        refused(complete(&id, &ann).await, status, code).await;
        assert_eq!(bucket.settled().await.len(), 1, "and it is gone");
        refused(complete(&id, &ann).await, 404, "not_found").await;
    }
}

#[tokio::test]
async fn an_object_store_that_is_away_is_waited_for() {
    let Some(mut service) = services::Service::s3() else {
        return;
    };
    let bucket = Bucket::create_at(&service, "away").await;
    let server = bucket.server(&[]);
    let token = server.token("ann@example.com").await;
    let upload = |name| server.upload(&token, name, "image/png", png(8, 8, 500));
    let image: Value = upload("a.png").await.json().await.expect("JSON");
    service.kill();
    let answer = upload("b.png").await;
    assert_eq!(answer.headers()["retry-after"], "1");
    refused(answer, 503, "temporarily_unavailable").await;
    let content = server.get(&text(&image, "url"), &token).await;
    refused(content, 503, "temporarily_unavailable").await;
    // The record goes; what is left of it is swept up one day.
    let path = format!("/api/images/{}", text(&image, "id"));
    let deleted = server
        .request(Method::DELETE, &path)
        .bearer_auth(&token)
        .send()
        .await;
    assert_eq!(deleted.expect("an answer").status(), StatusCode::NO_CONTENT);
    service.start_again();
    // It forgets everything when it ends.
    Bucket::create_at(&service, "away").await;
    assert_eq!(upload("b.png").await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_at_the_start() {
    let Some(service) = services::s3() else {
        return;
    };
    let endpoint = format!("http://127.0.0.1:{}", service.port);
    let data = tempfile::tempdir().expect("a folder");
    let output = crate::server::binary()
        .env("RAMPART_DATA_DIR", data.path())
        .env("RAMPART_LISTEN", "127.0.0.1:0")
        .env("RAMPART_ADMIN_LISTEN", "127.0.0.1:0")
        .env("BCRYPT_COST", "10")
        .env("STORAGE_URL", "s3://nowhere")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("STORAGE_URL: the object store cannot be read"),
        "{text}"
    );
}
