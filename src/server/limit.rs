//! Bounds the requests in flight in the whole process; those above it are refused at once instead of queueing.

use crate::service::Refusal;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

/// Health checks must be answered above all when there is too much else to do.
const EXEMPT_PREFIX: &str = "/grpc.health.v1.";

/// The layer; its clones share one bound.
#[derive(Clone)]
pub(super) struct InFlightLimit(Arc<Semaphore>);

impl InFlightLimit {
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))))
    }
}

impl<S> Layer<S> for InFlightLimit {
    type Service = InFlightLimited<S>;

    fn layer(&self, inner: S) -> InFlightLimited<S> {
        InFlightLimited { inner, places: Arc::clone(&self.0) }
    }
}

/// A service behind the bound.
#[derive(Clone)]
pub(super) struct InFlightLimited<S> {
    inner: S,
    places: Arc<Semaphore>,
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
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let _place = place;
                    answer.await
                })
            }
            Err(_) => Box::pin(async { Ok(Status::from(Refusal::TooManyRequests).into_http()) }),
        }
    }
}
