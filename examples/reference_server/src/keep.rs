//! From a temporary object to a picture with a record.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use sha2::{Digest as _, Sha256};
use tokio::sync::SemaphorePermit;
use tower_rampart::identity::Principal;
use tower_rampart::rejection::{Rejection, RejectionCode};
use tower_rampart::upload::Kind;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::app::App;
use crate::db::{Image, now};
use crate::metadata;
use crate::objects::{KEPT, Temporary};
use crate::respond::{ApiError, ApiResult};

/// How many pictures are kept or removed at a time: as many are whole in memory,
/// and hold a lock, which with Postgres is a connection beside the one that is
/// worked with. All of them together must leave some for others.
pub(crate) const AT_ONCE: usize = 4;

/// Makes a picture of a temporary object: in a task of its own, so that a
/// client that goes away now leaves no object without a record.
pub(crate) async fn keep(
    app: &App,
    principal: &Principal,
    kind: Kind,
    title: String,
    mut temporary: Temporary,
) -> ApiResult<Image> {
    let (app, principal) = (app.clone(), principal.clone());
    let work = async move {
        // What waits is in the store, and not in memory.
        temporary.complete().await?;
        let _turn = turn(&app).await?;
        let bytes = temporary.read().await?;
        let stripped = tokio::task::spawn_blocking(move || metadata::strip(kind, &bytes)).await?;
        let bytes = stripped.ok_or_else(no_picture)?;
        let image = describe(&app, kind, title, &bytes)?;
        store(&app, principal.subject(), image, kind, bytes).await
    };
    tokio::spawn(work.in_current_span()).await?
}

/// How long a picture waits for its turn; others come first only as long as they make
/// progress, so that this is a sign of trouble.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a turn.
///
/// # Errors
///
/// 503 if it does not come.
async fn turn(app: &App) -> ApiResult<SemaphorePermit<'_>> {
    let late = || {
        let rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, RejectionCode::Overloaded);
        rejection
            .kind("keeping")
            .detail("too many pictures at once; try again")
            .retry_after(Duration::from_secs(5))
    };
    match tokio::time::timeout(PATIENCE, app.keeping.acquire()).await {
        Ok(turn) => Ok(turn.map_err(std::io::Error::other)?),
        Err(_) => Err(late().into()),
    }
}

fn no_picture() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_image",
        "there is no picture in the file",
    )
}

fn describe(app: &App, kind: Kind, title: String, bytes: &Bytes) -> ApiResult<Image> {
    let invalid = || {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_image",
            "the picture has no readable size",
        )
    };
    let size = imagesize::blob_size(bytes).map_err(|_| invalid())?;
    let (width, height) = (size.width as u64, size.height as u64);
    if width == 0 || height == 0 {
        return Err(invalid());
    }
    if width.saturating_mul(height) > app.upload.max_pixels {
        let detail = "the picture has more pixels than allowed";
        return Err(
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_pixels", detail)
                .member("limit", app.upload.max_pixels),
        );
    }
    let sha256: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Ok(Image {
        id: Uuid::now_v7().to_string(),
        object_key: format!("{KEPT}/sha256/{}/{sha256}", &sha256[..2]),
        media_type: kind.media_type().to_owned(),
        bytes: number(bytes.len() as u64),
        width: number(width),
        height: number(height),
        sha256,
        title,
        created_at: now(),
    })
}

/// Stores the object, then its record; nobody adds or removes the same object
/// meanwhile.
async fn store(app: &App, owner: &str, image: Image, kind: Kind, bytes: Bytes) -> ApiResult<Image> {
    let quota = app.upload.quota_bytes;
    let lock = app.db.lock_object(&image.object_key).await?;
    app.db.expect_object(&image.object_key).await?;
    app.objects
        .keep(&image.object_key, kind.media_type(), bytes)
        .await?;
    // If it is not known whether the record is there the object stays; the sweeper
    // will know.
    let added = match app.db.add_image(owner, &image, quota).await {
        Err(error) if is_of_nobody(&error) => {
            remove_unreferenced(app, &image.object_key).await;
            let _ = lock.release().await;
            return Err(ApiError::account_gone());
        }
        added => added?,
    };
    if !added {
        remove_unreferenced(app, &image.object_key).await;
    }
    let _ = lock.release().await;
    if added {
        return Ok(image);
    }
    let detail = "there is no room left; delete pictures first";
    Err(
        ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "quota_exceeded", detail)
            .member("limit", quota),
    )
}

/// Removes a picture, and its object if no other picture is the same; tells
/// whether it was there. Should the object stay, the sweeper finds it: the picture
/// is gone all the same.
pub(crate) async fn remove(app: &App, owner: &str, image: &Image) -> ApiResult<bool> {
    let _turn = turn(app).await?;
    let lock = app.db.lock_object(&image.object_key).await?;
    let removed = app.db.delete_image(owner, &image.id).await?;
    remove_unreferenced(app, &image.object_key).await;
    let _ = lock.release().await;
    Ok(removed)
}

/// Removes an object that no record names; tells whether it did. Whoever asks
/// holds its lock. What cannot be removed now is found by the sweeper.
pub(crate) async fn remove_unreferenced(app: &App, key: &str) -> bool {
    let outcome: ApiResult<bool> = async {
        if app.db.is_object_used(key).await? {
            return Ok(false);
        }
        app.objects.delete(key).await?;
        app.db.forget_object(key).await?;
        Ok(true)
    }
    .await;
    outcome.unwrap_or_else(|_| {
        tracing::warn!(key, "an object without a record could not be removed yet");
        false
    })
}

/// Whether a record names an account that is not there any more.
fn is_of_nobody(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}
