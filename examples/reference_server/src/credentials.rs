//! Passwords: which may be set, and which match.

use http::{HeaderMap, HeaderValue, StatusCode};
use tower_rampart::identity::ClientAddr;
use tower_rampart::password::{HashError, MismatchReason, Password, Verified};

use crate::app::App;
use crate::db::User;
use crate::input::Typed;
use crate::respond::{ApiError, ApiResult};

/// What anybody would try as a password for this service.
pub(crate) const CONTEXT: &[&str] = &["rampart", "reference"];

/// Judges a new password by the rules.
///
/// # Errors
///
/// 422 with the reason.
pub(crate) fn acceptable(app: &App, typed: Typed, email: &str) -> ApiResult<Password> {
    let rejected = |reason: &'static str| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password_rejected",
            "choose another password",
        )
        .member("reason", reason)
    };
    let password = typed.0.map_err(|_| rejected("too_long"))?;
    match app
        .password_policy
        .check(&password, &[&[email], CONTEXT].concat())
    {
        Ok(()) => Ok(password),
        Err(weak) => Err(rejected(weak.as_str()).member("explanation", weak.to_string())),
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
    let attempt = attempt
        .await
        .map_err(|limited| ApiError::from(limited.into_rejection()))?;
    match compare(app, email, typed).await {
        Ok(Some(user)) => Ok(Some(Proven {
            user,
            device: attempt.succeeded().await,
        })),
        Ok(None) => {
            attempt.failed();
            Ok(None)
        }
        // Nobody's password was compared.
        Err(error) => {
            attempt.abandoned().await;
            Err(error)
        }
    }
}

async fn compare(app: &App, email: &str, typed: Typed) -> ApiResult<Option<User>> {
    let user = app.db.user_by_email(email).await?;
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
            Ok(Some(user))
        }
        (Verified::Mismatch { reason }, user) => {
            // Not the client's fault, and nothing that it is told.
            let event = match reason {
                MismatchReason::CostRefused => "hash_cost_refused",
                MismatchReason::UnknownPepper => "hash_pepper_unknown",
                MismatchReason::Unreadable => "hash_unreadable",
                _ => return Ok(None),
            };
            let user = user.map(|user| user.id);
            tracing::error!(target: "security", event, user, "a stored password hash cannot be used");
            Ok(None)
        }
        (Verified::Match { .. }, None) => Ok(None),
    }
}
