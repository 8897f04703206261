//! Accounts, and their sessions.

use serde_json::{Value, json};
use tower_rampart::clock::{Clock as _, SystemClock, UnixSeconds};
use tower_rampart::session::{EndReason, EndSessions, SessionRecord};

use super::{By, Desk, DeskError, Result};
use crate::db::User;
use crate::mail::SET_A_NEW_PASSWORD;

impl Desk {
    /// Finds an account by its address.
    pub(crate) async fn user_by_email(&self, email: &str) -> Result<User> {
        let email = email.trim().to_lowercase();
        let user = self.db.user_by_email(&email).await?;
        user.ok_or_else(|| {
            DeskError::NotFound(format!("there is no account with the address {email}"))
        })
    }

    /// Adds an account of an administrator; tells whether there was none.
    pub(crate) async fn add_admin(&self, by: By<'_>, email: &str, hash: &str) -> Result<bool> {
        let work = async { Ok(self.db.add_admin(email, hash).await?) };
        let outcome = |id: &Option<String>| json!({"added": id});
        let id = self.recorded(by, "add_admin", None, work, outcome).await?;
        Ok(id.is_some())
    }

    /// Keeps an account from signing in, and ends its sessions.
    pub(crate) async fn disable(&self, by: By<'_>, user: &str) -> Result<()> {
        let work = async {
            // Before, so that a failure leaves nobody signed in to an account that is
            // closed; and after, for those who were faster.
            self.end_all_of(user, EndReason::SecurityIncident).await?;
            self.db.set_disabled(user, true).await?;
            self.end_all_of(user, EndReason::SecurityIncident).await
        };
        self.recorded(by, "disable", Some(user), work, |()| Value::Null)
            .await
    }

    /// Lets an account sign in again.
    pub(crate) async fn enable(&self, by: By<'_>, user: &str) -> Result<()> {
        let work = async {
            self.db.set_disabled(user, false).await?;
            Ok(())
        };
        self.recorded(by, "enable", Some(user), work, |()| Value::Null)
            .await
    }

    /// Ends all sessions of an account.
    pub(crate) async fn revoke(&self, by: By<'_>, user: &str, told: EndReason) -> Result<()> {
        let work = self.end_all_of(user, told);
        self.recorded(by, "revoke", Some(user), work, |()| Value::Null)
            .await
    }

    /// Counts the sessions of an account.
    pub(crate) async fn count_sessions_of(&self, user: &str) -> Result<u64> {
        Ok(self
            .sessions
            .list(user, SystemClock.unix_now())
            .await?
            .len() as u64)
    }

    /// Counts sessions that began before a second.
    pub(crate) async fn count_sessions_before(&self, before: UnixSeconds) -> Result<u64> {
        self.each_session_before(before, async |_| Ok(())).await
    }

    /// Ends sessions that began before a second; tells how many.
    pub(crate) async fn revoke_before(
        &self,
        by: By<'_>,
        before: UnixSeconds,
        told: EndReason,
    ) -> Result<u64> {
        let work = self.each_session_before(before, async |session| {
            self.end_one(&session.subject, &session.sid, told).await
        });
        self.recorded(
            by,
            "revoke_before",
            None,
            work,
            |sessions| json!({"before": before.as_u64(), "sessions": sessions}),
        )
        .await
    }

    /// Does something with each session that began before a second; tells with how many.
    async fn each_session_before(
        &self,
        before: UnixSeconds,
        work: impl AsyncFn(&SessionRecord) -> Result<()>,
    ) -> Result<u64> {
        const PAGE: i64 = 500;
        let (mut found, mut after) = (0, None::<String>);
        loop {
            let page = self.db.users(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.id.clone());
            for user in &page {
                let sessions = self.sessions.list(&user.id, SystemClock.unix_now()).await?;
                for session in sessions
                    .iter()
                    .filter(|session| session.created_at < before)
                {
                    work(session).await?;
                    found += 1;
                }
            }
        }
    }

    /// Tells whose a session is.
    pub(crate) async fn owner_of_session(&self, sid: &str) -> Result<String> {
        let session = self.sessions.find(sid).await?;
        let session =
            session.ok_or_else(|| DeskError::NotFound(format!("there is no session {sid}")))?;
        Ok(session.subject)
    }

    /// Ends one session.
    pub(crate) async fn revoke_session(
        &self,
        by: By<'_>,
        sid: &str,
        told: EndReason,
    ) -> Result<()> {
        let subject = self.owner_of_session(sid).await?;
        let work = self.end_one(&subject, sid, told);
        self.recorded(
            by,
            "revoke_session",
            Some(&subject),
            work,
            |()| json!({"sid": sid}),
        )
        .await
    }

    /// Ends the sessions of everybody.
    pub(crate) async fn revoke_everyone(&self, by: By<'_>, told: EndReason) -> Result<()> {
        let work = self.end_everybody(told);
        self.recorded(by, "revoke_everyone", None, work, |()| Value::Null)
            .await
    }

    async fn end_everybody(&self, told: EndReason) -> Result<()> {
        let now = SystemClock.unix_now();
        self.sessions.end(EndSessions::Everyone, told, now).await?;
        Ok(())
    }

    async fn end_one(&self, subject: &str, sid: &str, told: EndReason) -> Result<()> {
        let which = EndSessions::One { subject, sid };
        self.sessions
            .end(which, told, SystemClock.unix_now())
            .await?;
        Ok(())
    }

    async fn end_all_of(&self, user: &str, told: EndReason) -> Result<()> {
        let which = EndSessions::Subject {
            subject: user,
            keep: None,
        };
        self.sessions
            .end(which, told, SystemClock.unix_now())
            .await?;
        Ok(())
    }

    /// Makes the password of an account open nothing, ends its sessions, and sends
    /// a link that sets a new one.
    pub(crate) async fn force_reset(&self, by: By<'_>, user: &str) -> Result<bool> {
        self.mail_leaves()?;
        let work = async {
            self.end_all_of(user, EndReason::SecurityIncident).await?;
            self.db.force_reset(Some(user)).await?;
            self.end_all_of(user, EndReason::SecurityIncident).await?;
            Ok(self
                .post
                .queue_reset(user, SET_A_NEW_PASSWORD, by.incident)
                .await?)
        };
        self.recorded(
            by,
            "force_reset",
            Some(user),
            work,
            |mail| json!({"mail": mail}),
        )
        .await
    }

    /// The same for everybody; the links are asked for on the page. Tells of how many
    /// accounts.
    pub(crate) async fn force_reset_everyone(&self, by: By<'_>) -> Result<u64> {
        self.mail_leaves()?;
        let work = async {
            self.end_everybody(EndReason::SecurityIncident).await?;
            let accounts = self.db.force_reset(None).await?;
            self.end_everybody(EndReason::SecurityIncident).await?;
            Ok(accounts)
        };
        self.recorded(
            by,
            "force_reset_everyone",
            None,
            work,
            |accounts| json!({"accounts": accounts}),
        )
        .await
    }
}
