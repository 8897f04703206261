//! What operators switch on for everybody; every process follows within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::db::Db;
use crate::respond::ApiError;

/// The name of the switch that refuses changes.
pub(crate) const READ_ONLY: &str = "read_only";

const EVERY: Duration = Duration::from_millis(500);

/// The switches as this process knows them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switches {
    read_only: Arc<AtomicBool>,
}

impl Switches {
    /// Asks the database.
    ///
    /// # Errors
    ///
    /// If it does not answer; the switches stay.
    pub(crate) async fn read(&self, db: &Db) -> Result<(), sqlx::Error> {
        let on = db.is_switched_on(READ_ONLY).await?;
        if self.read_only.swap(on, Ordering::Relaxed) != on {
            tracing::warn!(on, "changes are refused (read only)");
        }
        Ok(())
    }

    /// Tells whether changes are refused.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }
}

/// Follows the database.
pub(crate) async fn follow(switches: Switches, db: Db) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        if let Err(error) = switches.read(&db).await {
            tracing::debug!(%error, "the switches cannot be read; they stay");
        }
    }
}

/// Refuses what would change something while changes are refused.
pub(crate) async fn refuse_changes(
    State(switches): State<Switches>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() || !switches.is_read_only() {
        return next.run(request).await;
    }
    let detail = "accounts and pictures cannot be changed right now; everything can be read";
    let mut response =
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "read_only", detail).into_response();
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("60"));
    response
}
