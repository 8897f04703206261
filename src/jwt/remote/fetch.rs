//! Fetching over HTTP.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::{Response, Uri};
use reqwest::redirect::Policy;

use super::MAX_BYTES;

/// An answer, or why there is none.
pub type Fetched = Pin<
    Box<
        dyn Future<Output = Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>>>
            + Send,
    >,
>;

/// Fetches documents. [`HttpFetch`] is the one to use; write another to fetch
/// through a client of your own.
pub trait FetchJwks: fmt::Debug + Send + Sync + 'static {
    /// Gets a document. Must check certificates, must not follow redirects to
    /// another origin, and should stop reading after 256 KiB. It is stopped
    /// after 5 s.
    fn get(&self, url: &Uri) -> Fetched;
}

/// Fetches with `reqwest`, over TLS with the certificates that the system
/// trusts.
#[derive(Clone, Debug)]
pub struct HttpFetch(reqwest::Client);

impl HttpFetch {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// If the system's certificates cannot be read.
    pub fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Self::make(false)
    }

    /// Makes a client that asks directly, or one that heeds the environment's
    /// proxies.
    pub(super) fn make(direct: bool) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let same_origin = Policy::custom(|attempt| {
            let first = attempt.previous().first().map(reqwest::Url::origin);
            if attempt.previous().len() > 3 || first != Some(attempt.url().origin()) {
                attempt.stop()
            } else {
                attempt.follow()
            }
        });
        let mut client = reqwest::Client::builder().redirect(same_origin);
        if direct {
            client = client.no_proxy();
        }
        Ok(Self(client.build()?))
    }
}

impl FetchJwks for HttpFetch {
    fn get(&self, url: &Uri) -> Fetched {
        let request = self
            .0
            .get(url.to_string())
            .header("accept", "application/jwk-set+json, application/json");
        Box::pin(async move {
            let mut answer = request.send().await?;
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_BYTES {
                    break;
                }
            }
            let mut response = Response::new(body.freeze());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            Ok(response)
        })
    }
}
