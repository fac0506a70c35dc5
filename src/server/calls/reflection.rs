//! gRPC reflection: tells tools such as grpcurl which services there are and what their messages look like.

use super::request::RequestBody;
use super::router::Answering;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::service::errors::transfer::too_many_reflections;
use http_body_util::BodyExt as _;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic_reflection::pb::v1::server_reflection_server::SERVICE_NAME as V1;
use tonic_reflection::pb::v1alpha::server_reflection_server::SERVICE_NAME as V1_ALPHA;
use tonic_reflection::server::Builder;
use tower::Service as _;
use tower::util::BoxCloneSyncService;

/// Reflection in one version.
type Service = BoxCloneSyncService<Request<RequestBody>, Response<Body>, Infallible>;

/// So many streams of a worker may be open. Tools need one for a moment; each holds an answer as large as the contract.
const SEATS: usize = 32;

/// Reflection in both versions: many tools know only the older one.
#[derive(Clone)]
pub(in crate::server) struct Reflection {
    v1: Service,
    v1_alpha: Service,
    seats: Arc<Semaphore>,
}

impl Reflection {
    pub(in crate::server) fn new() -> Self {
        let v1 = contract().build_v1().expect("the descriptors were made by the build");
        let v1_alpha = contract().build_v1alpha().expect("the descriptors were made by the build");
        Self { v1: Service::new(v1), v1_alpha: Service::new(v1_alpha), seats: Arc::new(Semaphore::new(SEATS)) }
    }

    /// Answers a call to the service of this name; `None` if it is no version of reflection.
    pub(super) fn call(&self, service: &str, request: Request<RequestBody>) -> Option<Answering> {
        let mut version = match service {
            V1 => self.v1.clone(),
            V1_ALPHA => self.v1_alpha.clone(),
            _ => return None,
        };
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            return Some(Box::pin(ready(Ok(too_many_reflections(SEATS).into_http()))));
        };
        Some(Box::pin(async move {
            let response = version.call(request).await?;
            // The seat is free again when the answer is dropped.
            let keep_seat = move |frame| {
                let _ = &seat;
                frame
            };
            Ok(response.map(|body| Body::new(body.map_frame(keep_seat))))
        }))
    }
}

/// Everything that is spoken here, with the details of errors: no method names those, and without their files no tool could
/// show them.
fn contract<'b>() -> Builder<'b> {
    Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}
