//! Hands each request to its service, by its path.
//!
//! It does without the layers of a web framework: those took an eighth of the instructions of a unary call.

use super::reflection::Reflection;
use super::request::RequestBody;
use super::route::Target;
use crate::proto::admin_server::AdminServer;
use crate::proto::session_store_server::SessionStoreServer;
use crate::server::process::health::HealthService;
use crate::service::{AdminService, StoreService, unknown_method};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic_health::pb::health_server::HealthServer;
use tower::Service;

/// The services of one worker.
#[derive(Clone)]
pub(in crate::server) struct Router {
    pub(in crate::server) store: SessionStoreServer<StoreService>,
    pub(in crate::server) admin: AdminServer<AdminService>,
    pub(in crate::server) health: HealthServer<HealthService>,
    pub(in crate::server) reflection: Option<Reflection>,
}

/// A request that is being answered.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Router {
    pub(super) fn call(&self, target: Target, request: Request<RequestBody>) -> Answering {
        match target {
            Target::Store => self.store.clone().call(request),
            Target::Admin => self.admin.clone().call(request),
            Target::Health => self.health.clone().call(request),
            Target::Other => {
                let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
                let service = service.to_owned();
                let answering = self.reflection.as_ref().and_then(|reflection| reflection.call(&service, request));
                answering.unwrap_or_else(|| Box::pin(ready(Ok(unknown_method().into_http()))))
            }
        }
    }
}
