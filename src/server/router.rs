//! Leads each request to its service.
//!
//! It is led by its path, without the layers of a web framework: on the path of a unary call those took an eighth of its
//! instructions.

use super::health::HealthService;
use super::request::RequestBody;
use super::route::Target;
use crate::proto::admin_server::AdminServer;
use crate::proto::session_store_server::SessionStoreServer;
use crate::service::{AdminService, StoreService};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic_health::pb::health_server::HealthServer;
use tower::{Service, util::BoxCloneSyncService};

/// A service of any kind.
pub(super) type AnyService = BoxCloneSyncService<Request<RequestBody>, Response<Body>, Infallible>;

/// The services of one worker.
#[derive(Clone)]
pub(super) struct Router {
    pub(super) store: SessionStoreServer<StoreService>,
    pub(super) admin: AdminServer<AdminService>,
    pub(super) health: HealthServer<HealthService>,
    /// Whatever else is asked for.
    pub(super) reflection: Option<AnyService>,
}

/// A request that is being answered.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Router {
    pub(super) fn call(&self, target: Target, request: Request<RequestBody>) -> Answering {
        match target {
            Target::Store => self.store.clone().call(request),
            Target::Admin => self.admin.clone().call(request),
            Target::Health => self.health.clone().call(request),
            Target::Other => match self.reflection.clone() {
                Some(mut reflection) => Box::pin(reflection.call(request)),
                None => Box::pin(ready(Ok(Status::unimplemented("no such service").into_http()))),
            },
        }
    }
}
