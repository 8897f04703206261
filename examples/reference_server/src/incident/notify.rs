//! Sending the mails of an incident.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::progress;
use crate::db::MailCounts;
use crate::desk::Desk;

/// How often it is looked whether a mail's turn has come.
const AGAIN: Duration = Duration::from_millis(200);

/// Sends until nothing waits any more. A running server helps, and whoever is killed
/// meanwhile is replaced by the next call.
///
/// # Errors
///
/// If the database fails, or mails cannot leave at all.
pub(crate) async fn send(
    desk: &Desk,
    incident: &str,
    template: &str,
    rate: NonZeroU32,
) -> Result<MailCounts, Box<dyn std::error::Error>> {
    if !desk.post.can_send() {
        return Err("SMTP_URL is not set, so no mail can leave".into());
    }
    desk.db.hurry_mails(incident).await?;
    let pause = Duration::from_secs(1) / rate.get();
    loop {
        let counts = desk.db.mail_counts(Some(incident), Some(template)).await?;
        progress(
            counts.sent + counts.failed,
            counts.sent + counts.failed + counts.queued,
        );
        if counts.queued == 0 {
            return Ok(counts);
        }
        let due = desk
            .db
            .due_mails(Some(incident), rate.get().min(50).into())
            .await?;
        if due.is_empty() {
            tokio::time::sleep(AGAIN).await;
        }
        for mail in due {
            let begun = Instant::now();
            desk.post
                .deliver(&mail, |entry| desk.audit.note(entry))
                .await?;
            tokio::time::sleep(pause.saturating_sub(begun.elapsed())).await;
        }
    }
}
