//! Leads each request to its service, within the bound of those in flight and within its deadline.
//!
//! A request is led by the prefix of its path, without the layers of a web framework: on the path of a unary call those
//! took an eighth of its instructions.

use super::deadline;
use super::health::HealthService;
use super::reflection::Reflection;
use crate::proto::admin_server::{AdminServer, SERVICE_NAME as ADMIN};
use crate::proto::session_store_server::{SERVICE_NAME as STORE, SessionStoreServer};
use crate::service::{
    AdminService, Carries, Place, Places, StoreService, call_timed_out, complete, refuse_foreign, unknown_method,
};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic_health::pb::health_server::{HealthServer, SERVICE_NAME as HEALTH};
use tower::Service;

/// The services of one worker.
#[derive(Clone)]
pub(super) struct Router {
    pub(super) store: SessionStoreServer<StoreService>,
    pub(super) admin: AdminServer<AdminService>,
    pub(super) health: HealthServer<HealthService>,
    pub(super) reflection: Option<Reflection>,
    pub(super) places: Places,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let timeout = deadline::of(request.headers());
        if let Some(refusal) = refuse_foreign(request.headers()) {
            return Answering::with(refusal);
        }
        let carries = Carries::of(request.uri().path());
        let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
        let place = match service {
            // Health checks must be answered above all when there is too much else to do.
            HEALTH => None,
            _ => match self.places.take() {
                Ok(place) => Some(place),
                // At once, instead of queueing.
                Err(refusal) => return Answering::with(Status::from(refusal).into_http()),
            },
        };
        let answer: Answer = match service {
            STORE => self.store.clone().call(request),
            ADMIN => self.admin.clone().call(request),
            HEALTH => self.health.clone().call(request),
            _ => match self.reflection.as_ref().and_then(|reflection| reflection.of(service)) {
                Some(mut reflection) => Box::pin(reflection.call(request)),
                None => return Answering::with(unknown_method().into_http()),
            },
        };
        Answering { answer, carries, timeout, deadline: None, _place: place }
    }
}

/// A request that is being answered.
pub(super) struct Answering {
    answer: Answer,
    carries: Carries,
    timeout: Option<Duration>,
    /// Most answers are there at once, and so need no timer.
    deadline: Option<Pin<Box<Sleep>>>,
    _place: Option<Place>,
}

impl Answering {
    fn with(response: Response<Body>) -> Self {
        let answer = Box::pin(ready(Ok(response)));
        Self { answer, carries: Carries::Other, timeout: None, deadline: None, _place: None }
    }
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(Ok(mut response)) = self.answer.as_mut().poll(cx) {
            complete(&mut response, self.carries);
            return Poll::Ready(Ok(response));
        }
        let Some(timeout) = self.timeout else { return Poll::Pending };
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Ok(call_timed_out().into_http()))
    }
}
