//! Keys of access tokens.

use serde_json::json;
use tower_rampart::clock::{Clock as _, SystemClock};
use tower_rampart::jwt::{KeySet, KeyState};

use super::{By, Desk, DeskError, Result, boxed};
use crate::db::KeyRow;
use crate::keys::{self, Keys};

/// A key that is not believed any more.
#[derive(Debug)]
pub(crate) struct Revoked {
    pub(crate) kid: String,
    /// It was revoked before.
    pub(crate) before: bool,
    /// The key that signs in its place.
    pub(crate) successor: Option<KeyRow>,
}

impl Desk {
    /// Reads the keys as they are now.
    pub(crate) async fn keys(&self) -> Result<Keys> {
        let configured = keys::reread(&self.settings).map_err(DeskError::Conflict)?;
        Ok(Keys::new(
            configured,
            self.db.signing_keys().await?,
            self.access_ttl,
        ))
    }

    /// Tells the state of a key.
    pub(crate) async fn key_state(&self, kid: &str) -> Result<&'static str> {
        let set = self.keys().await?.key_set().map_err(boxed)?;
        let now = SystemClock.unix_now();
        let state = set.state(kid, now);
        Ok(state.ok_or_else(|| unknown(kid, &set))?.as_str())
    }

    /// Adds a key that signs in a few seconds.
    pub(crate) async fn rotate_key(&self, by: By<'_>) -> Result<KeyRow> {
        let work = async {
            let keys = self.keys().await?;
            if keys.is_asymmetric() {
                return Err(DeskError::Conflict(
                    "SIGNING_KEY signs, so this program cannot rotate it; put another key in its place, in the file \
                     that SIGNING_KEY_FILE names"
                        .to_owned(),
                ));
            }
            let row = keys.rotation(false).map_err(boxed)?;
            self.db.change_signing_keys(None, Some(&row)).await?;
            Ok(row)
        };
        self.recorded(by, "rotate_key", None, work, |row| json!({"kid": row.kid}))
            .await
    }

    /// Stops believing every key, those too that do not sign any more or not yet. Returns
    /// which, and the one that signs in their place.
    pub(crate) async fn revoke_keys(&self, by: By<'_>) -> Result<(Vec<String>, Option<KeyRow>)> {
        let listed = {
            let set = self.keys().await?.key_set().map_err(boxed)?;
            set.list(SystemClock.unix_now())
        };
        let believed =
            |state: &KeyState| !matches!(state, KeyState::Compromised | KeyState::Retired);
        let (mut kids, mut successor) = (Vec::new(), None);
        // The one that signs comes first, and what takes its place with it.
        let first = listed
            .iter()
            .filter(|(.., state)| *state == KeyState::Active);
        let others = listed
            .iter()
            .filter(|(.., state)| believed(state) && *state != KeyState::Active);
        for (kid, ..) in first.chain(others) {
            let revoked = self.revoke_key(by, Some(kid)).await?;
            successor = successor.or(revoked.successor);
            kids.push(revoked.kid);
        }
        Ok((kids, successor))
    }

    /// Stops believing a key: the one that signs, unless another one is named.
    pub(crate) async fn revoke_key(&self, by: By<'_>, kid: Option<&str>) -> Result<Revoked> {
        let work = async {
            let keys = self.keys().await?;
            let set = keys.key_set().map_err(boxed)?;
            let now = SystemClock.unix_now();
            let listed = set.list(now);
            let kid = match kid {
                Some(kid) => kid.to_owned(),
                None => {
                    let active = listed
                        .iter()
                        .find(|(_, _, state)| *state == KeyState::Active);
                    active
                        .map(|(kid, ..)| kid.clone())
                        .ok_or_else(|| DeskError::Conflict("no key signs".to_owned()))?
                }
            };
            let state = set.state(&kid, now).ok_or_else(|| unknown(&kid, &set))?;
            if state == KeyState::Compromised {
                return Ok(Revoked {
                    kid,
                    before: true,
                    successor: None,
                });
            }
            // A key that signs needs a successor at once. That of SIGNING_KEY is the
            // key of the secret, until another one is put in its place.
            let successor = match state == KeyState::Active && !keys.is_asymmetric() {
                true => Some(keys.rotation(true).map_err(boxed)?),
                false => None,
            };
            self.db
                .change_signing_keys(Some(&kid), successor.as_ref())
                .await?;
            Ok(Revoked {
                kid,
                before: false,
                successor,
            })
        };
        let outcome = |revoked: &Revoked| json!({"kid": revoked.kid, "successor": revoked.successor.as_ref().map(|row| &row.kid)});
        self.recorded(by, "revoke_key", None, work, outcome).await
    }
}

fn unknown(kid: &str, set: &KeySet) -> DeskError {
    let listed = set.list(SystemClock.unix_now());
    let known: Vec<_> = listed.into_iter().map(|(kid, ..)| kid).collect();
    DeskError::NotFound(format!(
        "no key is named {kid:?}; there are {}",
        known.join(", ")
    ))
}
