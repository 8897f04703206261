//! Pictures that go straight to the bucket, and are judged before they are kept.
//!
//! A signed address lets a client write one object under a name that nobody
//! serves. What it says about itself counts for nothing: when the client is done
//! the object is read through the rules that every other upload obeys.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};
use serde::Deserialize;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_rampart::identity::{Principal, RequestId};
use tower_rampart::upload::{Kind, UploadBody, UploadReport};
use uuid::Uuid;

use crate::app::App;
use crate::images::created;
use crate::input::{Input, OptionalInput};
use crate::keep::keep;
use crate::objects::{INCOMING, Temporary};
use crate::respond::{ApiError, ApiResult};

/// How long an address may be written to.
const VALID: Duration = Duration::from_secs(600);

/// A bucket, as far as clients may write to it.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    signer: Arc<AmazonS3>,
    prefix: Key,
}

impl Bucket {
    /// Opens a bucket by the `AWS_…` settings.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub(crate) fn open(
        name: &str,
        prefix: &str,
        settings: &[(String, String)],
    ) -> object_store::Result<(Arc<dyn ObjectStore>, Self)> {
        // A request waits no longer than its client does.
        let retry = RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(8),
            backoff: BackoffConfig::default(),
        };
        // Of the store, not of a client who is slow to read what it sends.
        let client = AmazonS3ConfigKey::Client;
        let known = settings.iter().filter_map(|(name, value)| {
            Some((
                name.to_ascii_lowercase()
                    .parse::<AmazonS3ConfigKey>()
                    .ok()?,
                value,
            ))
        });
        let builder = known.fold(AmazonS3Builder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        });
        let builder = builder
            .with_config(client(ClientConfigKey::ConnectTimeout), "3 seconds")
            .with_config(client(ClientConfigKey::ReadTimeout), "8 seconds")
            .with_config(client(ClientConfigKey::Timeout), "600 seconds");
        let store = builder.with_bucket_name(name).with_retry(retry).build()?;
        let signer = Arc::new(store.clone());
        let prefix = Key::from(prefix);
        Ok((
            Arc::new(PrefixStore::new(store, prefix.clone())),
            Self { signer, prefix },
        ))
    }

    /// Signs an address for `PUT`s of a media type. The length cannot be signed:
    /// the library leaves it out, as proxies may change it.
    async fn sign(&self, key: &str, media_type: &'static str) -> object_store::Result<String> {
        let path = self
            .prefix
            .parts()
            .chain(Key::from(key).parts())
            .collect::<Key>();
        let kind = HeaderValue::from_static(media_type);
        let options = SignedUrlOptions::new().with_signed_header(CONTENT_TYPE, kind);
        let url = self
            .signer
            .signed_url_opts(Method::PUT, &path, VALID, &options)
            .await?;
        Ok(url.to_string())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Announced {
    media_type: String,
}

/// `POST /api/images/direct`: where to `PUT` a picture, and with which headers.
pub(crate) async fn begin(
    State(app): State<App>,
    principal: Principal,
    Input(announced): Input<Announced>,
) -> ApiResult<Response> {
    let bucket = app
        .objects
        .direct
        .as_ref()
        .ok_or_else(ApiError::not_found)?;
    let kinds = [Kind::Gif, Kind::Jpeg, Kind::Png, Kind::WebP];
    let kind = kinds
        .into_iter()
        .find(|kind| kind.media_type() == announced.media_type);
    let kind = kind.ok_or_else(|| {
        let detail = "announce image/gif, image/jpeg, image/png or image/webp";
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
    })?;
    let id = Uuid::now_v7();
    let url = bucket
        .sign(&incoming(&principal, id), kind.media_type())
        .await?;
    let body = json!({
        "id": id.to_string(),
        "method": "PUT",
        "url": url,
        "headers": {"content-type": kind.media_type()},
        "expires_in": VALID.as_secs(),
        "max_bytes": app.upload.max_bytes,
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// The name that only this account can have written to.
fn incoming(principal: &Principal, id: Uuid) -> String {
    format!("{INCOMING}/{}/{id}", principal.subject())
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    #[serde(default)]
    title: String,
}

/// `POST /api/images/direct/{id}`: the picture was written; 201 as for any other
/// upload, or what is wrong with it. In both cases what was written is gone;
/// after a failure of ours it stays, to be completed again.
pub(crate) async fn complete(
    State(app): State<App>,
    principal: Principal,
    request_id: RequestId,
    Path(id): Path<String>,
    OptionalInput(written): OptionalInput<Written>,
) -> ApiResult<Response> {
    if app.objects.direct.is_none() {
        return Err(ApiError::not_found());
    }
    if written.title.chars().count() > 200 || written.title.chars().any(char::is_control) {
        let detail = "a title has at most 200 characters, and no control characters";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_title",
            detail,
        ));
    }
    let id = Uuid::parse_str(&id).map_err(|_| ApiError::not_found())?;
    let key = incoming(&principal, id);
    let Some((declared, body)) = app.objects.written(&key).await? else {
        return Err(ApiError::not_found());
    };
    let (kind, temporary) = match judge(&app, request_id, declared, body).await? {
        Ok(judged) => judged,
        Err(refusal) => {
            // It will not be better next time. After an error of ours it might.
            drop(app.objects.take(&key));
            return Ok(refusal);
        }
    };
    let image = keep(&app, &principal, kind, written.title, temporary).await?;
    drop(app.objects.take(&key));
    Ok(created(&image))
}

/// Copies an object through the rules of uploads: until its address is not valid
/// any more a client may write it again, so what is kept is what was judged.
async fn judge(
    app: &App,
    request_id: RequestId,
    declared: HeaderValue,
    body: Body,
) -> ApiResult<Result<(Kind, Temporary), Response>> {
    let (sender, mut copied) = tokio::sync::mpsc::channel(1);
    let objects = app.objects.clone();
    let handler = service_fn(move |mut request: Request<UploadBody<Body>>| {
        let (sender, mut temporary) = (sender.clone(), objects.create());
        async move {
            let report = request.extensions_mut().remove::<UploadReport>();
            let report = report.ok_or_else(|| std::io::Error::other("nobody judged"))?;
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(std::io::Error::other)?;
                let bytes = frame.into_data().unwrap_or_default();
                temporary.write(bytes).await?;
            }
            let summary = report.verdict().await.map_err(std::io::Error::other)?;
            let file = summary.parts().first().and_then(|part| part.file());
            let kind = file.ok_or_else(|| std::io::Error::other("no file"))?.kind();
            let sent = sender.try_send((kind, temporary));
            sent.map_err(|_| std::io::Error::other("judged twice"))?;
            Ok::<_, std::io::Error>(http::Response::new(Body::empty()))
        }
    });
    let request = Request::put("/")
        .header(CONTENT_TYPE, declared)
        .extension(request_id);
    let request = request.body(body).map_err(std::io::Error::other)?;
    let answer = app.direct_upload.layer(handler).oneshot(request).await?;
    Ok(copied.try_recv().map_err(|_| answer.map(Body::new)))
}
