//! What happened, written down so that it cannot be changed without notice.
//!
//! Rows form a chain: each holds the SHA-256 of itself and of the digest before
//! it. The last digest is kept a second time in the database, with a proof that needs
//! the secret of the server, and, after every write, in a file of the process that
//! wrote: who changes the log has to change those too. Events have the names of the OWASP
//! Logging Vocabulary where it has one; ours begin with `x_rampart_`.

mod chain;
mod proof;
mod refusals;
mod writer;

use http::request;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tower_rampart::identity::{ClientAddr, RequestId};

use crate::client;
use crate::db::{AuditHead, AuditRow, now};

pub(crate) use chain::{Verdict, verify};
pub(crate) use proof::{Provers, Worth};
pub(crate) use refusals::{Refusals, note_refusals};
pub(crate) use writer::Audit;

/// How much an event matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Info,
    Warn,
    Critical,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Something that happened, before it has a place in the log. Holds no secret.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    at: i64,
    event: &'static str,
    level: Level,
    actor: Option<String>,
    subject: Option<String>,
    session: Option<String>,
    incident: Option<String>,
    request_id: Option<String>,
    address: Option<String>,
    detail: Map<String, Value>,
}

impl Entry {
    /// Something happened now.
    pub(crate) fn new(event: &'static str, level: Level) -> Self {
        Self {
            at: now(),
            event,
            level,
            actor: None,
            subject: None,
            session: None,
            incident: None,
            request_id: None,
            address: None,
            detail: Map::new(),
        }
    }

    pub(crate) fn info(event: &'static str) -> Self {
        Self::new(event, Level::Info)
    }

    pub(crate) fn warn(event: &'static str) -> Self {
        Self::new(event, Level::Warn)
    }

    pub(crate) fn critical(event: &'static str) -> Self {
        Self::new(event, Level::Critical)
    }

    /// Who did it: an account, or `operator` for commands.
    pub(crate) fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// To whose account it happened.
    pub(crate) fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    pub(crate) fn session(mut self, session: Option<impl Into<String>>) -> Self {
        self.session = session.map(Into::into);
        self
    }

    /// To which incident it belongs.
    pub(crate) fn incident(mut self, incident: impl Into<String>) -> Self {
        self.incident = Some(incident.into());
        self
    }

    /// What else is known.
    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// From which request it came.
    pub(crate) fn from(mut self, caller: &Caller) -> Self {
        self.request_id = Some(caller.request_id.clone());
        self.address = Some(caller.address.clone());
        self.detail("client", caller.client.as_str())
    }

    /// Takes its place after the last row.
    pub(crate) fn into_row(self, head: &AuditHead) -> AuditRow {
        let mut row = AuditRow {
            seq: head.seq + 1,
            at: self.at,
            event: self.event.to_owned(),
            level: self.level.as_str().to_owned(),
            actor: self.actor,
            subject: self.subject,
            session: self.session,
            incident: self.incident,
            request_id: self.request_id,
            address: self.address,
            detail: Value::Object(self.detail).to_string(),
            prev_hash: head.hash.clone(),
            hash: String::new(),
        };
        row.hash = digest(&row);
        row
    }

    /// Tells the operator's log, which is kept elsewhere.
    fn log(&self) {
        let detail = Value::Object(self.detail.clone());
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(target: "security", event = self.event, actor = self.actor, user = self.subject,
                    sid = self.session, incident = self.incident, request_id = self.request_id, address = self.address,
                    %detail)
            };
        }
        match self.level {
            Level::Info => log!(info),
            Level::Warn => log!(warn),
            Level::Critical => log!(error),
        }
    }
}

/// The digest of a row: SHA-256 of its members as a JSON array, in hexadecimal
/// digits. An array has one form only, wherever a member ends.
pub(crate) fn digest(row: &AuditRow) -> String {
    let members = serde_json::json!([
        row.prev_hash,
        row.seq,
        row.at,
        row.event,
        row.level,
        row.actor,
        row.subject,
        row.session,
        row.incident,
        row.request_id,
        row.address,
        row.detail,
    ]);
    hex(&Sha256::digest(members.to_string()))
}

/// Writes a time as RFC 3339 does.
pub(crate) fn datetime(at: i64) -> String {
    jiff::Timestamp::from_second(at)
        .unwrap_or_default()
        .to_string()
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who sent a request, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) address: String,
    pub(crate) request_id: String,
    pub(crate) client: String,
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(head: &mut request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        let address = head.extensions.get::<ClientAddr>();
        Ok(Self {
            address: address.map(ToString::to_string).unwrap_or_default(),
            request_id: head
                .extensions
                .get()
                .map(RequestId::as_str)
                .unwrap_or_default()
                .to_owned(),
            client: client::describe(&head.headers),
        })
    }
}
