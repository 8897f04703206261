//! Objects that nobody will ever ask for.

use std::time::Duration;

use futures_util::TryStreamExt as _;

use crate::app::App;
use crate::keep::remove_unreferenced;
use crate::objects::{INCOMING, KEPT, TEMPORARY};
use crate::respond::ApiResult;

/// How old an object must be: older than any upload that is still going on.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(6 * 60 * 60);

/// Looks now, and again and again.
pub(crate) async fn follow(app: App) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        match sweep(&app).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "left-over objects were removed"),
            Err(error) => tracing::warn!(error = ?error, "left-over objects could not be removed"),
        }
    }
}

/// Removes temporary objects that nobody writes any more, and objects without a
/// record; tells how many.
async fn sweep(app: &App) -> ApiResult<usize> {
    let mut removed = 0;
    for folder in [TEMPORARY, INCOMING] {
        let mut found = app.objects.older(folder, AGE);
        while let Some(key) = found.try_next().await? {
            app.objects.delete(&key).await?;
            removed += 1;
        }
    }
    let mut found = app.objects.older(KEPT, AGE);
    while let Some(key) = found.try_next().await? {
        if app.db.is_object_used(&key).await? {
            continue;
        }
        let _turn = app.keeping.acquire().await.map_err(std::io::Error::other)?;
        let lock = app.db.lock_object(&key).await?;
        remove_unreferenced(app, &key).await?;
        lock.release().await?;
        removed += 1;
    }
    Ok(removed)
}
