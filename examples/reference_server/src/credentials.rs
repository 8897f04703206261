//! Passwords: which may be set, and which match.

use http::{HeaderMap, HeaderValue, StatusCode};
use tower_rampart::identity::ClientAddr;
use tower_rampart::password::{
    BreachChecker as _, BreachError, BreachFile, HashError, MismatchReason, Password,
    PasswordPolicy, Verified, WeakPassword,
};

use crate::app::App;
use crate::audit::{Caller, Entry};
use crate::db::User;
use crate::input::Typed;
use crate::respond::{ApiError, ApiResult};

/// What anybody would try as a password for this service.
const CONTEXT: &[&str] = &["rampart", "reference"];

/// Which passwords may be set.
#[derive(Clone, Debug)]
pub(crate) struct NewPasswords {
    pub(crate) policy: PasswordPolicy,
    /// Those that were leaked somewhere.
    pub(crate) leaked: Option<BreachFile>,
}

impl NewPasswords {
    /// Tells what is wrong with a new password for an address, if anything is.
    ///
    /// # Errors
    ///
    /// If the list of leaked passwords cannot be read.
    pub(crate) async fn weakness(
        &self,
        password: &Password,
        email: &str,
    ) -> Result<Option<WeakPassword>, BreachError> {
        let context = [&[email], CONTEXT].concat();
        if let Err(weak) = self.policy.check(password, &context) {
            return Ok(Some(weak));
        }
        match &self.leaked {
            Some(leaked) if leaked.is_breached(password).await? => Ok(Some(WeakPassword::Breached)),
            _ => Ok(None),
        }
    }
}

/// Judges a new password by the rules, and by what was leaked elsewhere.
///
/// # Errors
///
/// 422 with the reason; 500 if the list of leaked passwords cannot be read.
pub(crate) async fn acceptable(app: &App, typed: Typed, email: &str) -> ApiResult<Password> {
    let rejected = |reason: &'static str| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password_rejected",
            "choose another password",
        )
        .member("reason", reason)
    };
    let password = typed.0.map_err(|_| rejected("too_long"))?;
    match app.new_passwords.weakness(&password, email).await? {
        None => Ok(password),
        Some(weak) => Err(rejected(weak.as_str()).member("explanation", weak.to_string())),
    }
}

/// Turns the errors of hashing a password that passed the rules into answers.
pub(crate) fn hash_failed(error: HashError) -> ApiError {
    match error {
        HashError::Busy(busy) => busy.into(),
        _ => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password_rejected",
            "choose another password",
        )
        .member("reason", "control_character"),
    }
}

/// Who tries a password, and from where.
pub(crate) struct Asking<'a> {
    pub(crate) address: ClientAddr,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) caller: &'a Caller,
}

/// A password that was right.
pub(crate) struct Proven {
    /// The account, with the hash that the password matches.
    pub(crate) user: User,
    /// Makes the browser a known device of the account: the value of a
    /// `Set-Cookie` field.
    pub(crate) device: Option<HeaderValue>,
}

/// Compares a password with an account's, within the account's limit, and
/// stores a better hash if there is one.
///
/// # Errors
///
/// 429 over the limit, 503 if the pool is full, 500 if the database fails.
pub(crate) async fn verify(
    app: &App,
    asking: Asking<'_>,
    email: &str,
    typed: Typed,
) -> ApiResult<Option<Proven>> {
    // Counted before anything is known, and alike for unknown accounts: many
    // attempts at once do not slip through, and nobody learns who exists.
    let attempt = app
        .login_guard
        .attempt(asking.address, email, asking.headers);
    let attempt = attempt.await.map_err(|limited| {
        app.audit
            .note(Entry::warn("authn_login_fail_max").from(asking.caller));
        ApiError::from(limited.into_rejection())
    })?;
    match compare(app, email, typed).await {
        Ok(Compared::Right(user)) => Ok(Some(Proven {
            user,
            device: attempt.succeeded().await,
        })),
        Ok(Compared::Wrong { subject, reason }) => {
            attempt.failed();
            // Not the client's fault, and nothing that it is told.
            let (entry, reason) = match reason {
                Reason::Hash(reason) => (Entry::critical(reason), reason),
                Reason::Told(reason) => (Entry::warn("authn_login_fail"), reason),
            };
            let entry = entry.from(asking.caller).detail("reason", reason);
            app.audit.note(match subject {
                Some(subject) => entry.subject(subject),
                None => entry,
            });
            Ok(None)
        }
        // Nobody's password was compared.
        Err(error) => {
            attempt.abandoned().await;
            Err(error)
        }
    }
}

/// What came of a comparison.
enum Compared {
    Right(User),
    Wrong {
        subject: Option<String>,
        reason: Reason,
    },
}

/// Why a password did not open an account, for the operator.
enum Reason {
    /// The stored hash cannot be used: the name of the event.
    Hash(&'static str),
    Told(&'static str),
}

async fn compare(app: &App, email: &str, typed: Typed) -> ApiResult<Compared> {
    // Nobody has an address with a NUL in it, and Postgres takes no text with one.
    let user = match email.contains('\0') {
        true => None,
        false => app.db.user_by_email(email).await?,
    };
    let (password, stored) = match typed.0 {
        Ok(password) => (
            password,
            user.as_ref().map(|user| user.password_hash.clone()),
        ),
        // Too long to be anybody's: takes as long as a wrong one.
        Err(_) => (
            Password::new("").map_err(|_| ApiError::invalid_credentials())?,
            None,
        ),
    };
    match (app.hasher.verify_login(password, stored).await?, user) {
        // Told like a wrong password, after as much work.
        (Verified::Match { .. }, Some(user)) if user.is_locked() => {
            let reason = match user.disabled_at {
                Some(_) => "account_disabled",
                None => "reset_required",
            };
            Ok(Compared::Wrong {
                subject: Some(user.id),
                reason: Reason::Told(reason),
            })
        }
        (Verified::Match { rehash }, Some(mut user)) => {
            if let Some(rehash) = rehash {
                // Only if the old hash is still there; a failure here is no
                // reason to refuse a good sign-in.
                match app
                    .db
                    .replace_password_hash(&user.id, &rehash.old, &rehash.new)
                    .await
                {
                    Ok(true) => user.password_hash = rehash.new,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a better password hash could not be stored")
                    }
                }
            }
            Ok(Compared::Right(user))
        }
        (Verified::Mismatch { reason }, user) => {
            let reason = match reason {
                MismatchReason::CostRefused => Reason::Hash("hash_cost_refused"),
                MismatchReason::OutOfMemory => Reason::Hash("hash_out_of_memory"),
                MismatchReason::UnknownPepper => Reason::Hash("hash_pepper_unknown"),
                MismatchReason::Unreadable => Reason::Hash("hash_unreadable"),
                _ if user.is_none() => Reason::Told("unknown_account"),
                _ => Reason::Told("wrong_password"),
            };
            let subject = user.map(|user| user.id);
            Ok(Compared::Wrong { subject, reason })
        }
        (Verified::Match { .. }, None) => Ok(Compared::Wrong {
            subject: None,
            reason: Reason::Told("unknown_account"),
        }),
    }
}
