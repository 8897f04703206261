//! One field of the body, read before the handler reads it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use crate::gate::GateBody;
use crate::rejection::{Rejection, RejectionCode};
use crate::wire::strict_json;

/// A field of the request's body, put into its extensions by a [`FieldLayer`].
#[derive(Clone, Eq, PartialEq)]
pub struct Field(Arc<str>);

impl Field {
    /// Wraps a value, for a layer that finds it in another way.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// Returns the value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prints no value: it may be personal.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Field")
    }
}

/// Reads one field of the body before the service does, and hands the body on as
/// it came.
///
/// Reads at most 8 KiB, all of the body, whatever its declared type. A longer
/// one is answered 413, one that is not of the form, or names a member twice,
/// 400: what this layer reads and what the service reads must be the same. How
/// long a client may take is for the server to say.
///
/// `GET` and `HEAD` are answered 400: some frameworks read their fields from
/// the query.
///
/// # Security
///
/// A service that also takes the field by another name, or from the query, can
/// be asked about another value than the one that was counted.
///
/// The value is trimmed and put in lower case, as [`Field`]; a request without
/// the field, or with another value than a text, has none.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_rampart::rate_limit::{Field, FieldLayer};
///
/// let service = FieldLayer::json("email").layer(service_fn(
///     |request: Request<tower_rampart::rate_limit::FieldBody>| async move {
///         let email = request.extensions().get::<Field>().cloned();
///         let found = email.is_some_and(|email| email.as_str() == "ann@example.com");
///         let status = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
///         Ok::<_, std::convert::Infallible>(
///             Response::builder().status(status).body(Full::<bytes::Bytes>::default()).expect("legal"),
///         )
///     },
/// ));
/// let request = Request::post("/").body(Full::from(r#"{"email": "Ann@Example.com"}"#))?;
/// assert_eq!(service.oneshot(request).await?.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FieldLayer {
    name: Arc<str>,
    form: Form,
    most: usize,
    exact: bool,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    UrlEncoded,
}

impl FieldLayer {
    /// Reads a member of a JSON object.
    #[must_use]
    pub fn json(name: &str) -> Self {
        Self::new(name, Form::Json)
    }

    /// Reads a field of `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn url_encoded(name: &str) -> Self {
        Self::new(name, Form::UrlEncoded)
    }

    fn new(name: &str, form: Form) -> Self {
        Self {
            name: name.into(),
            form,
            most: 8 * 1024,
            exact: false,
        }
    }

    /// Keeps the value as it is, case and spaces included.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Finds the field.
    fn find(&self, body: &[u8]) -> Result<Option<Field>, Rejection> {
        let value = match self.form {
            Form::Json => {
                let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
                let mut members = strict_json::object(text).ok_or_else(unreadable)?;
                match members.remove(&*self.name) {
                    Some(serde_json::Value::String(value)) => Some(Cow::Owned(value)),
                    _ => None,
                }
            }
            Form::UrlEncoded => {
                let mut named = form_urlencoded::parse(body)
                    .filter_map(|(name, value)| (name == *self.name).then_some(value));
                let first = named.next();
                if named.next().is_some() {
                    return Err(unreadable());
                }
                first
            }
        };
        Ok(value.map(|value| {
            if self.exact {
                Field::new(&value)
            } else {
                Field::new(&value.trim().to_lowercase())
            }
        }))
    }
}

fn unreadable() -> Rejection {
    Rejection::new(StatusCode::BAD_REQUEST, RejectionCode::InvalidRequest)
        .kind("unreadable-field")
        .detail("the body is not of the form that is expected here")
}

impl<S> Layer<S> for FieldLayer {
    type Service = FieldService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FieldService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of a [`FieldLayer`].
#[derive(Clone, Debug)]
pub struct FieldService<S> {
    inner: S,
    layer: FieldLayer,
}

impl<S, B, ResBody> Service<Request<B>> for FieldService<S>
where
    S: Service<Request<FieldBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that said it is ready is the one to call.
        let fresh = self.inner.clone();
        let mut service = mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        let (mut head, body) = request.into_parts();
        Box::pin(async move {
            if [Method::GET, Method::HEAD].contains(&head.method) {
                drop(service);
                let response = unreadable().respond("field", &head);
                return Ok(response.map(GateBody::reply));
            }
            let found = match FieldBody::read(body, layer.most).await {
                Ok(body) => layer.find(&body.start).map(|field| (field, body)),
                Err(Unread::TooLong) => Err(Rejection::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    RejectionCode::BodyTooLarge,
                )),
                // The service learns what went wrong, and no field.
                Err(Unread::Failed(body)) => Ok((None, body)),
            };
            match found {
                Ok((field, body)) => {
                    head.extensions.remove::<Field>();
                    if let Some(field) = field {
                        head.extensions.insert(field);
                    }
                    let response = service.call(Request::from_parts(head, body)).await?;
                    Ok(response.map(GateBody::inner))
                }
                Err(rejection) => {
                    // Whatever it reserved when it was ready, it gives back now.
                    drop(service);
                    Ok(rejection.respond("field", &head).map(GateBody::reply))
                }
            }
        })
    }
}

/// A body that was read, and is given out again.
#[derive(Debug)]
pub struct FieldBody {
    start: Bytes,
    failed: Option<FieldBodyError>,
    trailers: Option<http::HeaderMap>,
}

enum Unread {
    TooLong,
    Failed(FieldBody),
}

impl FieldBody {
    async fn read<B>(body: B, most: usize) -> Result<Self, Unread>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if body.size_hint().lower() > most as u64 {
            return Err(Unread::TooLong);
        }
        let mut start = BytesMut::new();
        let mut trailers = None;
        let mut body = Box::pin(body);
        loop {
            let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
            match frame {
                None => break,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if start.len() + data.len() > most => return Err(Unread::TooLong),
                    Ok(data) => start.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
                Some(Err(error)) => {
                    return Err(Unread::Failed(Self {
                        start: start.freeze(),
                        failed: Some(FieldBodyError(error.into())),
                        trailers: None,
                    }));
                }
            }
        }
        Ok(Self {
            start: start.freeze(),
            failed: None,
            trailers,
        })
    }
}

impl Body for FieldBody {
    type Data = Bytes;
    type Error = FieldBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FieldBodyError>>> {
        let this = self.get_mut();
        if !this.start.is_empty() {
            let start = mem::take(&mut this.start);
            return Poll::Ready(Some(Ok(Frame::data(start))));
        }
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let trailers = this.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.start.is_empty() && self.failed.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.failed.is_some() {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.start.len() as u64)
        }
    }
}

/// The client's body ended early.
#[derive(Debug)]
pub struct FieldBodyError(Box<dyn Error + Send + Sync>);

impl fmt::Display for FieldBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body ended early")
    }
}

impl Error for FieldBodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
