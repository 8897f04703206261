//! What a caller must have beyond a good token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode, request};

use super::error::{ConfigError, Problem};
use crate::clock::{Clock, SystemClock, UnixSeconds};
use crate::config::Problems;
use crate::gate::{NoWait, Policy, Settings, Verdict, gate_layer};
use crate::identity::{Anonymous, Principal};
use crate::rejection::{Rejection, RejectionCode};

/// Lets callers pass who have a scope, a role, a recent sign-in. Belongs inside
/// [`JwtLayer`](super::JwtLayer), on the routes that need more than the others;
/// without it every request is answered 500.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{Request, Response, StatusCode};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_rampart::identity::Principal;
/// use tower_rampart::jwt::RequireLayer;
///
/// let service = RequireLayer::role("admin").build()?.layer(service_fn(|_request: Request<String>| async {
///     Ok::<_, std::convert::Infallible>(Response::new("the keys of the house"))
/// }));
/// let request = |role: &str| {
///     let principal = Principal::builder("user-1").roles([role]).build();
///     Request::builder().extension(principal).body(String::new())
/// };
/// assert_eq!(service.clone().oneshot(request("user")?).await?.status(), StatusCode::FORBIDDEN);
/// assert_eq!(service.oneshot(request("admin")?).await?.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RequireLayer(Arc<Rules>);

impl RequireLayer {
    /// Starts with a scope; 403 `insufficient_scope` without it (RFC 6750 §3.1).
    pub fn scope(scope: impl Into<String>) -> RequireLayerBuilder {
        RequireLayerBuilder::default().require_scope(scope)
    }

    /// Starts with a role, a member of the claim `roles`; 403
    /// `insufficient_role` without it.
    pub fn role(role: impl Into<String>) -> RequireLayerBuilder {
        RequireLayerBuilder::default().require_role(role)
    }

    /// Starts with the longest time since the caller signed in; 401
    /// `insufficient_user_authentication` after it (RFC 9470 §3).
    pub fn fresh(age: Duration) -> RequireLayerBuilder {
        RequireLayerBuilder::default().require_fresh(age)
    }

    /// Starts with authentication context classes of which the caller must
    /// have one; 401 `insufficient_user_authentication` without (RFC 9470 §3).
    pub fn context_class<T: Into<String>>(
        classes: impl IntoIterator<Item = T>,
    ) -> RequireLayerBuilder {
        RequireLayerBuilder::default().require_context_class(classes)
    }
}

impl Policy for RequireLayer {
    const NAME: &'static str = "require";
    type Pass = ();
    type Wait = NoWait<()>;

    fn admit(&self, head: &request::Parts) -> Verdict<(), NoWait<()>> {
        self.0.check(head).into()
    }

    fn settings(&self) -> Settings {
        self.0.requirements.settings()
    }
}

gate_layer!(RequireLayer);

#[derive(Debug)]
struct Rules {
    requirements: Requirements,
    challenge: Challenge,
    clock: Arc<dyn Clock>,
}

impl Rules {
    fn check(&self, head: &request::Parts) -> Result<(), Rejection> {
        if let Some(principal) = head.extensions.get::<Principal>() {
            let now = self.clock.unix_now();
            return self.requirements.check(principal, now, &self.challenge);
        }
        if head.extensions.get::<Anonymous>().is_some() {
            return Err(self.challenge.missing());
        }
        // Nobody asked who this is; letting it pass would fail open.
        Err(Rejection::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            RejectionCode::Misconfigured,
        )
        .kind("missing-jwt-layer"))
    }
}

/// Collects the settings of a [`RequireLayer`].
#[derive(Debug)]
#[must_use]
pub struct RequireLayerBuilder {
    rules: Rules,
}

impl Default for RequireLayerBuilder {
    fn default() -> Self {
        Self {
            rules: Rules {
                requirements: Requirements::default(),
                challenge: Challenge::default(),
                clock: Arc::new(SystemClock),
            },
        }
    }
}

impl RequireLayerBuilder {
    /// Adds a scope that the caller must have.
    pub fn require_scope(mut self, scope: impl Into<String>) -> Self {
        self.rules.requirements.scopes.push(scope.into());
        self
    }

    /// Adds a role that the caller must have.
    pub fn require_role(mut self, role: impl Into<String>) -> Self {
        self.rules.requirements.roles.push(role.into());
        self
    }

    /// Sets the longest time since the caller signed in.
    pub fn require_fresh(mut self, age: Duration) -> Self {
        self.rules.requirements.max_age = Some(age);
        self
    }

    /// Replaces the context classes of which the caller must have one.
    pub fn require_context_class<T: Into<String>>(
        mut self,
        classes: impl IntoIterator<Item = T>,
    ) -> Self {
        let classes = classes.into_iter().map(Into::into).collect();
        self.rules.requirements.context_classes = Some(classes);
        self
    }

    /// Sets the realm of the challenge (RFC 9110 §11.5); `api` by default.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.rules.challenge.realm = realm.into();
        self
    }

    /// Names where clients learn about this API (RFC 9728 §5.1), an https URL.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.rules.challenge.metadata = Some(url.into());
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.rules.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<RequireLayer, ConfigError> {
        let mut problems = self.rules.challenge.problems();
        problems.extend(self.rules.requirements.problems());
        Problems::check(problems, || RequireLayer(Arc::new(self.rules)))
    }
}

/// What is demanded of a caller.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    pub(super) scopes: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) context_classes: Option<Vec<String>>,
    pub(super) max_age: Option<Duration>,
}

impl Requirements {
    fn settings(&self) -> Settings {
        let mut settings = Settings::new();
        for (name, values) in [
            ("scopes", Some(&self.scopes)),
            ("roles", Some(&self.roles)),
            ("context classes", self.context_classes.as_ref()),
        ] {
            if let Some(values) = values.filter(|values| !values.is_empty()) {
                settings.push((name, values.join(", ")));
            }
        }
        if let Some(age) = self.max_age {
            settings.push(("signed in within", format!("{age:?}")));
        }
        settings
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scopes.is_empty()
            && self.roles.is_empty()
            && self.context_classes.is_none()
            && self.max_age.is_none()
    }

    /// Checks what the caller can change by signing in again first.
    pub(super) fn check(
        &self,
        principal: &Principal,
        now: UnixSeconds,
        challenge: &Challenge,
    ) -> Result<(), Rejection> {
        let too_old = |age| {
            principal
                .authenticated_at()
                .is_none_or(|at| now.since(at) > age)
        };
        let stale = self.max_age.filter(|age| too_old(*age));
        let has_class = |class: &String| principal.authentication_context() == Some(class);
        let classes = self.context_classes.as_ref();
        let weak = classes.filter(|classes| !classes.iter().any(has_class));
        if stale.is_some() || weak.is_some() {
            return Err(challenge.step_up(stale, weak));
        }
        if !self.scopes.iter().all(|scope| principal.has_scope(scope)) {
            return Err(challenge.scope(&self.scopes));
        }
        if !self.roles.iter().all(|role| principal.has_role(role)) {
            return Err(Rejection::new(
                StatusCode::FORBIDDEN,
                RejectionCode::InsufficientRole,
            ));
        }
        Ok(())
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let scopes = self.scopes.iter().filter(|scope| !is_scope_token(scope));
        let scopes = scopes.map(|scope| Problem::BadScope {
            scope: scope.clone(),
        });
        let empty = self.context_classes.as_ref().is_some_and(Vec::is_empty);
        let empty = empty.then_some(Problem::NoContextClass);
        let classes = self.context_classes.iter().flatten();
        let classes = classes.filter(|value| !is_scope_token(value));
        let classes = classes.map(|value| Problem::BadContextClass {
            value: value.clone(),
        });
        scopes.chain(classes).chain(empty).collect()
    }
}

/// The `Bearer` challenge (RFC 6750 §3).
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) metadata: Option<String>,
}

impl Default for Challenge {
    fn default() -> Self {
        Self {
            realm: "api".to_owned(),
            metadata: None,
        }
    }
}

impl Challenge {
    /// RFC 6750 §3.1: no error code if the request has no credentials.
    pub(super) fn missing(&self) -> Rejection {
        self.refuse(
            StatusCode::UNAUTHORIZED,
            RejectionCode::TokenMissing,
            format_args!(""),
        )
    }

    pub(super) fn invalid_token(
        &self,
        code: RejectionCode,
        description: &'static str,
    ) -> Rejection {
        let parameters =
            format_args!(", error=\"invalid_token\", error_description=\"{description}\"");
        self.refuse(StatusCode::UNAUTHORIZED, code, parameters)
            .detail(description)
    }

    pub(super) fn unreadable(&self, kind: &'static str) -> Rejection {
        self.refuse(
            StatusCode::BAD_REQUEST,
            RejectionCode::InvalidRequest,
            format_args!(", error=\"invalid_request\""),
        )
        .kind(kind)
        .detail("send one token, in one place")
    }

    /// RFC 9470 §3.
    fn step_up(&self, max_age: Option<Duration>, classes: Option<&Vec<String>>) -> Rejection {
        let age = max_age.map(|age| format!(", max_age=\"{}\"", age.as_secs()));
        let classes = classes.map(|classes| format!(", acr_values=\"{}\"", classes.join(" ")));
        let (age, classes) = (age.unwrap_or_default(), classes.unwrap_or_default());
        let parameters = format_args!(
            ", error=\"insufficient_user_authentication\", error_description=\"sign in again to continue\"{age}{classes}"
        );
        let code = RejectionCode::InsufficientUserAuthentication;
        self.refuse(StatusCode::UNAUTHORIZED, code, parameters)
            .detail("sign in again to continue")
    }

    fn scope(&self, scopes: &[String]) -> Rejection {
        let parameters = format_args!(
            ", error=\"insufficient_scope\", scope=\"{}\"",
            scopes.join(" ")
        );
        self.refuse(
            StatusCode::FORBIDDEN,
            RejectionCode::InsufficientScope,
            parameters,
        )
    }

    fn refuse(
        &self,
        status: StatusCode,
        code: RejectionCode,
        parameters: fmt::Arguments<'_>,
    ) -> Rejection {
        let mut challenge = format!("Bearer realm=\"{}\"{parameters}", self.realm);
        if let Some(url) = &self.metadata {
            challenge.push_str(&format!(", resource_metadata=\"{url}\""));
        }
        let challenge = HeaderValue::try_from(challenge)
            .expect("realm, scopes and addresses were checked to be quotable");
        Rejection::new(status, code).header(WWW_AUTHENTICATE, challenge)
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let quotable = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte);
        if !self.realm.bytes().all(quotable) {
            problems.push(Problem::BadRealm {
                realm: self.realm.clone(),
            });
        }
        if let Some(url) = &self.metadata
            && !(url.starts_with("https://") && is_scope_token(url))
        {
            problems.push(Problem::BadMetadataUrl { url: url.clone() });
        }
        problems
    }
}

/// The characters of a `scope-token` (RFC 6749 §3.3).
fn is_scope_token(text: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b'!'..=b'~') && !b"\"\\".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}
