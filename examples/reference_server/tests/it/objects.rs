//! Where the bytes of pictures go, and that none stay that nobody can find.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, png, refused, text};

/// All files below a folder, by their path in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("readable").path());
    let nested = paths.flat_map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    nested.collect()
}

fn objects(server: &Server, folder: &str) -> Vec<PathBuf> {
    files(&server.data.path().join("objects").join(folder))
}

/// Waits until something holds, for a second.
async fn within_a_second(what: &str, holds: impl Fn() -> bool) {
    within(Duration::from_secs(1), what, holds).await;
}

async fn within(limit: Duration, what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_same_picture_is_one_object_and_many_records() {
    let server = Server::start();
    let (ann, bob) = (
        server.token("ann@example.com").await,
        server.token("bob@example.com").await,
    );
    let picture = png(8, 8, 5_000);
    let uploads = (0..30).map(|index| {
        let token = if index % 3 == 0 { &bob } else { &ann };
        server.upload(token, "a.png", "image/png", picture.clone())
    });
    let answers = futures_util::future::join_all(uploads).await;
    let mut images = Vec::new();
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::CREATED);
        images.push(answer.json::<Value>().await.expect("JSON"));
    }
    let sha256 = text(&images[0], "sha256");
    let kept = objects(&server, "blobs");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(
        kept[0].ends_with(format!("sha256/{}/{sha256}", &sha256[..2])),
        "{kept:?}"
    );
    within_a_second("nothing temporary stays", || {
        objects(&server, "tmp").is_empty()
    })
    .await;
    for (index, image) in images.iter().enumerate() {
        let token = if index % 3 == 0 { &bob } else { &ann };
        let content = server.get(&text(image, "url"), token).await;
        assert_eq!(
            content.bytes().await.expect("bytes"),
            picture,
            "until it is deleted"
        );
        let path = format!("/api/images/{}", text(image, "id"));
        let deleted = server
            .request(Method::DELETE, &path)
            .bearer_auth(token)
            .send()
            .await;
        assert_eq!(deleted.expect("an answer").status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(
        objects(&server, "blobs"),
        [] as [PathBuf; 0],
        "with the last one"
    );
}

/// Many at once must not pass a quota that one after the other could not.
async fn fifty_at_once(server: &Server) {
    let token = server.token("ann@example.com").await;
    let uploads = (0..50).map(|index| {
        // Of the same size, and each another picture.
        let mut picture = png(8, 8, 10_000);
        picture[1_000] = index;
        server.upload(&token, "a.png", "image/png", picture)
    });
    let answers = futures_util::future::join_all(uploads).await;
    let mut kept = 0;
    for answer in answers {
        if answer.status() == StatusCode::CREATED {
            kept += 1;
            continue;
        }
        let problem = refused(answer, 507, "quota_exceeded").await;
        assert_eq!(problem["limit"], 100 * 1024);
    }
    assert_eq!(kept, 10, "ten of 10,000 bytes fit in 100 KiB");
}

#[tokio::test]
async fn fifty_uploads_at_once_stay_within_the_quota() {
    let server = Server::start_with(&[("UPLOAD_QUOTA_BYTES", "100KiB")]);
    fifty_at_once(&server).await;
    assert_eq!(
        objects(&server, "blobs").len(),
        10,
        "no object without a record"
    );
    #[cfg(feature = "postgres")]
    if let Some(url) = crate::postgres::database("quota") {
        let settings = [("UPLOAD_QUOTA_BYTES", "100KiB"), ("DATABASE_URL", &*url)];
        let server = Server::start_with(&settings);
        fifty_at_once(&server).await;
        assert_eq!(
            objects(&server, "blobs").len(),
            10,
            "no object without a record"
        );
    }
}

/// A lock is a connection with Postgres: many at once must not wait for each other.
async fn many_are_deleted_at_once(server: &Server) {
    let token = server.token("bob@example.com").await;
    let mut paths = Vec::new();
    for index in 0..40 {
        let mut picture = png(8, 8, 600);
        picture[200] = index;
        let answer = server.upload(&token, "a.png", "image/png", picture).await;
        let image: Value = answer.json().await.expect("JSON");
        paths.push(format!("/api/images/{}", text(&image, "id")));
    }
    let deletes = paths.iter().map(|path| {
        let request = server.request(Method::DELETE, path).bearer_auth(&token);
        request.send()
    });
    for answer in futures_util::future::join_all(deletes).await {
        assert_eq!(answer.expect("an answer").status(), StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn forty_pictures_are_deleted_at_once() {
    let server = Server::start();
    many_are_deleted_at_once(&server).await;
    assert_eq!(objects(&server, "blobs").len(), 0);
    #[cfg(feature = "postgres")]
    if let Some(url) = crate::postgres::database("deletes") {
        let server = Server::start_with(&[("DATABASE_URL", &url)]);
        many_are_deleted_at_once(&server).await;
        assert_eq!(objects(&server, "blobs").len(), 0);
    }
}

/// Sends the head of an upload and half of its bytes.
pub(crate) fn half_an_upload(server: &Server, token: &str, picture: &[u8]) -> TcpStream {
    let form = [
        &b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"[..],
        picture,
        b"\r\n--B--\r\n",
    ]
    .concat();
    let address = server.url.strip_prefix("http://").expect("a URL");
    let mut stream = TcpStream::connect(address).expect("a server");
    let head = format!(
        "POST /api/images HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream
        .write_all(&form[..form.len() / 2])
        .expect("the server reads");
    stream
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let stream = half_an_upload(&server, &token, &png(8, 8, 5_000_000));
    within_a_second("it is being written", || !objects(&server, "").is_empty()).await;
    drop(stream);
    within_a_second("nothing of it stays", || objects(&server, "").is_empty()).await;
    let list: Value = server
        .get("/api/images", &token)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn a_refused_picture_leaves_nothing() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let large = png(8, 8, 6_000_000);
    let form = [
        &b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"[..],
        &large,
        b"\r\n--B--\r\n",
    ]
    .concat();
    // In pieces, so that it is refused when most of it is written.
    let pieces: Vec<_> = form
        .chunks(100_000)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let answer = server
        .request(Method::POST, "/api/images")
        .bearer_auth(&token)
        .header("content-type", "multipart/form-data; boundary=B")
        .body(reqwest::Body::wrap_stream(futures_util::stream::iter(
            pieces,
        )))
        .send()
        .await
        .expect("an answer");
    refused(answer, 413, "part_too_large").await;
    within_a_second("nothing of it stays", || objects(&server, "").is_empty()).await;
}

#[tokio::test]
async fn left_over_objects_are_swept_up() {
    let mut server = Server::start();
    let token = server.token("ann@example.com").await;
    let kept: Value = server
        .upload(&token, "a.png", "image/png", png(8, 8, 500))
        .await
        .json()
        .await
        .expect("JSON");
    let folder = server.data.path().join("objects");
    let mut old = objects(&server, "blobs");
    let id = "019aa0b7-7a1c-715b-ac61-60fac5157451";
    let young = folder.join("tmp/1/019aa0b7-7a1c-715b-ac61-60fac5157452");
    for stray in [&format!("tmp/1/{id}"), &format!("incoming/somebody/{id}")] {
        old.push(folder.join(stray));
    }
    // A picture whose object could not be removed with it.
    let gone: Value = server
        .upload(&token, "b.png", "image/png", png(9, 9, 600))
        .await
        .json()
        .await
        .expect("JSON");
    let sha256 = text(&gone, "sha256");
    old.push(folder.join(format!("blobs/sha256/{}/{sha256}", &sha256[..2])));
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('DELETE FROM images WHERE id = ?', (sys.argv[2],)); \
                  db.executemany('INSERT INTO objects VALUES (?, 1)', [(f'blobs/none/{n}',) for n in range(450)]); \
                  db.execute('UPDATE objects SET kept_at = kept_at - 200000'); db.commit()";
    let database = server.data.path().join("rampart.db");
    let done = Command::new("python3")
        .args(["-c", script])
        .arg(database)
        .arg(text(&gone, "id"))
        .status();
    if !done.is_ok_and(|status| status.success()) {
        return crate::services::skipped("python3");
    }
    // What somebody else has put there is nobody's to remove.
    let foreign = [
        folder.join("blobs/sha256/00/0042"),
        folder.join("tmp/1/notes.txt"),
    ];
    old.extend(foreign.clone());
    for path in old.iter().chain([&young]) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        if !path.exists() {
            fs::write(path, "left over").expect("written");
        }
    }
    // As a machine that stopped two days ago leaves them.
    let touched = Command::new("touch")
        .args(["-d", "2 days ago"])
        .args(&old)
        .status();
    assert!(touched.expect("touch runs").success());
    server.restart();
    let strays: Vec<_> = old[1..4].to_vec();
    within_a_second("they are gone", || strays.iter().all(|path| !path.exists())).await;
    assert!(young.exists(), "somebody may still write it");
    assert!(foreign.iter().all(|path| path.exists()));
    // More than are asked for at a time.
    let told = || {
        server
            .log()
            .contains("left-over objects were removed removed=451")
    };
    within(Duration::from_secs(20), "all of them are gone", told).await;
    let content = server.get(&text(&kept, "url"), &token).await;
    assert_eq!(content.bytes().await.expect("bytes"), png(8, 8, 500));
}

#[tokio::test]
async fn pictures_tell_nothing_of_where_they_were_taken() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let whole = png(8, 8, 0);
    let (start, end) = whole.split_at(33);
    // The checksum of a comment that says `Comment\0here`.
    let told = [start, b"\0\0\0\x0ctEXtComment\0here\x3e\x05\xd2\x7d", end].concat();
    let image: Value = server
        .upload(&token, "a.png", "image/png", told.clone())
        .await
        .json()
        .await
        .expect("JSON");
    let content = server.get(&text(&image, "url"), &token).await;
    assert_eq!(content.bytes().await.expect("bytes"), whole);
    assert_eq!(image["bytes"], whole.len());
}

#[tokio::test]
async fn a_picture_in_json_is_shown_the_way() {
    let server = Server::start();
    let token = server.token("ann@example.com").await;
    let change = |name: &str| {
        let request = server.request(Method::PATCH, "/api/me").bearer_auth(&token);
        request.json(&json!({"display_name": name})).send()
    };
    let answer = change("data:image/png;base64,iVBORw0KGgo=")
        .await
        .expect("an answer");
    let problem = refused(answer, 422, "data_url").await;
    assert!(
        text(&problem, "detail").contains("POST /api/images"),
        "{problem}"
    );
    let answer = change("data: a name, base64").await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
}
