//! Gives each request its place among those in flight; above the bound it is refused at once instead of queueing.

use crate::service::Places;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

/// Health checks must be answered above all when there is too much else to do.
const EXEMPT_PREFIX: &str = "/grpc.health.v1.";

/// The layer.
#[derive(Clone)]
pub(super) struct InFlightLimit(Places);

impl InFlightLimit {
    pub(super) fn new(places: Places) -> Self {
        Self(places)
    }
}

impl<S> Layer<S> for InFlightLimit {
    type Service = InFlightLimited<S>;

    fn layer(&self, inner: S) -> InFlightLimited<S> {
        InFlightLimited { inner, places: self.0.clone() }
    }
}

/// A service behind the bound.
#[derive(Clone)]
pub(super) struct InFlightLimited<S> {
    inner: S,
    places: Places,
}

impl<S> Service<Request<Body>> for InFlightLimited<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().starts_with(EXEMPT_PREFIX) {
            return Box::pin(self.inner.call(request));
        }
        match self.places.take() {
            Ok(place) => {
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let _place = place;
                    answer.await
                })
            }
            Err(refusal) => Box::pin(async move { Ok(Status::from(refusal).into_http()) }),
        }
    }
}
