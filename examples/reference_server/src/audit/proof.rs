//! Proof that the end of the log was written by somebody who has the secret: whoever can
//! change the database can compute digests, too.

use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tower_rampart::secret::Secret;

use super::hex;
use crate::db::AuditHead;
use crate::secrets::fingerprint;

/// The secrets that prove; the first one makes new proofs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provers(Arc<RwLock<Vec<Arc<Secret>>>>);

/// What a proof is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Worth {
    /// It was made with one of the secrets.
    Proved,
    /// It was made with another secret, or there is none to compare with.
    Unknown,
    /// It is none, or one of something else.
    Forged,
}

impl Provers {
    /// Proves with secrets, the present one first.
    pub(crate) fn new(secrets: Vec<Arc<Secret>>) -> Self {
        Self(Arc::new(RwLock::new(secrets)))
    }

    /// Goes on with other secrets, in every copy.
    pub(crate) fn replace(&self, secrets: Vec<Arc<Secret>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    /// Proves an end: `FINGERPRINT:MAC`, so that a secret that is not there any more is
    /// told from a forgery.
    pub(crate) fn prove(&self, head: &AuditHead) -> String {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        secrets.first().map_or_else(String::new, |secret| {
            let proof = hex(&mac(secret, head).finalize().into_bytes());
            format!("{}:{proof}", fingerprint(secret))
        })
    }

    /// Judges the proof of an end. One that nobody wrote yet needs none.
    pub(crate) fn judge(&self, head: &AuditHead, proof: &str) -> Worth {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if secrets.is_empty() {
            return Worth::Unknown;
        }
        if head.seq == 0 {
            return Worth::Proved;
        }
        let Some((by, proof)) = proof.split_once(':') else {
            return Worth::Forged;
        };
        let Some(secret) = secrets.iter().find(|secret| fingerprint(secret) == by) else {
            return Worth::Unknown;
        };
        match mac(secret, head).verify_slice(&bytes(proof)).is_ok() {
            true => Worth::Proved,
            false => Worth::Forged,
        }
    }
}

fn mac(secret: &Secret, head: &AuditHead) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose()).expect("keys of any length are taken");
    mac.update(format!("end of the audit log v1\0{}\0{}", head.seq, head.hash).as_bytes());
    mac
}

/// Reads hexadecimal digits; of anything else nothing is left.
fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let read = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    read.collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_proved_by_who_has_the_secret() {
        let [old, new, other] = std::array::from_fn(|_| Arc::new(Secret::random(48)));
        let head = |seq: i64| AuditHead {
            seq,
            hash: "ab".repeat(32),
        };
        let before = Provers::new(vec![Arc::clone(&old)]);
        let proof = before.prove(&head(7));
        let provers = Provers::new(vec![new, old]);
        assert_eq!(provers.judge(&head(7), &proof), Worth::Proved);
        assert_eq!(provers.judge(&head(8), &proof), Worth::Forged);
        assert_eq!(provers.judge(&head(7), ""), Worth::Forged);
        assert_eq!(provers.judge(&head(7), &format!("{proof}0")), Worth::Forged);
        assert_eq!(provers.judge(&head(0), ""), Worth::Proved);
        assert_eq!(
            provers.judge(&head(7), &provers.prove(&head(7))),
            Worth::Proved
        );
        let stranger = Provers::new(vec![other]);
        assert_eq!(stranger.judge(&head(7), &proof), Worth::Unknown);
        assert_eq!(Provers::default().judge(&head(7), &proof), Worth::Unknown);
        before.replace(Vec::new());
        assert_eq!(before.prove(&head(7)), "");
    }
}
