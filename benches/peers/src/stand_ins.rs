//! Services that do nothing, or only what is measured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use tower::Service;

/// The body of services that stand on the axum before.
pub(crate) type OldBody = axum07::body::Body;

/// Answers at once, as a service on the axum before.
#[derive(Clone, Debug)]
pub(crate) struct OldNothing;

impl Service<Request<Body>> for OldNothing {
    type Response = Response<OldBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(OldBody::empty())))
    }
}

/// Gives a limited body the type that the services inside know.
#[derive(Clone)]
pub(crate) struct Unlimited<S>(pub(crate) S);

impl<S: Service<Request<Body>>> Service<Request<tower_http::body::Limited<Body>>> for Unlimited<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<tower_http::body::Limited<Body>>) -> S::Future {
        self.0.call(request.map(|_| Body::empty()))
    }
}

/// A function as a service.
#[derive(Clone)]
pub(crate) struct Call<'a>(pub(crate) &'a dyn Fn());

impl Service<Request<Body>> for Call<'_> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        (self.0)();
        ready(Ok(Response::new(Body::empty())))
    }
}
