//! Mails: noted in the database, and sent from there until they arrived.

mod delivery;
mod templates;
mod transport;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lettre::message::Mailbox;
use sha2::{Digest as _, Sha256};
use tower_rampart::secret::Secret;
use uuid::Uuid;

use crate::audit::hex;
use crate::db::{Db, NewToken, now};

pub(crate) use delivery::follow;
pub(crate) use templates::{
    PASSWORD_CHANGED, PASSWORD_RESET, SET_A_NEW_PASSWORD, SIGNED_OUT, is_about_incidents,
    names_about_incidents,
};
pub(crate) use transport::{MailRoute, Transport};

/// How long a token to set a new password is good, in seconds, once its mail was
/// sent; one that the owner did not ask for is good for a day.
const TOKEN_SECONDS: i64 = 30 * 60;
const UNASKED_TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// Writes and sends mails.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    db: Db,
    transport: Transport,
    from: Mailbox,
    public_url: Arc<str>,
    secret: Arc<Secret>,
}

impl Post {
    /// Puts together what is needed.
    pub(crate) fn new(
        db: Db,
        transport: Transport,
        from: Mailbox,
        public_url: &str,
        secret: Arc<Secret>,
    ) -> Self {
        Self {
            db,
            transport,
            from,
            public_url: public_url.into(),
            secret,
        }
    }

    /// Tells whether mails can leave at all.
    pub(crate) fn can_send(&self) -> bool {
        self.transport.goes_somewhere()
    }

    /// Notes a mail to an account.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) async fn queue(&self, user: &str, template: &str) -> Result<(), sqlx::Error> {
        self.db.add_mail(user, template).await
    }

    /// Notes a mail with a token that sets a new password; tells whether the account
    /// may have another one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) async fn queue_reset(
        &self,
        user: &str,
        template: &str,
        incident: Option<&str>,
    ) -> Result<bool, sqlx::Error> {
        let id = Uuid::now_v7().to_string();
        let hash = token_hash(&self.token(&id));
        let token = NewToken {
            id: &id,
            hash: &hash,
            expires_at: now() + lifetime(template),
            by_operator: template != PASSWORD_RESET,
            incident,
        };
        self.db.add_token_mail(user, template, &token).await
    }

    /// Makes the token of an identifier, always the same: a mail that is written
    /// twice brings one token.
    fn token(&self, id: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose())
            .expect("keys of any length are taken");
        mac.update(b"one-time token v1\0");
        mac.update(id.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

fn lifetime(template: &str) -> i64 {
    match template {
        PASSWORD_RESET => TOKEN_SECONDS,
        _ => UNASKED_TOKEN_SECONDS,
    }
}

/// How addresses end that nobody reads: those of accounts that only prove something.
pub(crate) const CANARIES: &str = "@canary.rampart.invalid";

/// How a token is stored: who reads the database cannot use it.
pub(crate) fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}
