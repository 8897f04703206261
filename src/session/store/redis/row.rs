//! Sessions and revocations as Redis holds them.

use std::collections::HashMap;

use serde_json::Value;

use super::super::{EndReason, Epochs, Receipt, RefreshId, Revocation, SessionRecord, StoreError};
use crate::clock::UnixSeconds;
use crate::jwt::Revoked;

pub(super) fn hex(id: RefreshId) -> String {
    id.as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Reads what the scripts write about something that ended.
pub(super) fn revocation(text: &str) -> Result<Revocation, StoreError> {
    let raised: Value = serde_json::from_str(text).map_err(StoreError::new)?;
    let text = |name: &str| raised[name].as_str().map(str::to_owned);
    let subject = text("subject").unwrap_or_default();
    let epoch = epoch(&raised);
    let what = match text("sid") {
        Some(sid) => Revoked::Session { sid, subject },
        None if subject.is_empty() => Revoked::Everyone { epoch },
        None => Revoked::Subject {
            subject,
            epoch,
            keep: text("keep"),
        },
    };
    Ok(Revocation {
        what,
        reason: EndReason::from_name(&text("reason").unwrap_or_default()),
        at: UnixSeconds::new(raised["at"].as_u64().unwrap_or_default()),
    })
}

/// Reads an epoch from what the scripts write; nothing is 0.
pub(super) fn epoch_of(text: Option<&str>) -> Result<u64, StoreError> {
    match text {
        Some(text) => Ok(epoch(&serde_json::from_str(text).map_err(StoreError::new)?)),
        None => Ok(0),
    }
}

fn epoch(raised: &Value) -> u64 {
    raised["epoch"].as_u64().unwrap_or_default()
}

pub(super) fn fields(record: &SessionRecord) -> [(&'static str, String); 15] {
    let receipt = match record.receipt {
        Receipt::Unconfirmed => 0,
        Receipt::Repeated => 1,
        Receipt::Confirmed => 2,
    };
    [
        ("sid", record.sid.clone()),
        ("subject", record.subject.clone()),
        ("generation", record.generation.to_string()),
        ("replays", record.replays.to_string()),
        ("receipt", receipt.to_string()),
        ("epoch", record.epochs.subject.to_string()),
        ("common_epoch", record.epochs.common.to_string()),
        ("created_at", record.created_at.to_string()),
        ("authenticated_at", record.authenticated_at.to_string()),
        ("rotated_at", record.rotated_at.to_string()),
        ("idle_until", record.idle_until.to_string()),
        ("absolute_until", record.absolute_until.to_string()),
        ("client", record.client.clone()),
        ("address", record.address.clone()),
        ("claims", record.claims.clone()),
    ]
}

/// Reads a session; no fields are none.
pub(super) fn record(
    fields: &HashMap<String, String>,
) -> Result<Option<SessionRecord>, StoreError> {
    if fields.is_empty() {
        return Ok(None);
    }
    let missing = |name: &str| StoreError::new(format!("a session has no usable {name}"));
    let text = |name: &str| fields.get(name).cloned().ok_or_else(|| missing(name));
    let number = |name: &str| text(name)?.parse().map_err(|_| missing(name));
    let time = |name: &str| number(name).map(UnixSeconds::new);
    Ok(Some(SessionRecord {
        sid: text("sid")?,
        subject: text("subject")?,
        generation: number("generation")?,
        replays: u32::try_from(number("replays")?).unwrap_or(u32::MAX),
        receipt: match number("receipt")? {
            0 => Receipt::Unconfirmed,
            1 => Receipt::Repeated,
            _ => Receipt::Confirmed,
        },
        epochs: Epochs {
            subject: number("epoch")?,
            common: number("common_epoch")?,
        },
        created_at: time("created_at")?,
        authenticated_at: time("authenticated_at")?,
        rotated_at: time("rotated_at")?,
        idle_until: time("idle_until")?,
        absolute_until: time("absolute_until")?,
        ended: fields.get("over").map(|name| EndReason::from_name(name)),
        client: text("client")?,
        address: text("address")?,
        claims: text("claims")?,
    }))
}
