//! A server inside a command: what it would answer, asked without a connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_rampart::password::Password;
use tower_rampart::session::TokenIssuer;
use uuid::Uuid;

use crate::app::{self, App};
use crate::config::Config;
use crate::house::House;
use crate::keys::Keys;
use crate::mail::{CANARIES, token_hash};
use crate::secrets;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The longest answer that is read, in bytes.
const ANSWER: usize = 64 * 1024;

/// How long the last events may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A server that listens to nobody else.
pub(crate) struct Inside {
    pub(crate) app: App,
    pub(crate) issuer: TokenIssuer,
    auditing: tokio::task::JoinHandle<()>,
    layers: crate::layers::Layers,
}

impl Inside {
    /// Puts a server together.
    ///
    /// # Errors
    ///
    /// If a store cannot be opened, or a layer refuses its settings.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let House {
            app,
            layers,
            issuer,
            auditing,
            ..
        } = House::build(config).await?;
        Ok(Self {
            app,
            issuer,
            auditing,
            layers,
        })
    }

    /// Waits until the last events are written.
    pub(crate) async fn close(self) {
        let Self {
            app,
            issuer,
            auditing,
            ..
        } = self;
        drop((app, issuer));
        let _ = tokio::time::timeout(LAST_WORDS, auditing).await;
    }

    /// Takes over what other processes changed, as a server does all the time.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        self.issuer.sync_revocations().await?;
        let keys: Keys = self.app.desk.keys().await?;
        keys.apply(&self.issuer)
    }

    /// Asks something.
    ///
    /// # Errors
    ///
    /// If the answer cannot be read.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let mut request = request.body(body)?;
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let service = app::router(self.app.clone(), &self.layers).into_service::<Body>();
        let Ok(answer) = service.oneshot(request).await;
        let status = answer.status();
        let bytes = axum::body::to_bytes(Body::new(answer.into_body()), ANSWER).await?;
        Ok((
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        ))
    }
}

/// An account that exists only to prove what the others would see.
pub(crate) struct Canary {
    pub(crate) id: String,
    pub(crate) email: String,
    password: String,
    access: String,
    refresh: String,
}

impl Canary {
    /// Adds the account and signs it in.
    ///
    /// # Errors
    ///
    /// If the server does not let it.
    pub(crate) async fn hatch(inside: &Inside) -> Result<Self> {
        let email = format!("canary-{}{CANARIES}", Uuid::now_v7());
        let password = secrets::generate(24);
        let hash = inside
            .app
            .hasher
            .hash_new(Password::new(password.as_str())?)
            .await?;
        let id = inside
            .app
            .db
            .add_user(&email, &hash)
            .await?
            .ok_or("the canary exists already")?;
        let mut canary = Self {
            id,
            email,
            password,
            access: String::new(),
            refresh: String::new(),
        };
        let (status, answer) = canary.sign_in(inside).await?;
        if status != StatusCode::OK {
            canary.remove(inside).await?;
            return Err(format!("the canary cannot sign in: {status} {}", answer["code"]).into());
        }
        canary.access = text(&answer, "access_token");
        canary.refresh = text(&answer, "refresh_token");
        Ok(canary)
    }

    /// Signs in with the password that it has.
    ///
    /// # Errors
    ///
    /// If the answer cannot be read.
    pub(crate) async fn sign_in(&self, inside: &Inside) -> Result<(StatusCode, Value)> {
        let body = json!({"email": self.email, "password": self.password, "delivery": "body"});
        inside
            .ask(Method::POST, "/api/auth/login", None, Some(body))
            .await
    }

    /// Uses its first access token.
    ///
    /// # Errors
    ///
    /// If the answer cannot be read.
    pub(crate) async fn use_access(&self, inside: &Inside) -> Result<(StatusCode, Value)> {
        inside
            .ask(Method::GET, "/api/me", Some(&self.access), None)
            .await
    }

    /// Uses its first refresh token.
    ///
    /// # Errors
    ///
    /// If the answer cannot be read.
    pub(crate) async fn use_refresh(&self, inside: &Inside) -> Result<(StatusCode, Value)> {
        let body = json!({"refresh_token": self.refresh});
        inside
            .ask(Method::POST, "/api/auth/refresh", None, Some(body))
            .await
    }

    /// Sets another password with a token, as the mail would bring one.
    ///
    /// # Errors
    ///
    /// If the database fails, or the answer cannot be read.
    pub(crate) async fn reset(&mut self, inside: &Inside) -> Result<StatusCode> {
        let token = secrets::generate(32);
        inside
            .app
            .db
            .add_token(&self.id, &Uuid::now_v7().to_string(), &token_hash(&token))
            .await?;
        let new = secrets::generate(24);
        let body = json!({"token": token, "new_password": new});
        let (status, _) = inside
            .ask(Method::POST, "/api/auth/password/reset", None, Some(body))
            .await?;
        if status == StatusCode::NO_CONTENT {
            self.password = new;
        }
        Ok(status)
    }

    /// Takes the account away again.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) async fn remove(&self, inside: &Inside) -> Result<()> {
        let which = tower_rampart::session::EndSessions::Subject {
            subject: &self.id,
            keep: None,
        };
        inside
            .issuer
            .end(which, tower_rampart::session::EndReason::AccountClosed)
            .await?;
        inside.app.db.delete_user_without_images(&self.id).await?;
        Ok(())
    }
}

fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_default().to_owned()
}
