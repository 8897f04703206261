//! Tokens for tests, good ones and bad ones, to try against your own service.
//!
//! [`Attacker`] lists the attacks that were published against JWT libraries,
//! each as a request with the answer it must get. Give your service the keys
//! of a [`TestKeys`], send each attack, and check the answer.
//!
//! # What it does not stop
//!
//! Nothing: it finds out what your service does not stop.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_rampart::jwt::{JwtLayer, Verifier};
//! use tower_rampart::jwt::testing::{Attacker, TestKeys};
//!
//! let keys = TestKeys::ed25519();
//! let verifier = Verifier::builder(keys.key_set()).issuer(keys.issuer()).audience(keys.audience()).build()?;
//! let service = JwtLayer::builder(verifier).build()?.layer(service_fn(|_request: Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new("inside".to_owned()))
//! }));
//!
//! let request = Request::get("/").header("authorization", format!("Bearer {}", keys.token().sign())).body(String::new())?;
//! assert!(service.clone().oneshot(request).await?.status().is_success());
//!
//! for attack in Attacker::new(&keys) {
//!     let answer = service.clone().oneshot(attack.request("/", String::new())).await?;
//!     attack.check(answer.status(), answer.headers())?;
//! }
//! # Ok(())
//! # }
//! ```

mod attack;
mod claim_attacks;
mod header_attacks;
mod key_attacks;
mod wire_attacks;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::key::SigningKey;
use super::key_set::KeySet;
use crate::clock::{Clock, SystemClock, UnixSeconds};
use crate::secret::Secret;

pub use attack::{Attack, Attacker, Survived};

/// A key, and what its tokens say by default.
#[derive(Clone, Debug)]
pub struct TestKeys {
    key: SigningKey,
    issuer: String,
    audience: String,
    now: UnixSeconds,
}

impl TestKeys {
    /// Takes a key: the one your service verifies with.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self {
            key,
            issuer: "https://issuer.test".to_owned(),
            audience: "test".to_owned(),
            now: SystemClock.unix_now(),
        }
    }

    /// Draws an Ed25519 key.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers to give.
    #[must_use]
    pub fn ed25519() -> Self {
        Self::new(SigningKey::generate_ed25519())
    }

    /// Draws a P-256 key.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers to give.
    #[must_use]
    pub fn es256() -> Self {
        Self::new(SigningKey::generate_es256())
    }

    /// Draws a secret for HS256.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers to give.
    #[must_use]
    pub fn hs256() -> Self {
        let key = SigningKey::hs256("test", &Secret::random(32));
        Self::new(key.expect("32 random bytes are a key"))
    }

    /// Sets what the tokens say in `iss`.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Sets what the tokens say in `aud`.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Sets the time at which the tokens are issued; now by default.
    #[must_use]
    pub fn at(mut self, now: UnixSeconds) -> Self {
        self.now = now;
        self
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the audience.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Returns the time at which tokens are issued.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        self.now
    }

    /// Returns the key.
    #[must_use]
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// Returns a set with this one key.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        KeySet::builder().signing(self.key.clone()).assemble()
    }

    /// Starts a good token: `at+jwt`, for `user-1`, for ten minutes.
    pub fn token(&self) -> TokenBuilder<'_> {
        let (now, key) = (self.now.as_u64(), self.key.verifying_key());
        let header = json!({"alg": key.algorithm().as_str(), "kid": key.kid(), "typ": "at+jwt"});
        let claims = json!({
            "iss": self.issuer, "aud": self.audience, "sub": "user-1",
            "iat": now, "exp": now + 600, "auth_time": now,
        });
        TokenBuilder {
            keys: self,
            header: members(header),
            claims: members(claims),
        }
    }

    /// Signs any two texts as header and claims.
    #[must_use]
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        self.sign_parts(&encode(header), &encode(claims))
    }

    /// Signs two parts that are encoded already, well or badly.
    fn sign_parts(&self, header: &str, claims: &str) -> String {
        let input = format!("{header}.{claims}");
        let signature = self.key.sign(input.as_bytes());
        let signature = signature.expect("a key that was read can sign");
        format!("{input}.{}", encode(signature))
    }

    fn algorithm(&self) -> Algorithm {
        self.key.verifying_key().algorithm()
    }
}

/// A token that is not signed yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenBuilder<'k> {
    keys: &'k TestKeys,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl TokenBuilder<'_> {
    /// Sets a header member.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a header member.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Signs the token, whatever it says.
    #[must_use]
    pub fn sign(self) -> String {
        let (header, claims) = (Value::Object(self.header), Value::Object(self.claims));
        self.keys
            .sign_text(&header.to_string(), &claims.to_string())
    }

    /// Returns the claims as a text.
    fn claims_text(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
