//! Objects that nobody will ever ask for.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use uuid::Uuid;

use crate::app::App;
use crate::db::now;
use crate::keep::remove_unreferenced;
use crate::objects::{INCOMING, TEMPORARY};
use crate::respond::ApiResult;

/// How old an object must be: older than any upload that is still going on.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long mails that were sent, and tokens that are over, are remembered, in seconds.
const KEPT: i64 = 30 * 24 * 60 * 60;

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(6 * 60 * 60);

/// How many objects are asked for at a time.
const BATCH: i64 = 200;

/// Looks now, and again and again.
pub(crate) async fn follow(app: App) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let (temporary, unused) = (temporary(&app).await, unused(&app).await);
        match app.db.forget_old_mail(now() - KEPT).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "old mails and tokens were forgotten"),
            Err(error) => tracing::warn!(%error, "old mails could not be forgotten"),
        }
        for removed in [temporary, unused] {
            match removed {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "left-over objects were removed"),
                Err(_) => tracing::warn!("left-over objects could not be removed"),
            }
        }
    }
}

/// Removes temporary objects that nobody writes any more; only such as this
/// program names, whatever else is in the store. Tells how many.
async fn temporary(app: &App) -> ApiResult<usize> {
    let mut removed = 0;
    for folder in [TEMPORARY, INCOMING] {
        let mut found = app.objects.older(folder, AGE);
        while let Some(key) = found.try_next().await? {
            let name = key.rsplit('/').next().unwrap_or_default();
            if Uuid::parse_str(name).is_err() {
                continue;
            }
            match app.objects.delete(&key).await {
                Ok(()) => removed += 1,
                Err(error) => tracing::warn!(%error, key, "a temporary object stays"),
            }
        }
    }
    Ok(removed)
}

/// Removes objects that this database knows and has no record of any more; others
/// are somebody else's, or of a time after the backup that it was made from.
async fn unused(app: &App) -> ApiResult<usize> {
    let before = now() - i64::try_from(AGE.as_secs()).unwrap_or(i64::MAX);
    if !app.db.sees_every_picture().await {
        tracing::error!(
            "the tables are not those of this version, or hide pictures; no object is removed"
        );
        return Ok(0);
    }
    let mut removed = 0;
    loop {
        let keys = app.db.unused_objects(before, BATCH).await?;
        let mut gone = 0;
        for key in &keys {
            let _turn = app.keeping.acquire().await.map_err(std::io::Error::other)?;
            let lock = app.db.lock_object(key).await?;
            gone += usize::from(remove_unreferenced(app, key).await);
            let _ = lock.release().await;
        }
        removed += gone;
        // None are left, or only such as cannot be removed now.
        if gone == 0 {
            return Ok(removed);
        }
    }
}
