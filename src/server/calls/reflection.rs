//! gRPC reflection: tells tools such as grpcurl which services there are and what their messages look like.

use super::request::RequestBody;
use crate::proto::FILE_DESCRIPTOR_SET;
use std::convert::Infallible;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic_reflection::pb::v1::server_reflection_server::SERVICE_NAME as V1;
use tonic_reflection::pb::v1alpha::server_reflection_server::SERVICE_NAME as V1_ALPHA;
use tonic_reflection::server::Builder;
use tower::util::BoxCloneSyncService;

/// Reflection in one version.
type Service = BoxCloneSyncService<Request<RequestBody>, Response<Body>, Infallible>;

/// Reflection in both versions: many tools know only the older one.
#[derive(Clone)]
pub(in crate::server) struct Reflection {
    v1: Service,
    v1_alpha: Service,
}

impl Reflection {
    pub(in crate::server) fn new() -> Self {
        let v1 = contract().build_v1().expect("the descriptors were made by the build");
        let v1_alpha = contract().build_v1alpha().expect("the descriptors were made by the build");
        Self { v1: Service::new(v1), v1_alpha: Service::new(v1_alpha) }
    }

    /// The version that is called.
    pub(super) fn of(&self, service: &str) -> Option<Service> {
        match service {
            V1 => Some(self.v1.clone()),
            V1_ALPHA => Some(self.v1_alpha.clone()),
            _ => None,
        }
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
