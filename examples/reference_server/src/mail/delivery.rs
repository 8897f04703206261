//! Sending what waits: at least once, and hardly ever twice.
//!
//! A mail is taken for a while before it is sent, so that of several processes one
//! sends it, and so that another one does if that one is killed meanwhile. Its
//! `Message-ID` is always the same: a mailbox can tell that two are one.

use std::time::Duration;

use lettre::Message;
use lettre::message::Body;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use tokio::time::Instant;

use super::transport::Undelivered;
use super::{CANARIES, Post, lifetime, templates, token_hash};
use crate::audit::{Audit, Entry};
use crate::db::{Mail, NewToken, now};

/// How long a server may take to accept a mail.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a mail is taken for, in seconds: longer than that.
const TAKEN_SECONDS: i64 = 15;

/// How often it is tried, and how long after the first failure, in seconds; twice as
/// long after every further one, an hour at most.
const ATTEMPTS: i64 = 12;
const FIRST_PAUSE_SECONDS: i64 = 5;
const LONGEST_PAUSE_SECONDS: i64 = 3_600;

/// How often it is looked whether something waits.
const EVERY: Duration = Duration::from_millis(500);

/// How many mails a running server sends in a second.
const RATE: u32 = 20;

/// Why there is no mail to send.
enum Unwritten {
    Withdrawn,
    Failed(String),
}

/// Sends what waits, until the task is stopped.
pub(crate) async fn follow(post: Post, audit: Audit) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        let mails = match post.db.due_mails(None, RATE.into()).await {
            Ok(mails) => mails,
            Err(error) => {
                tracing::debug!(%error, "the outbox cannot be read");
                continue;
            }
        };
        for mail in mails {
            let begun = Instant::now();
            if let Err(error) = post.deliver(&mail, |entry| audit.note(entry)).await {
                tracing::warn!(%error, "what became of a mail cannot be noted");
            }
            tokio::time::sleep((Duration::from_secs(1) / RATE).saturating_sub(begun.elapsed()))
                .await;
        }
    }
}

impl Post {
    /// Sends one mail, and notes what became of it.
    ///
    /// # Errors
    ///
    /// If the database fails; the mail is tried again then.
    pub(crate) async fn deliver(
        &self,
        mail: &Mail,
        note: impl Fn(Entry),
    ) -> Result<(), sqlx::Error> {
        if !self.db.take_mail(mail, now() + TAKEN_SECONDS).await? {
            // Another process has it.
            return Ok(());
        }
        if mail.email.ends_with(CANARIES) {
            return self.db.finish_mail(&mail.id, Some("nobody reads it")).await;
        }
        let outcome = match self.write(mail).await? {
            Ok(message) => {
                let sent = tokio::time::timeout(PATIENCE, self.transport.send(&mail.id, message));
                let late = || {
                    Err(Undelivered::Later(
                        "the mail server does not answer".to_owned(),
                    ))
                };
                sent.await.unwrap_or_else(|_| late())
            }
            Err(Unwritten::Failed(reason)) => Err(Undelivered::Never(reason)),
            // Its token was used, or taken away: nobody waits for it.
            Err(Unwritten::Withdrawn) => return self.db.drop_mail(&mail.id).await,
        };
        let attempts = mail.attempts + 1;
        let outcome = match outcome {
            Err(Undelivered::Later(error)) if attempts >= ATTEMPTS => {
                Err(Undelivered::Never(error))
            }
            other => other,
        };
        let result = match outcome {
            Ok(()) => {
                self.db.finish_mail(&mail.id, None).await?;
                "sent"
            }
            Err(Undelivered::Later(error)) => {
                let doubled = FIRST_PAUSE_SECONDS << (attempts - 1).clamp(0, 20);
                let pause = doubled.min(LONGEST_PAUSE_SECONDS);
                tracing::warn!(mail = mail.id, %error, pause, "a mail was not taken; it is tried again");
                self.db
                    .postpone_mail(&mail.id, now() + pause, &error)
                    .await?;
                "later"
            }
            Err(Undelivered::Never(error)) => {
                self.db.finish_mail(&mail.id, Some(&error)).await?;
                // In the log by its own name: a row for each mail would crowd out the story of
                // an incident.
                let entry = Entry::warn("x_rampart_mail_failed")
                    .subject(&mail.user_id)
                    .detail("template", mail.template.as_str())
                    .detail("of_incident", mail.incident_id.as_deref())
                    .detail("error", error);
                note(entry);
                "failed"
            }
        };
        metrics::counter!("rampart_mail_total", "result" => result).increment(1);
        Ok(())
    }

    /// Writes a mail; the error says why there is none to write any more.
    async fn write(&self, mail: &Mail) -> Result<Result<Message, Unwritten>, sqlx::Error> {
        let token = match &mail.token_id {
            Some(id) => {
                let token = self.token(id);
                let hash = token_hash(&token);
                let expires_at = now() + lifetime(&mail.template);
                if !self
                    .db
                    .renew_token(&NewToken {
                        id,
                        hash: &hash,
                        expires_at,
                        by_operator: false,
                        incident: None,
                    })
                    .await?
                {
                    return Ok(Err(Unwritten::Withdrawn));
                }
                Some(token)
            }
            None => None,
        };
        Ok(self
            .message(mail, token.as_deref())
            .map_err(Unwritten::Failed))
    }

    fn message(&self, mail: &Mail, token: Option<&str>) -> Result<Message, String> {
        let (subject, text) = templates::write(&mail.template, &self.public_url, token)
            .ok_or_else(|| format!("there is no template {}", mail.template))?;
        let to = mail
            .email
            .parse()
            .map_err(|error| format!("the address cannot be written to: {error}"))?;
        let host = self.public_url.split("://").last().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        // As it is: another encoding would break links over two lines, and people
        // copy them. A line may have 998 characters (RFC 5322 section 2.1.1).
        if !text.is_ascii() || text.lines().any(|line| line.len() > 998) {
            return Err("the text is not plain ASCII in lines".to_owned());
        }
        let body = text.replace('\n', "\r\n").into_bytes();
        let body = Body::dangerous_pre_encoded(body, ContentTransferEncoding::SevenBit);
        Message::builder()
            .from(self.from.clone())
            .to(lettre::message::Mailbox::new(None, to))
            .subject(subject)
            .message_id(Some(format!("<{}@{host}>", mail.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| error.to_string())
    }
}
